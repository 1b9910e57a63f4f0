//! What the kernel knows of an skb and `struct __sk_buff` does not show: the
//! state of its checksum, and how it is to be segmented.
//!
//! The context of a classifier is the `struct sk_buff` itself. Where each
//! field lies, user space has taken from the running kernel's BTF and put in
//! [`SkbLayout`]: read-only data, so the verifier knows the values, sees one
//! way of asking and leaves the others out.

use core::{
    ffi::c_void,
    mem::{MaybeUninit, size_of, transmute},
    ptr::read_volatile,
};

use aya_ebpf::{
    Global,
    bindings::__sk_buff,
    helpers::generated::{bpf_csum_level, bpf_csum_update, bpf_probe_read_kernel},
};
use tap_common::{
    CALL_CAST_TO_KERN_CTX, CALL_RDONLY_CAST, CHECKSUM_COMPLETE, CHECKSUM_PARTIAL,
    CHECKSUM_UNNECESSARY, Known, Metadata, SKB_WINDOW_BYTES, SkbLayout,
};

/// How to ask, and where to look; user space sets it before it loads.
/// `tap_common::SKB_LAYOUT_SYMBOL` names it.
#[unsafe(no_mangle)]
static PODTAP_SKB_LAYOUT_V2: Global<SkbLayout> = Global::new(SkbLayout {
    metadata: Metadata::Helpers as u32,
    shared_info_btf_id: 0,
    ip_summed_at: 0,
    ip_summed_shift: 0,
    encapsulation_at: 0,
    encapsulation_shift: 0,
    csum_start_at: 0,
    csum_offset_at: 0,
    inner_network_header_at: 0,
    head_at: 0,
    data_at: 0,
    end_at: 0,
    gso_type_at: 0,
    window_at: 0,
});

/// One value of the layout, loaded just where it is used: 5.10 forgets what it
/// knows of a scalar that is spilled to the stack.
macro_rules! layout {
    ($field:ident) => {{
        let layout = (&raw const PODTAP_SKB_LAYOUT_V2).cast::<SkbLayout>();
        // SAFETY: `Global` is transparent around one `SkbLayout`.
        let field = unsafe { &raw const (*layout).$field };
        // SAFETY: the static is always initialized.
        unsafe { read_volatile(field) as usize }
    }};
}

/// The fields of a record that only the `struct sk_buff` tells; see
/// [`tap_common::RecordHeader`].
#[derive(Clone, Copy)]
pub struct SkbMetadata {
    pub gso_type: u32,
    pub csum_start: u16,
    pub csum_offset: u16,
    pub inner_network_at: u16,
    pub ip_summed: u8,
    pub known: u8,
}

const NOTHING: SkbMetadata = SkbMetadata {
    gso_type: 0,
    csum_start: 0,
    csum_offset: 0,
    inner_network_at: 0,
    ip_summed: 0,
    known: 0,
};

/// Asks in the way that user space has chosen.
#[inline(always)]
pub fn ask(skb: *mut __sk_buff, is_super_frame: bool) -> SkbMetadata {
    let way = layout!(metadata);
    if way == Metadata::Kfuncs as usize {
        by_kfuncs(skb, is_super_frame)
    } else if way == Metadata::ProbeReads as usize && is_super_frame {
        by_probe_reads(skb)
    } else {
        by_helpers(skb)
    }
}

/// Reads the fields as the kernel's own code would: the verifier knows the
/// types.
#[inline(always)]
fn by_kfuncs(skb: *mut __sk_buff, is_super_frame: bool) -> SkbMetadata {
    let kernel = cast_to_kern_ctx(skb);
    let head = field::<u64>(kernel, layout!(head_at));
    // An offset within a buffer of less than 64 KiB in front of the data.
    let headroom = field::<u64>(kernel, layout!(data_at)).wrapping_sub(head) as u16;
    let mut metadata = of_sk_buff(
        |at| field::<u8>(kernel, at),
        |at| field::<u16>(kernel, at),
        headroom,
    );
    if is_super_frame {
        let end = field::<u32>(kernel, layout!(end_at));
        let shared_info = rdonly_cast(
            head.wrapping_add(u64::from(end)),
            layout!(shared_info_btf_id) as u32,
        );
        metadata.gso_type = field::<u32>(shared_info, layout!(gso_type_at));
        metadata.known |= Known::GSO_TYPE;
    }
    metadata
}

/// Copies what is asked for: one read of the `struct sk_buff`, one of its
/// `struct skb_shared_info`.
#[inline(always)]
fn by_probe_reads(skb: *mut __sk_buff) -> SkbMetadata {
    let mut window = MaybeUninit::<[u64; SKB_WINDOW_BYTES / size_of::<u64>()]>::uninit();
    let from = (skb as u64).wrapping_add(layout!(window_at) as u64);
    if !probe_read(window.as_mut_ptr().cast(), SKB_WINDOW_BYTES as u32, from) {
        return NOTHING;
    }
    let window = window.as_ptr().cast::<c_void>();
    let head = field::<u64>(window, layout!(head_at) - layout!(window_at));
    let data = field::<u64>(window, layout!(data_at) - layout!(window_at));
    let end = field::<u32>(window, layout!(end_at) - layout!(window_at));
    let mut metadata = of_sk_buff(
        |at| field::<u8>(window, at - layout!(window_at)),
        |at| field::<u16>(window, at - layout!(window_at)),
        data.wrapping_sub(head) as u16,
    );
    let shared_info = head.wrapping_add(u64::from(end));
    let mut gso_type = 0_u32;
    let from = shared_info.wrapping_add(layout!(gso_type_at) as u64);
    if probe_read((&raw mut gso_type).cast(), size_of::<u32>() as u32, from) {
        metadata.gso_type = gso_type;
        metadata.known |= Known::GSO_TYPE;
    }
    metadata
}

/// What the fields of a `struct sk_buff` say; `headroom` is `data - head`.
#[inline(always)]
fn of_sk_buff(
    byte: impl Fn(usize) -> u8,
    half: impl Fn(usize) -> u16,
    headroom: u16,
) -> SkbMetadata {
    let ip_summed = (byte(layout!(ip_summed_at)) >> layout!(ip_summed_shift)) & CHECKSUM_PARTIAL;
    let encapsulated = (byte(layout!(encapsulation_at)) >> layout!(encapsulation_shift)) & 1;
    let mut metadata = SkbMetadata {
        ip_summed,
        known: Known::IP_SUMMED | Known::OFFSETS,
        ..NOTHING
    };
    if ip_summed == CHECKSUM_PARTIAL {
        metadata.csum_start = half(layout!(csum_start_at)).wrapping_sub(headroom);
        metadata.csum_offset = half(layout!(csum_offset_at));
    }
    if encapsulated != 0 {
        metadata.inner_network_at = half(layout!(inner_network_header_at)).wrapping_sub(headroom);
    }
    metadata
}

/// Two helpers tell what they can do with an skb, and so what it is; neither
/// changes it.
#[inline(always)]
fn by_helpers(skb: *mut __sk_buff) -> SkbMetadata {
    /// `BPF_CSUM_LEVEL_QUERY` of include/uapi/linux/bpf.h.
    const QUERY: u64 = 0;
    let known = |ip_summed| SkbMetadata {
        ip_summed,
        known: Known::IP_SUMMED,
        ..NOTHING
    };
    // SAFETY: a valid context. It refuses all but CHECKSUM_UNNECESSARY
    // (`bpf_csum_level` in net/core/filter.c).
    if unsafe { bpf_csum_level(skb, QUERY) } >= 0 {
        return known(CHECKSUM_UNNECESSARY);
    }
    // SAFETY: a valid context. It adds nothing to a CHECKSUM_COMPLETE, and
    // refuses all others (`bpf_csum_update` in net/core/filter.c).
    if unsafe { bpf_csum_update(skb, 0) } >= 0 {
        return known(CHECKSUM_COMPLETE);
    }
    NOTHING
}

/// The field at an offset that the verifier knows.
#[inline(always)]
fn field<T: Copy>(base: *const c_void, at: usize) -> T {
    let field = base.wrapping_byte_add(at).cast::<T>();
    // SAFETY: user space has taken the offset from the kernel's BTF, so it is
    // aligned; the verifier checks it against the type, or the size of the
    // buffer.
    unsafe { field.read() }
}

#[inline(always)]
fn probe_read(to: *mut c_void, size_bytes: u32, from: u64) -> bool {
    // SAFETY: `to` has room; a source that cannot be read is refused.
    unsafe { bpf_probe_read_kernel(to, size_bytes, from as *const c_void) == 0 }
}

/// The kfunc `bpf_cast_to_kern_ctx`: the `struct sk_buff` behind a context.
#[inline(always)]
fn cast_to_kern_ctx(skb: *mut __sk_buff) -> *const c_void {
    // SAFETY: user space writes the kfunc's own number over this one.
    let call: extern "C" fn(*mut __sk_buff) -> *const c_void =
        unsafe { transmute(CALL_CAST_TO_KERN_CTX as usize) };
    call(skb)
}

/// The kfunc `bpf_rdonly_cast`: memory to be read as a type.
#[inline(always)]
fn rdonly_cast(address: u64, btf_id: u32) -> *const c_void {
    // SAFETY: as above.
    let call: extern "C" fn(u64, u32) -> *const c_void =
        unsafe { transmute(CALL_RDONLY_CAST as usize) };
    call(address, btf_id)
}

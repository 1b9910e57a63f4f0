//! What the kernel knows of an skb beside what `struct __sk_buff` shows: how
//! the programs ask for it.

use core::mem::size_of;

/// Symbol of the [`SkbLayout`] in the object's read-only data.
pub const SKB_LAYOUT_SYMBOL: &str = "PODTAP_SKB_LAYOUT_V2";
const _: () = assert!(
    crate::ABI_VERSION == 2,
    "rename SKB_LAYOUT_SYMBOL with the ABI"
);

/// How the programs learn what `__sk_buff` does not say, and where it lies on
/// the running kernel. All targets have the same one.
///
/// Offsets are in bytes from the start of `struct sk_buff`, but for
/// `gso_type_at`, which is from the start of `struct skb_shared_info`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SkbLayout {
    /// [`Metadata`].
    pub metadata: u32,
    /// BTF id of `struct skb_shared_info`, for `bpf_rdonly_cast`.
    pub shared_info_btf_id: u32,
    /// The byte that `ip_summed` lies in, and the lower of its two bits.
    pub ip_summed_at: u32,
    /// See `ip_summed_at`.
    pub ip_summed_shift: u32,
    /// The byte that `encapsulation` lies in, and its bit.
    pub encapsulation_at: u32,
    /// See `encapsulation_at`.
    pub encapsulation_shift: u32,
    /// `csum_start`, 16 bits, from `head`.
    pub csum_start_at: u32,
    /// `csum_offset`, 16 bits.
    pub csum_offset_at: u32,
    /// `inner_network_header`, 16 bits, from `head`.
    pub inner_network_header_at: u32,
    /// `head`, a pointer.
    pub head_at: u32,
    /// `data`, a pointer.
    pub data_at: u32,
    /// `end`, 32 bits, from `head` (`NET_SKBUFF_DATA_USES_OFFSET`).
    pub end_at: u32,
    /// `gso_type`, 32 bits.
    pub gso_type_at: u32,
    /// First byte of the [`SKB_WINDOW_BYTES`] that hold all fields of `struct
    /// sk_buff` above, for the one read that fetches them.
    pub window_at: u32,
}

const _: () = assert!(size_of::<SkbLayout>() == 14 * size_of::<u32>());

/// Bytes of `struct sk_buff` that [`Metadata::ProbeReads`] fetches at once.
pub const SKB_WINDOW_BYTES: usize = 128;

/// How the programs learn what `__sk_buff` does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum Metadata {
    /// `bpf_csum_level` and `bpf_csum_update` tell packets whose checksum is
    /// final; of all others nothing is known.
    Helpers = 0,
    /// `bpf_probe_read_kernel` for super-frames, the helpers for the rest.
    ProbeReads = 1,
    /// `bpf_cast_to_kern_ctx` and `bpf_rdonly_cast`, for every packet.
    Kfuncs = 2,
}

/// Number of no helper, which stands in the object for a call of the kfunc
/// `bpf_cast_to_kern_ctx` until user space writes what the running kernel
/// calls it.
pub const CALL_CAST_TO_KERN_CTX: i32 = 0x7fff_0001;
/// The same for `bpf_rdonly_cast`.
pub const CALL_RDONLY_CAST: i32 = 0x7fff_0002;

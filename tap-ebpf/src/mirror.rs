//! One skb's way into the ring.

use core::arch::asm;

use aya_ebpf::{
    bindings::__sk_buff,
    helpers::{bpf_ktime_get_ns, bpf_skb_load_bytes},
    macros::map,
    maps::{Array, RingBuf},
    programs::TcContext,
};
use aya_log_ebpf::warn;
use tap_common::{
    ABI_VERSION, Direction, HEARTBEAT_TIMEOUT_NS, RECORD_CLASSES_BYTES, RecordHeader, TargetState,
    Verdict,
};

use crate::{PODTAP_CONFIG_V2, ledger, metadata};

/// All targets share it; user space sets its size.
#[map]
static RING: RingBuf = RingBuf::with_byte_size(4096, 0);

/// When the agent last said that it lives. All targets share it.
#[map]
static HEARTBEAT: Array<u64> = Array::with_max_entries(1, 0);

/// This target's switch.
#[map]
static STATE: Array<TargetState> = Array::with_max_entries(1, 0);

/// A reservation of the class that holds `N` bytes of packet.
#[repr(C)]
struct Slot<const N: usize> {
    header: RecordHeader,
    data: [u8; N],
}

/// Counts the skb, gives it its verdict and, if that is `Mirrored`, has put it
/// in the ring.
#[inline(always)]
pub fn mirror(ctx: &TcContext, direction: Direction) {
    let Some(row) = ledger::row(direction) else {
        return;
    };
    let len = ctx.len();
    row.see(len);
    let verdict = verdict(ctx, direction, len);
    let first = row.judge(verdict, len);
    // Once a verdict, target, direction and CPU: never per packet.
    if first {
        report(ctx, verdict, len);
    }
}

#[inline(always)]
fn verdict(ctx: &TcContext, direction: Direction, len: u32) -> Verdict {
    if !STATE.get(0).is_some_and(|state| state.enabled != 0) {
        return Verdict::Dormant;
    }
    // SAFETY: the helper takes no arguments and has no preconditions.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    let beat_ns = HEARTBEAT.get(0).copied().unwrap_or(0);
    if now_ns.wrapping_sub(beat_ns) as i64 > HEARTBEAT_TIMEOUT_NS as i64 {
        return Verdict::AgentAway;
    }
    copy(ctx, direction, len as usize, now_ns)
}

/// Copies into the first class that the packet fits.
#[inline(always)]
fn copy(ctx: &TcContext, direction: Direction, len: usize, now_ns: u64) -> Verdict {
    const CLASS: [usize; 10] = RECORD_CLASSES_BYTES;
    let header = describe(ctx.skb.skb, direction, now_ns);
    if len <= CLASS[0] {
        record::<{ CLASS[0] }>(ctx, &header)
    } else if len <= CLASS[1] {
        record::<{ CLASS[1] }>(ctx, &header)
    } else if len <= CLASS[2] {
        record::<{ CLASS[2] }>(ctx, &header)
    } else if len <= CLASS[3] {
        record::<{ CLASS[3] }>(ctx, &header)
    } else if len <= CLASS[4] {
        record::<{ CLASS[4] }>(ctx, &header)
    } else if len <= CLASS[5] {
        record::<{ CLASS[5] }>(ctx, &header)
    } else if len <= CLASS[6] {
        record::<{ CLASS[6] }>(ctx, &header)
    } else if len <= CLASS[7] {
        record::<{ CLASS[7] }>(ctx, &header)
    } else if len <= CLASS[8] {
        record::<{ CLASS[8] }>(ctx, &header)
    } else if len <= CLASS[9] {
        record::<{ CLASS[9] }>(ctx, &header)
    } else {
        Verdict::TooLarge
    }
}

/// Reserves, fills and submits one record of the class that holds `N` bytes.
#[inline(always)]
fn record<const N: usize>(ctx: &TcContext, described: &RecordHeader) -> Verdict {
    let Some(mut slot) = RING.reserve::<Slot<N>>(0) else {
        return Verdict::RingFull;
    };
    let target: *mut Slot<N> = slot.as_mut_ptr();
    // SAFETY: the reservation is a `Slot<N>`.
    let header = unsafe { &raw mut (*target).header };
    // SAFETY: the header lies in the reservation, 8-byte aligned as all are.
    unsafe { header.write(*described) };
    // SAFETY: the reservation is a `Slot<N>`.
    let data = unsafe { &raw mut (*target).data };
    let len = clamp::<N>(ctx.len());
    // SAFETY: `len` is 1..=N and `data` has N bytes. Loading from offset 0 in
    // one call works on paged skbs of any length, on 5.10 too, which refuses
    // offsets above 0xffff (`bpf_skb_load_bytes` in net/core/filter.c).
    let refused = unsafe { bpf_skb_load_bytes(ctx.skb.skb.cast(), 0, data.cast(), len) };
    if refused != 0 {
        slot.discard(0);
        return Verdict::Unreadable;
    }
    slot.submit(0);
    Verdict::Mirrored
}

/// What the kernel says of the skb beside its bytes.
#[inline(always)]
fn describe(skb: *mut __sk_buff, direction: Direction, now_ns: u64) -> RecordHeader {
    let config = PODTAP_CONFIG_V2.load();
    // SAFETY: the kernel hands a classifier a valid context, read-only here.
    let context = unsafe { &*skb };
    let gso_size = context.gso_size;
    let metadata = metadata::ask(skb, gso_size != 0);
    RecordHeader {
        timestamp_ns: now_ns,
        target_id: config.target_id,
        skb_len: context.len,
        captured_len: context.len,
        gso_size,
        gso_segs: context.gso_segs,
        gso_type: metadata.gso_type,
        hash: context.hash,
        protocol: u16::from_be(context.protocol as u16),
        vlan_proto: u16::from_be(context.vlan_proto as u16),
        vlan_tci: context.vlan_tci as u16,
        vlan_present: (context.vlan_present != 0) as u8,
        direction: direction as u8,
        csum_start: metadata.csum_start,
        csum_offset: metadata.csum_offset,
        inner_network_at: metadata.inner_network_at,
        ip_summed: metadata.ip_summed,
        known: metadata.known,
        link_layer: config.link_layer,
        padding: [0; 7],
        version: ABI_VERSION,
    }
}

/// `len` within 1..=N, in a register whose bounds the verifier has just seen.
///
/// In assembly, because LLVM turns two comparisons into a subtraction and one,
/// or keeps the bounds of another copy; and directly before its use, because
/// 5.10 forgets the bounds of a scalar that was spilled to the stack. The
/// packet was matched to its class by the same length, so nothing is cut; a
/// length of 0, which no Ethernet skb has, makes the load fail.
#[inline(always)]
fn clamp<const N: usize>(len: u32) -> u32 {
    let mut len = u64::from(len);
    // SAFETY: four instructions on one register, no memory, no stack.
    unsafe {
        asm!(
            "if {len} <= {max} goto +1",
            "{len} = {max}",
            "if {len} > 0 goto +1",
            "{len} = 1",
            len = inout(reg) len,
            max = const N,
            options(pure, nomem, nostack),
        );
    }
    len as u32
}

/// Tells user space about a verdict that costs packets.
#[inline(always)]
fn report(ctx: &TcContext, verdict: Verdict, len: u32) {
    let target = PODTAP_CONFIG_V2.load().target_id;
    match verdict {
        Verdict::TooLarge => warn!(
            ctx,
            "target {}: first skb larger than any record, {} bytes", target, len
        ),
        Verdict::RingFull => warn!(
            ctx,
            "target {}: first skb lost to a full ring, {} bytes", target, len
        ),
        Verdict::Unreadable => warn!(
            ctx,
            "target {}: first skb that could not be read, {} bytes", target, len
        ),
        Verdict::Mirrored | Verdict::Dormant | Verdict::AgentAway => {}
    }
}

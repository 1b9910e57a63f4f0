//! The two classifiers of a target: what its pod receives and what it sends.
//!
//! They return `TC_ACT_UNSPEC` (-1, which is also `TCX_NEXT`), always: any
//! other answer ends the chain of programs and can cut the pod off
//! (`include/uapi/linux/pkt_cls.h`; `bpf_mprog_run` in `net/core/dev.c`). They
//! change no skb, no mark, no foreign program.
//!
//! Architecture invariant: nothing on this path depends on the packet's
//! content but its length. What a packet means is decided in user space.
#![no_std]
#![no_main]
// Assembly for the bpf target is not stable yet; the build says RUSTC_BOOTSTRAP=1
// where the toolchain is a stable one.
#![feature(asm_experimental_arch)]

mod ledger;
mod metadata;
mod mirror;
mod panic;

use aya_ebpf::{Global, bindings::TC_ACT_UNSPEC, macros::classifier, programs::TcContext};
use tap_common::{Direction, LinkLayer, TargetConfig};

/// Constants of this instance; user space sets them before it loads.
/// `tap_common::CONFIG_SYMBOL` names it.
#[unsafe(no_mangle)]
static PODTAP_CONFIG_V2: Global<TargetConfig> = Global::new(TargetConfig {
    target_id: 0,
    link_layer: LinkLayer::Ethernet as u8,
    padding: [0; 3],
});

/// At the ingress of the pod's interface.
#[classifier]
pub fn podtap_in(ctx: TcContext) -> i32 {
    mirror::mirror(&ctx, Direction::In);
    TC_ACT_UNSPEC
}

/// At the egress of the pod's interface.
#[classifier]
pub fn podtap_out(ctx: TcContext) -> i32 {
    mirror::mirror(&ctx, Direction::Out);
    TC_ACT_UNSPEC
}

/// `bpf_ktime_get_ns` and `bpf_skb_load_bytes` ask for no GPL; the reads of
/// kernel memory that exact checksum metadata needs do.
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

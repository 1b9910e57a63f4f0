//! Drops every frame on a tap interface, after its readers saw it.
//!
//! Packet sockets get their copy before tc runs (`__netif_receive_skb_core` in
//! net/core/dev.c: `ptype_all`, then `sch_handle_ingress`), so a sensor sees
//! all and the host's own stack nothing: without this the host answers
//! mirrored broadcasts. At egress it keeps what the host would send from the
//! tap.
#![no_std]
#![no_main]

mod panic;

use aya_ebpf::{bindings::TC_ACT_SHOT, macros::classifier, programs::TcContext};

/// The tap interface is podtap's own: this one does end the chain.
#[classifier]
pub fn podtap_drop(_ctx: TcContext) -> i32 {
    TC_ACT_SHOT
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

//! What podtap delivers is what the kernel itself would put on a wire: byte
//! for byte, for thousands of generated skbs, and for real sockets.
//!
//! If this fails, podtap's engine and the kernel disagree on how an skb is cut
//! or completed: sensors see packets that never were. The failure says with
//! which `SEED` and `ORACLE_CASE` it comes again; `ORACLE_CASES` makes a run
//! longer.

mod aim;
mod bare_ip;
mod big_tcp;
mod bridge;
mod build;
mod case;
mod difference;
mod fields;
mod fixed;
mod fragment_list;
mod kept;
mod kind;
mod machine;
mod marker;
mod noise;
mod ordinary;
mod packet;
mod parts;
mod received;
mod route;
mod run;
mod sent;
mod sockets;
mod stage;
mod sum;
mod super_frame;
mod tap;
mod vnet;
mod vxlan;
mod wire;

use stage::Way;
use tap_common::Metadata;

#[test]
#[ignore = "needs root"]
fn root_sent_skbs_become_the_kernels_frames_by_kfuncs() {
    run::run(Way::Direct, Metadata::Kfuncs);
}

#[test]
#[ignore = "needs root"]
fn root_sent_skbs_become_the_kernels_frames_by_probe_reads() {
    run::run(Way::Direct, Metadata::ProbeReads);
}

#[test]
#[ignore = "needs root"]
fn root_sent_skbs_become_the_kernels_frames_by_helpers() {
    run::run(Way::Direct, Metadata::Helpers);
}

#[test]
#[ignore = "needs root"]
fn root_bridged_skbs_become_the_kernels_frames_by_kfuncs() {
    run::run(Way::Bridged, Metadata::Kfuncs);
}

#[test]
#[ignore = "needs root"]
fn root_bridged_skbs_become_the_kernels_frames_by_probe_reads() {
    run::run(Way::Bridged, Metadata::ProbeReads);
}

#[test]
#[ignore = "needs root"]
fn root_bridged_skbs_become_the_kernels_frames_by_helpers() {
    run::run(Way::Bridged, Metadata::Helpers);
}

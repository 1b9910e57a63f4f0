//! What Suricata logs of a pod's traffic from podtap's tap is what it logs of
//! the same traffic where no offload ever touched it.
//!
//! If this fails, a sensor on the tap misses, doubles or misreads something
//! that a sensor on a wire would have seen: the failure shows the events that
//! only one of them has. Servers, clients and Suricata are Debian's own, in a
//! root file system that is made once; what the archive lacked is said to be
//! skipped.

mod compared;
mod dns;
mod events;
mod forwarder;
mod ftp;
mod http;
mod path;
mod protocol;
mod recorded;
mod recording;
mod root;
mod run;
mod smb;
mod ssh;
mod stats;
mod suricata;
mod tftp;
mod tls;

use forwarder::Impairment;
use run::Run;

#[test]
#[ignore = "needs root"]
fn root_a_sensor_logs_what_it_would_without_offloads() {
    let run = Run::of(Impairment::NONE, "wire");
    run.tap_frames_are_the_wires();
    run.every_protocol_was_logged();
    run.logs_are_equal();
    run.nothing_was_invalid();
    run.the_live_sensor_counted_every_frame();
    run.finish();
}

#[test]
#[ignore = "needs root"]
fn root_a_sensor_logs_the_same_under_loss_and_reordering() {
    let run = Run::of(Impairment::SOME, "wire");
    run.tap_frames_are_the_wires();
    run.something_was_impaired();
    run.every_protocol_was_logged();
    run.logs_are_equal();
    run.nothing_was_invalid();
    run.the_live_sensor_counted_every_frame();
    run.finish();
}

#[test]
#[ignore = "needs root"]
fn root_a_sensor_logs_the_same_from_jumbo_frames() {
    let run = Run::of(Impairment::NONE, "jumbo");
    run.every_protocol_was_logged();
    run.contents_are_equal();
    run.nothing_was_invalid();
    run.the_live_sensor_counted_every_frame();
    run.finish();
}

//! What an skb hides from a classifier is asked in the most exact way that the
//! kernel grants, and each way says nothing but the truth.
//!
//! If this fails, a packet that was corrupt on the wire reaches the sensor
//! healed, or a good one corrupt.

use tap_common::Metadata;
use tests::metadata_is_true;

#[test]
#[ignore = "needs root"]
fn root_kfuncs_tell_the_state_of_every_packet() {
    metadata_is_true(Metadata::Kfuncs).expect("kfuncs");
}

#[test]
#[ignore = "needs root"]
fn root_probe_reads_tell_the_state_of_super_frames() {
    metadata_is_true(Metadata::ProbeReads).expect("probe reads");
}

#[test]
#[ignore = "needs root"]
fn root_helpers_claim_nothing_that_they_do_not_know() {
    metadata_is_true(Metadata::Helpers).expect("helpers");
}

//! Each way of asking for metadata says nothing but the truth.

use tap_common::Metadata;
use tap_userspace::adapter::bpf::SharedError;
use tests::metadata_is_true;

use crate::check::Skipped;

pub(super) fn kfuncs() -> Result<String, Skipped> {
    match metadata_is_true(Metadata::Kfuncs) {
        // bpf_rdonly_cast came with Linux 6.2.
        Err(SharedError::NoMetadata(_)) => Err(Skipped("this kernel has no such kfuncs".into())),
        told => Ok(told.unwrap_or_else(|error| panic!("{error}"))),
    }
}

pub(super) fn probe_reads() -> Result<String, Skipped> {
    Ok(metadata_is_true(Metadata::ProbeReads).unwrap_or_else(|error| panic!("{error}")))
}

pub(super) fn helpers() -> Result<String, Skipped> {
    Ok(metadata_is_true(Metadata::Helpers).unwrap_or_else(|error| panic!("{error}")))
}

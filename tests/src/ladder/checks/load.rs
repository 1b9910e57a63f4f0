//! The kernel's verifier takes the programs.

use std::num::NonZeroU32;

use tap_userspace::adapter::bpf::Shared;

use crate::check::Skipped;

pub(super) fn check() -> Result<String, Skipped> {
    let ring = NonZeroU32::new(1 << 20).expect("not 0");
    Shared::open(ring).unwrap_or_else(|error| panic!("{error}"));
    Ok("both classifiers".into())
}

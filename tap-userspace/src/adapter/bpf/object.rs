//! The eBPF objects, inside this binary.

use aya::include_bytes_aligned;

/// The two classifiers of a target.
pub(super) static CLASSIFIER: &[u8] =
    include_bytes_aligned!(concat!(env!("OUT_DIR"), "/classifier"));

/// The program that keeps a tap's frames from the host.
pub(super) static DROP: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/drop"));

//! Settings and switches that user space gives to the kernel programs.

use core::mem::{offset_of, size_of};

/// Name of the classifier at the pod interface's ingress.
pub const PROGRAM_IN: &str = "podtap_in";
/// Name of the classifier at the pod interface's egress.
pub const PROGRAM_OUT: &str = "podtap_out";
/// Name of the classifier that drops what a tap interface carries after its
/// readers saw it. It lives in an object of its own.
pub const PROGRAM_DROP: &str = "podtap_drop";

/// The ring buffer all targets share.
pub const MAP_RING: &str = "RING";
/// One `u64`: when the agent last said that it lives (`CLOCK_MONOTONIC`,
/// nanoseconds). All targets share it.
pub const MAP_HEARTBEAT: &str = "HEARTBEAT";
/// One [`TargetState`]; each target has its own.
pub const MAP_STATE: &str = "STATE";
/// Two [`crate::LedgerRow`]s per CPU, by [`crate::Direction::index`]; each
/// target has its own.
pub const MAP_LEDGER: &str = "LEDGER";

/// How often the agent writes the heartbeat, in nanoseconds.
pub const HEARTBEAT_INTERVAL_NS: u64 = 100_000_000;
/// How old a heartbeat may be before the programs stop copying, in
/// nanoseconds: eight missed beats, and less than a second in all.
pub const HEARTBEAT_TIMEOUT_NS: u64 = 9 * HEARTBEAT_INTERVAL_NS;

/// Symbol of the [`TargetConfig`] in the object's read-only data. The ABI
/// version is part of the name, so that an object of another version is
/// refused when it is configured, before it is loaded.
pub const CONFIG_SYMBOL: &str = "PODTAP_CONFIG_V1";
const _: () = assert!(crate::ABI_VERSION == 1, "rename CONFIG_SYMBOL with the ABI");

/// Constants of one target's program instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct TargetConfig {
    /// Identity that every record of this target carries.
    pub target_id: u32,
}

const _: () = assert!(size_of::<TargetConfig>() == 4);
const _: () = assert!(offset_of!(TargetConfig, target_id) == 0);

/// Switch of one target, changed while its programs run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct TargetState {
    /// 0: dormant, packets are counted and nothing else. 1: mirrored.
    pub enabled: u32,
}

const _: () = assert!(size_of::<TargetState>() == 4);

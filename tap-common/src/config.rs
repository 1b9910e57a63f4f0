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
pub const CONFIG_SYMBOL: &str = "PODTAP_CONFIG_V2";
const _: () = assert!(crate::ABI_VERSION == 2, "rename CONFIG_SYMBOL with the ABI");

/// Constants of one target's program instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct TargetConfig {
    /// Identity that every record of this target carries.
    pub target_id: u32,
    /// What its packets begin with: [`LinkLayer`].
    pub link_layer: u8,
    /// Zero.
    pub padding: [u8; 3],
}

const _: () = assert!(size_of::<TargetConfig>() == 8);
const _: () = assert!(offset_of!(TargetConfig, target_id) == 0);
const _: () = assert!(offset_of!(TargetConfig, link_layer) == 4);

/// What the packets of an interface begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum LinkLayer {
    /// An Ethernet header (`ARPHRD_ETHER`, `ARPHRD_LOOPBACK`).
    Ethernet = 0,
    /// An IP header: tunnels and tun devices (`ARPHRD_NONE`, `ARPHRD_TUNNEL`,
    /// `ARPHRD_IPGRE` and the like).
    Ip = 1,
}

impl LinkLayer {
    /// The link layer that a record names, or `None` for a byte that is none.
    #[must_use]
    pub const fn from_u8(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Ethernet),
            1 => Some(Self::Ip),
            _ => None,
        }
    }
}

/// Switch of one target, changed while its programs run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct TargetState {
    /// 0: dormant, packets are counted and nothing else. 1: mirrored.
    pub enabled: u32,
}

const _: () = assert!(size_of::<TargetState>() == 4);

//! The harness of podtap's integration tests: network namespaces, veths and
//! traffic that no test can leave behind, and eyes for what one would.
//!
//! Tests that need root start with `root_` and are ignored unless asked for;
//! `cargo xtask test` asks for them.

pub mod bpf;
mod bpffs;
mod capture_file;
mod closing_lines;
mod collector;
pub mod craft;
mod footprint;
pub mod frame;
mod hooks;
#[path = "../../tap-userspace/tests/kube_api/mod.rs"]
pub mod kube_api;
mod metadata;
mod netns;
mod node;
pub mod offloads;
pub mod packet_socket;
mod podtap;
mod random;
mod residue;
pub mod scripted_node;
pub mod source;
mod tap;
mod tcp_stream;
mod traffic;
mod veth;
mod wait;

pub use bpffs::TestBpffs;
pub use capture_file::{CaptureFile, Captured, Statistics};
pub use closing_lines::ClosingLines;
pub use collector::{Collector, Frames};
pub use footprint::{Footprint, anonymous_bytes, resident_bytes};
pub use hooks::Hooks;
pub use metadata::metadata_is_true;
pub use netns::TestNetns;
pub use node::Node;
pub use packet_socket::{PacketSocket, Received};
pub use podtap::{CAPTURING, Running, capture_of, podtap, podtap_path, run};
pub use random::{Random, number};
pub use residue::Residue;
pub use scripted_node::{ScriptedNode, ScriptedPod};
pub use tap::Tap;
pub use traffic::{Datagrams, Transfer, ping, tcp_transfer, udp_datagrams};
pub use veth::{Veth, VethEnd};
pub use wait::{DEADLINE, eventually, eventually_equal, pause};

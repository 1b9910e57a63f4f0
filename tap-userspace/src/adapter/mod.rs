//! The world outside: the kernel, Kubernetes, sinks (L3).
//!
//! Architecture invariant: adapters never import each other. What needs two of
//! them is wired one layer up.

pub mod bpf;
pub mod http;
pub mod kube;
pub mod link;
pub mod log_filter;
pub mod memory_limit;
pub mod netns;
pub mod packet_sockets;
pub mod process;
pub mod sink;
pub mod socket;

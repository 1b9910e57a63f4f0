//! The world outside: the kernel, Kubernetes, sinks (L3).
//!
//! Architecture invariant: adapters never import each other. What needs two of
//! them is wired one layer up.

pub mod bpf;
pub mod link;
pub mod netns;
pub mod sink;

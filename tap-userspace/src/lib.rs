//! podtap's user side.
//!
//! Modules depend strictly downward, and a test holds them to it:
//!
//! | layer | module | what it may do |
//! |---|---|---|
//! | L1 | [`model`] | types; no I/O |
//! | L2 | [`engine`] | decode, frames, pcapng, plan; no I/O, no tokio; time is an argument |
//! | L3 | [`adapter`] | the kernel, Kubernetes, sinks; adapters never import each other |
//! | L4 | [`agent`] | wires adapters; executes plans; stops in order |
//! | L5 | [`cli`] | parse, call, print |

pub mod adapter;
pub mod agent;
pub mod cli;
pub mod engine;
pub mod model;

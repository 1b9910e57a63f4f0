//! From record to frame, and from wanted to done (L2). No I/O, no tokio; time
//! is an argument.
#![forbid(unsafe_code)]

pub mod actual;
pub mod cgroup;
pub mod checksum;
pub mod clock;
pub mod decode;
pub mod delay;
pub mod drift;
pub mod duplicates;
pub mod filter;
pub mod framer;
pub mod headers;
pub mod link;
pub mod offload;
pub mod pcapng;
pub mod plan;
pub mod rate_limit;
pub mod segment;
pub mod target_limit;
pub mod vlan;

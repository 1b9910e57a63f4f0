//! What must hold for any input, a module for each fuzz target: each has a
//! `check` that panics where it does not.
//!
//! `cargo xtask fuzz` runs them. A crash that is found stays as a case in
//! `tap-userspace/tests`, and its input in the corpus. The corpus was begun by
//! `cargo run --example seeds`.

// The lower layers of tap-userspace, compiled here once more. They use next to
// nothing (`tests/tests/layers.rs`); with all that the library is built on, a
// build under the sanitizer would take not seconds but many minutes.
#[path = "../../../tap-userspace/src/engine/mod.rs"]
pub mod engine;
#[path = "../../../tap-userspace/src/model/mod.rs"]
pub mod model;

pub mod checksum;
#[cfg(test)]
mod corpus;
pub mod decode;
pub mod duplicates;
pub mod filter;
pub mod headers;
pub mod pcapng;
pub mod record;
pub mod segment;
mod super_frame;
mod wire;

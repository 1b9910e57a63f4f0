//! podtap's development commands, as a library: the integration tests use the
//! cluster and the images too.

pub mod bench;
pub mod build;
pub mod chaos;
pub mod cluster;
pub mod demo;
pub mod fuzz;
pub mod helm;
pub mod image;
pub mod kernels;
pub mod process;
pub mod prometheus;
pub mod scale;
pub mod setup;
pub mod test;

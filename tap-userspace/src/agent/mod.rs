//! Wires adapters with each other and stops them in order (L4).

pub mod capture;
mod clocks;
pub mod datapath;
pub mod tap;
pub mod target;

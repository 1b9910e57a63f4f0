//! Wires adapters with each other and stops them in order (L4).

pub mod capture;
mod clocks;
pub mod datapath;
pub mod doctor;
pub mod health;
mod listening;
pub mod memory;
pub mod metrics;
mod pages;
pub mod pod_netns;
pub mod service;
pub mod succession;
pub mod survey;
pub mod tap;
pub mod tapping;
pub mod target;

//! What is in `manifests`, as it is rendered: that it asks for no more than it
//! needs, and that Helm's chart is the same.
//!
//! `cargo xtask manifests` runs them, and builds what they render with.

mod admission;
mod agent;
mod chart;
mod install;
mod monitoring;
mod objects;
mod rights;
mod sensor;

/// The folders that are to be applied, below `manifests`.
const BASE: &str = "base";
const SURICATA: &str = "overlays/suricata";
const ZEEK: &str = "overlays/zeek";
const MONITORING: &str = "overlays/monitoring";
const POLICY: &str = "overlays/policy";

/// Those with podtap's own pods.
const INSTALLS: [&str; 3] = [BASE, SURICATA, ZEEK];

//! The ways in which network plugins connect pods, in miniature, one file
//! each: wherever podtap is attached, the pod keeps its traffic, and every
//! packet of it is seen once.
//!
//! If this fails, a tap is blind under somebody's network plugin, sees packets
//! twice, or costs a pod its connection.

mod bridge;
mod exchange;
mod macvlan;
mod neighbours;
mod redirect_peer;
mod routed;
mod tapped;

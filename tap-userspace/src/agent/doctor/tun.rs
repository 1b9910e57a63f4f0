//! Whether a tap can be made: tried in a network namespace made for it.

use super::Node;
use crate::{
    adapter::{
        netns::Netns,
        sink::{TUN_DEVICE, Tap, TapError, TunDeviceError, open_tun_device},
    },
    model::{
        capability::Capability::{NetAdmin, SysAdmin},
        finding::Finding,
    },
};

/// The tap's name; it and its namespace go with the check.
const TAP: &str = "podtap-doctor";

pub(super) fn tun_device(node: &Node) -> Vec<Finding> {
    const NAME: &str = "tun device";
    if let Err(error) = open_tun_device() {
        return vec![Finding::fail(NAME, error.to_string(), advice(&error))];
    }
    let opened = format!("{TUN_DEVICE} can be opened");
    let make = || -> Result<(), TapError> { Tap::open(&TAP.parse()?).map(drop) };
    let made = Netns::new().and_then(|netns| netns.inside(make));
    vec![match made {
        Ok(Ok(())) => Finding::ok(NAME, format!("{opened}, and a tap be made")),
        Ok(Err(error)) => Finding::fail(
            NAME,
            match error {
                TapError::Open { source, .. } => {
                    format!("{opened}, and no tap be made: {source}")
                }
                other => format!("{opened}, and no tap be made: {other}"),
            },
            node.advice(&[NetAdmin]),
        ),
        Err(error) => Finding::fail(
            NAME,
            format!("{opened}; no tap could be tried: {error}"),
            node.advice(&[SysAdmin]),
        ),
    }]
}

fn advice(error: &TunDeviceError) -> &'static str {
    match error {
        TunDeviceError::Missing => {
            "load the module tun on the node, and mount the device into the container (hostPath \
             /dev/net/tun, type CharDevice)"
        }
        TunDeviceError::Other => {
            "mount the node's device into the container (hostPath /dev/net/tun, type CharDevice)"
        }
        TunDeviceError::Forbidden(_) => {
            "the container runtime mounts it and forbids it: let a device plugin grant \
             /dev/net/tun to the agent's container"
        }
        TunDeviceError::NoDriver(_) => "load the module tun on the node: modprobe tun",
        TunDeviceError::Open(_) => "look whether the module tun is loaded on the node",
    }
}

//! A node, and the ways in which network plugins connect pods to it.

use crate::{TestNetns, VethEnd, eventually};

/// A namespace that stands for a node. What connects its pods is up to the
/// test.
#[derive(Debug, Default)]
pub struct Node {
    /// Its namespace.
    pub netns: TestNetns,
}

impl Node {
    /// With nothing but a loopback interface.
    #[must_use]
    pub fn new() -> Self {
        let node = Self::default();
        // No link-local addresses: what passes was sent by a test.
        node.netns.sysctl("ipv6/conf/default/addr_gen_mode", "1");
        node
    }

    /// A pod, 10.99.0.`host` and fd99::`host`, whose `eth0` is one end of a
    /// veth. The other end is up, and in the node by the name `host_side`; the
    /// pod's is down: no packet has passed yet.
    #[must_use]
    pub fn veth_pod(&self, host: u8, host_side: &str) -> VethEnd {
        let pod = VethEnd::new(host);
        let netns = pod.netns.path();
        let netns = netns.display();
        self.netns.run(&format!(
            "ip link add {host_side} type veth peer name eth0 netns {netns}"
        ));
        self.netns.run(&format!("ip link set {host_side} up"));
        pod
    }

    /// Waits until an interface of the node sends: some time after its other
    /// end is up. What is sent before is dropped, behind the pod's egress and
    /// before its counters.
    pub fn wait_for_carrier(&self, interface: &str) {
        eventually("the interface has a carrier", || {
            let state = self.netns.run(&format!("ip link show {interface}"));
            state.contains("state UP").then_some(())
        });
    }

    /// A pod, 10.99.0.`host` and fd99::`host`, whose `eth0` is a macvlan in
    /// bridge mode on an interface of the node; down.
    #[must_use]
    pub fn macvlan_pod(&self, host: u8, parent: &str) -> VethEnd {
        let pod = VethEnd::new(host);
        let netns = pod.netns.path();
        let netns = netns.display();
        self.netns.run(&format!(
            "ip link add link {parent} name eth0 netns {netns} type macvlan mode bridge"
        ));
        pod
    }
}

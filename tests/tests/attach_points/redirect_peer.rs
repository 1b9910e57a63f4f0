//! A program on the node's side of a veth that delivers with
//! `bpf_redirect_peer` (Cilium, Calico's eBPF data plane): packets get to the
//! pod without crossing the node's end of its veth. Who listens there is
//! blind; the pod's end sees all.

use aya::programs::TcAttachType;
use tests::{
    Hooks, Node, Residue,
    bpf::{Attached, Place, redirect_to_peer},
};

use crate::{exchange::Exchange, tapped::Tapped};

#[test]
#[ignore = "needs root"]
fn root_two_pods_whose_packets_skip_the_nodes_ends() {
    let node = Node::new();
    let (tapped, other) = (node.veth_pod(1, "lxc1"), node.veth_pod(2, "lxc2"));
    let index = |name| node.netns.link(name).expect("a host side").index;
    // Nothing else connects the two: no bridge, no route.
    let redirects = [("lxc1", "lxc2"), ("lxc2", "lxc1")].map(|(from, to)| {
        Attached::new(
            (&node.netns, from),
            TcAttachType::Ingress,
            Place::Last,
            ("to_peer", &redirect_to_peer(index(to))),
        )
    });
    let before = Hooks::of(&node.netns, "lxc1");
    assert_eq!(before.tcx_ingress, ["to_peer"]);
    // A host side takes in what is addressed to the pod behind the other: a
    // frame to another station would not get to a socket.
    for (pod, host_side) in [(&tapped, "lxc2"), (&other, "lxc1")] {
        let link = pod.netns.run("ip -brief link show eth0");
        let address = link.split_whitespace().nth(2).expect("its MAC address");
        node.netns
            .run(&format!("ip link set {host_side} address {address}"));
    }
    let capture = Tapped::start(&tapped);
    for pod in [&tapped, &other] {
        pod.start();
    }
    let exchange = Exchange::between(&tapped, &other);
    // What a tap on the node's side would have seen at egress: nothing.
    for host_side in ["lxc1", "lxc2"] {
        let link = node.netns.link(host_side).expect("a host side");
        assert!(link.counters.rx_packets > 0, "{link:?}");
        assert_eq!(link.counters.tx_packets, 0, "{link:?}");
    }
    exchange.assert_captured(&capture.end());
    assert_eq!(Hooks::of(&node.netns, "lxc1"), before);
    drop(redirects);
    Residue::assert_none(&[&node.netns, &tapped.netns, &other.netns]);
}

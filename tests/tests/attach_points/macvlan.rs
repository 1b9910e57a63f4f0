//! macvlan in bridge mode: the pod's interface is no veth.

use tests::{Node, Residue};

use crate::{exchange::Exchange, tapped::Tapped};

#[test]
#[ignore = "needs root"]
fn root_two_pods_on_one_parent_interface() {
    // The other end of the veth is the network's switch, and silent.
    let node = Node::new();
    let switch = node.veth_pod(3, "parent0");
    switch.start();
    node.wait_for_carrier("parent0");
    let (tapped, other) = (
        node.macvlan_pod(1, "parent0"),
        node.macvlan_pod(2, "parent0"),
    );
    let capture = Tapped::start(&tapped);
    for pod in [&tapped, &other] {
        pod.start();
    }
    let exchange = Exchange::between(&tapped, &other);
    exchange.assert_captured(&capture.end());
    Residue::assert_none(&[&node.netns, &tapped.netns, &other.netns]);
}

#[test]
#[ignore = "needs root"]
fn root_a_pod_and_a_host_beyond_the_parent_interface() {
    let node = Node::new();
    let outside = node.veth_pod(3, "parent0");
    outside.start();
    node.wait_for_carrier("parent0");
    let tapped = node.macvlan_pod(1, "parent0");
    let capture = Tapped::start(&tapped);
    tapped.start();
    let exchange = Exchange::between(&tapped, &outside);
    exchange.assert_captured(&capture.end());
    Residue::assert_none(&[&node.netns, &tapped.netns, &outside.netns]);
}

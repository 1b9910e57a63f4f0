//! A Linux bridge, as kubenet, the bridge plugin and Docker have it.

use tests::{Node, Residue, eventually};

use crate::{exchange::Exchange, tapped::Tapped};

#[test]
#[ignore = "needs root"]
fn root_two_pods_on_a_bridge() {
    let node = Node::new();
    // Without multicast snooping the bridge sends nothing of its own.
    node.netns
        .run("ip link add bridge0 type bridge mcast_snooping 0");
    node.netns.run("ip link set bridge0 up");
    let (tapped, other) = (node.veth_pod(1, "port1"), node.veth_pod(2, "port2"));
    for port in ["port1", "port2"] {
        node.netns
            .run(&format!("ip link set {port} master bridge0"));
    }
    let capture = Tapped::start(&tapped);
    for pod in [&tapped, &other] {
        pod.start();
    }
    for port in ["port1", "port2"] {
        // The bridge hears of a port's carrier some time after it is there.
        eventually("the port forwards", || {
            let state = node.netns.run(&format!("ip -d link show {port}"));
            state.contains("state forwarding").then_some(())
        });
    }
    let exchange = Exchange::between(&tapped, &other);
    exchange.assert_captured(&capture.end());
    Residue::assert_none(&[&node.netns, &tapped.netns, &other.netns]);
}

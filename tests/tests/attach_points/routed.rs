//! A routed veth: the pod has an address without a subnet, and a gateway that
//! nobody has; the node answers for it, and routes (Calico).

use tests::{Node, Residue, VethEnd};

use crate::{exchange::Exchange, tapped::Tapped};

/// Calico's own choice for every pod (its `cni-plugin`).
const GATEWAY_IPV4: &str = "169.254.1.1";
const GATEWAY_IPV6: &str = "fe80::1";

#[test]
#[ignore = "needs root"]
fn root_two_pods_with_host_routes_and_proxy_arp() {
    let node = Node::new();
    for family in ["ipv4", "ipv6"] {
        node.netns
            .sysctl(&format!("{family}/conf/all/forwarding"), "1");
    }
    // The node answers for addresses that it would send elsewhere.
    node.netns
        .run("ip link add uplink0 type veth peer name uplink1");
    for end in ["uplink0", "uplink1"] {
        node.netns.run(&format!("ip link set {end} up"));
    }
    node.netns.run("ip route add default dev uplink0");
    let (tapped, other) = (node.veth_pod(1, "cali1"), node.veth_pod(2, "cali2"));
    let capture = Tapped::start(&tapped);
    for (pod, host_side) in [(&tapped, "cali1"), (&other, "cali2")] {
        connect(&node, pod, host_side);
        node.wait_for_carrier(host_side);
    }
    let exchange = Exchange::between(&tapped, &other);
    exchange.assert_captured(&capture.end());
    Residue::assert_none(&[&node.netns, &tapped.netns, &other.netns]);
}

fn connect(node: &Node, pod: &VethEnd, host_side: &str) {
    let (ipv4, ipv6) = (pod.ipv4, pod.ipv6);
    let node = &node.netns;
    node.run(&format!(
        "ip link set {host_side} address ee:ee:ee:ee:ee:ee"
    ));
    node.sysctl(&format!("ipv4/conf/{host_side}/proxy_arp"), "1");
    // Else the answer is held back for up to 800 ms.
    node.sysctl(&format!("ipv4/neigh/{host_side}/proxy_delay"), "0");
    node.run(&format!(
        "ip addr add {GATEWAY_IPV6}/64 dev {host_side} nodad"
    ));
    let pod = &pod.netns;
    pod.run("ip link set eth0 up");
    pod.run(&format!("ip addr add {ipv4}/32 dev eth0"));
    pod.run(&format!("ip addr add {ipv6}/128 dev eth0 nodad"));
    pod.run(&format!("ip route add {GATEWAY_IPV4} dev eth0 scope link"));
    pod.run(&format!("ip route add default via {GATEWAY_IPV4} dev eth0"));
    pod.run("ip -6 addr add fe80::2/64 dev eth0 nodad");
    pod.run(&format!(
        "ip -6 route add default via {GATEWAY_IPV6} dev eth0"
    ));
    node.run(&format!(
        "ip route add {ipv4}/32 dev {host_side} scope link"
    ));
    node.run(&format!("ip -6 route add {ipv6}/128 dev {host_side}"));
}

//! A way into a device from another one.

use std::fs;

use tests::TestNetns;

/// `in0` leads to a bridge, and the bridge to `eth0`.
pub(crate) fn bridge(netns: &TestNetns, mtu: u32) {
    for command in [
        format!("ip link add in0 mtu {mtu} type veth peer name port0 mtu {mtu}"),
        format!("ip link add br0 mtu {mtu} type bridge mcast_snooping 0"),
        "ip link set port0 master br0".to_owned(),
        "ip link set eth0 master br0".to_owned(),
        "ip link set br0 up".to_owned(),
        "ip link set port0 up".to_owned(),
        "ip link set in0 up".to_owned(),
    ] {
        netns.run(&command);
    }
    // Where br_netfilter is loaded, the bridge looks into IP packets and drops
    // odd ones.
    netns.inside(|| {
        for version in ["iptables", "ip6tables"] {
            let path = format!("/proc/sys/net/bridge/bridge-nf-call-{version}");
            if fs::exists(&path).expect("to look") {
                fs::write(&path, "0").expect("a sysctl");
            }
        }
    });
}

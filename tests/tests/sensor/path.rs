//! The way from the pod to the server, with offloads at one end and none at
//! the other.
//!
//! ```text
//! pod eth0 ─── p0 middle w0 ─── near line far ─── eth0 server
//!      ▲          bridge        ▲    forwarder
//!      │ offloads: super-frames │ none: what a wire carries
//!      the tap                  the reference
//! ```
//!
//! Both see the same frames: `validate_xmit_skb` (net/core/dev.c) cuts and
//! completes the pod's super-frames before they get to `w0`, which has no
//! offload. The other way, `w0` puts the server's frames together again (GRO),
//! so that the pod receives super-frames too. The bridge changes nothing.

use std::process::Command;

use tests::TestNetns;

use crate::root::Root;

/// The server's addresses, and how a URL writes them.
pub(crate) const SERVER: [(&str, &str); 2] = [("10.99.0.2", "10.99.0.2"), ("fd99::2", "[fd99::2]")];

/// How long GRO waits for more, in nanoseconds: longer than the forwarder
/// takes from one frame to the next.
const GRO_FLUSH_NS: u32 = 200_000;

/// Windows stay below the 256 frames that a veth's ring holds
/// (`VETH_RING_SIZE`) and the 1,000 of a processor's backlog: nothing is lost
/// between the two points.
const WINDOW: &str = "4096 65536 131072";

/// The namespaces, connected.
#[derive(Debug)]
pub(crate) struct Path {
    pub(crate) pod: TestNetns,
    middle: TestNetns,
    pub(crate) line: TestNetns,
    pub(crate) server: TestNetns,
    /// Where the tap is.
    pub(crate) node: TestNetns,
}

impl Path {
    pub(crate) fn new(root: &Root) -> Self {
        let this = Self {
            pod: TestNetns::new(),
            middle: TestNetns::new(),
            line: TestNetns::new(),
            server: TestNetns::new(),
            node: TestNetns::new(),
        };
        for netns in [&this.middle, &this.line] {
            netns.sysctl("ipv6/conf/default/disable_ipv6", "1");
        }
        for netns in [&this.pod, &this.server] {
            // No link-local address that is announced some time later.
            netns.sysctl("ipv6/conf/default/addr_gen_mode", "1");
            netns.sysctl("ipv4/tcp_rmem", WINDOW);
            netns.sysctl("ipv4/tcp_wmem", WINDOW);
        }
        veth((&this.middle, "p0"), (&this.pod, "eth0"));
        veth((&this.middle, "w0"), (&this.line, "near"));
        veth((&this.line, "far"), (&this.server, "eth0"));
        let none = "tx off rx off sg off tso off gso off gro off";
        let ethtool = |netns: &TestNetns, name: &str, features: &str| {
            root.shell(netns, &format!("ethtool -K {name} {features}"), &[]);
        };
        ethtool(&this.middle, "w0", none);
        ethtool(&this.line, "near", none);
        ethtool(&this.line, "far", none);
        ethtool(&this.server, "eth0", none);
        ethtool(&this.middle, "w0", "gro on");
        this.middle
            .run("ip link add br0 type bridge mcast_snooping 0");
        for (netns, name) in [
            (&this.middle, "p0"),
            (&this.middle, "w0"),
            (&this.middle, "br0"),
            (&this.line, "near"),
            (&this.line, "far"),
        ] {
            if name == "p0" || name == "w0" {
                netns.run(&format!("ip link set {name} master br0"));
            }
            netns.run(&format!("ip link set {name} up"));
        }
        wait_in_gro(&this.middle, "w0");
        for (netns, host) in [(&this.pod, 1), (&this.server, 2)] {
            // A report of groups comes some time after the link is up.
            let rule = "ip6tables -A OUTPUT -p icmpv6 --icmpv6-type 143 -j DROP";
            root.shell(netns, rule, &[]);
            netns.run(&format!("ip addr add 10.99.0.{host}/24 dev eth0"));
            netns.run(&format!("ip addr add fd99::{host}/64 dev eth0 nodad"));
            netns.run("ip link set eth0 up");
        }
        this
    }
}

fn veth((netns, name): (&TestNetns, &str), (peer_netns, peer_name): (&TestNetns, &str)) {
    let peer = peer_netns.path();
    netns.run(&format!(
        "ip link add name {name} type veth peer name {peer_name} netns {}",
        peer.display()
    ));
}

/// Only a sysfs of the namespace shows its interfaces.
fn wait_in_gro(netns: &TestNetns, name: &str) {
    let script = format!(
        "mount -t sysfs sysfs /sys && echo {GRO_FLUSH_NS} > /sys/class/net/{name}/gro_flush_timeout"
    );
    let output = netns.inside(|| {
        Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-ec", &script])
            .output()
    });
    let output = output.expect("to run unshare");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

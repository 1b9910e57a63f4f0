//! A veth pair between two namespaces, as a pod and its node have one.

use std::{
    fs,
    future::Future,
    net::IpAddr,
    os::fd::{AsFd as _, AsRawFd as _},
};

use rtnetlink::{Handle, LinkUnspec, LinkVeth, new_connection};
use tap_userspace::adapter::link::{Link, Links};

use crate::{PacketSocket, TestNetns};

/// Two namespaces with an `eth0` each, connected. The first is the pod.
#[derive(Debug)]
pub struct Veth {
    /// The pod: 10.99.0.1 and fd99::1.
    pub pod: VethEnd,
    /// The other side: 10.99.0.2 and fd99::2.
    pub peer: VethEnd,
}

/// One end of it.
#[derive(Debug)]
pub struct VethEnd {
    /// Its namespace.
    pub netns: TestNetns,
    /// Its IPv4 address.
    pub ipv4: IpAddr,
    /// Its IPv6 address.
    pub ipv6: IpAddr,
}

impl Veth {
    /// Makes both, up and with addresses, duplicate address detection off.
    #[must_use]
    pub fn new() -> Self {
        let pair = Self::stopped();
        pair.start();
        pair
    }

    /// Makes both with IPv4 alone. Nothing passes that no test sends: without
    /// IPv6 no interface looks for its neighbours and routers by itself.
    #[must_use]
    pub fn ipv4_only() -> Self {
        let pair = Self::stopped();
        for end in [&pair.pod, &pair.peer] {
            end.netns.inside(|| {
                fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1").expect("a sysctl");
                Rtnetlink::open().start(&[end.ipv4], 24);
            });
        }
        pair
    }

    /// Gives both their addresses and sets them up: from then on, packets
    /// pass.
    pub fn start(&self) {
        for end in [&self.pod, &self.peer] {
            end.start();
        }
    }

    /// Makes both, down: no packet has passed yet.
    #[must_use]
    pub fn stopped() -> Self {
        let pair = Self {
            pod: VethEnd::new(1),
            peer: VethEnd::new(2),
        };
        let peer = pair.peer.netns.as_fd().as_raw_fd();
        pair.pod.netns.inside(|| {
            let netlink = Rtnetlink::open();
            let link = LinkVeth::new("eth0", "peer0").build();
            netlink.run(netlink.handle.link().add(link).execute(), "add a veth");
            let peer_index = netlink.index("peer0");
            let moved = LinkUnspec::new_with_index(peer_index)
                .setns_by_fd(peer)
                .build();
            netlink.run(netlink.handle.link().set(moved).execute(), "move its peer");
        });
        pair.peer.netns.inside(|| {
            let netlink = Rtnetlink::open();
            let index = netlink.index("peer0");
            let named = LinkUnspec::new_with_index(index).name("eth0").build();
            netlink.run(netlink.handle.link().set(named).execute(), "name it eth0");
        });
        pair
    }
}

impl Default for Veth {
    fn default() -> Self {
        Self::new()
    }
}

impl VethEnd {
    /// A namespace with nothing in it, for the addresses 10.99.0.`host` and
    /// fd99::`host`.
    pub(crate) fn new(host: u8) -> Self {
        let netns = TestNetns::new();
        // No link-local address, which the kernel would announce up to a
        // second after the link is up. A kernel without IPv6 has none.
        let path = "/proc/sys/net/ipv6/conf/default/addr_gen_mode";
        let _ = netns.inside(|| fs::write(path, "1"));
        Self {
            netns,
            ipv4: format!("10.99.0.{host}").parse().expect("an address"),
            ipv6: format!("fd99::{host}").parse().expect("an address"),
        }
    }

    /// Gives its `eth0` both addresses, as part of the subnets 10.99.0.0/24 and
    /// fd99::/64, and sets it up.
    pub fn start(&self) {
        self.netns
            .inside(|| Rtnetlink::open().start(&[self.ipv4, self.ipv6], 24));
    }

    /// Gives its `eth0` its IPv4 address, as part of a subnet with a prefix of
    /// so many bits, and sets it up.
    pub fn start_in(&self, prefix: u8) {
        self.netns
            .inside(|| Rtnetlink::open().start(&[self.ipv4], prefix));
    }

    /// A packet socket on its `eth0`.
    #[must_use]
    pub fn packet_socket(&self) -> PacketSocket {
        let index = self.link().index;
        self.netns
            .inside(|| PacketSocket::open(index))
            .expect("a packet socket")
    }

    /// Its `eth0` with the kernel's counters as they are now.
    #[must_use]
    pub fn link(&self) -> Link {
        self.netns
            .inside(|| Links::open()?.by_name("eth0"))
            .expect("eth0")
    }
}

/// A rtnetlink socket in the calling thread's namespace.
pub(crate) struct Rtnetlink {
    runtime: tokio::runtime::Runtime,
    handle: Handle,
}

impl Rtnetlink {
    pub(crate) fn open() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .expect("a runtime");
        let (connection, handle, _) = {
            let _context = runtime.enter();
            new_connection().expect("a rtnetlink socket")
        };
        runtime.spawn(connection);
        Self { runtime, handle }
    }

    pub(crate) fn set_up(&self, name: &str) {
        let up = LinkUnspec::new_with_name(name).up().build();
        self.run(self.handle.link().set(up).execute(), "set a link up");
    }

    fn start(&self, addresses: &[IpAddr], ipv4_prefix: u8) {
        use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags};
        let index = self.index("eth0");
        for address in addresses {
            let prefix = if address.is_ipv4() { ipv4_prefix } else { 64 };
            let mut request = self.handle.address().add(index, *address, prefix);
            request
                .message_mut()
                .attributes
                .push(AddressAttribute::Flags(AddressFlags::Nodad));
            self.run(request.execute(), "add an address");
        }
        self.set_up("eth0");
    }

    fn index(&self, name: &str) -> u32 {
        use futures::TryStreamExt as _;
        let request = self.handle.link().get().match_name(name);
        self.runtime
            .block_on(request.execute().try_next())
            .expect("the link")
            .expect("the link")
            .header
            .index
    }

    fn run(&self, work: impl Future<Output = Result<(), rtnetlink::Error>>, what: &str) {
        if let Err(error) = self.runtime.block_on(work) {
            panic!("cannot {what}: {error}");
        }
    }
}

//! Network interfaces, through rtnetlink, in the network namespace of the
//! thread that opens [`Links`].

use std::{future::Future, io, net::IpAddr};

use futures::TryStreamExt;
use rtnetlink::{
    Handle, LinkMessageBuilder, LinkUnspec, new_connection,
    packet_route::{
        address::AddressAttribute,
        link::{
            AfSpecInet6, AfSpecUnspec, In6AddrGenMode, LinkAttribute, LinkFlags, LinkInfo,
            LinkLayerType, LinkMessage, Stats64,
        },
        tc::{TcAttribute, TcHandle},
    },
};
use tap_common::LinkLayer;

/// A rtnetlink socket in one network namespace, and what drives it.
pub struct Links {
    runtime: tokio::runtime::Runtime,
    handle: Handle,
}

/// One network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its index, unique within its namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its MTU in bytes.
    pub mtu_bytes: u32,
    /// Whether it is a loopback interface.
    pub is_loopback: bool,
    /// Whether it is set up.
    pub is_up: bool,
    /// What its packets begin with; `None` for a link layer that podtap does
    /// not know.
    pub link_layer: Option<LinkLayer>,
    /// Its driver's kind, such as `veth` or `tun`; empty for one without.
    pub kind: String,
    /// The kernel's own packet counters.
    pub counters: LinkCounters,
}

/// What an interface's driver counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Packets received; a super-frame is one.
    pub rx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
}

/// Why interfaces could not be read or set.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No rtnetlink socket.
    #[error("cannot open a rtnetlink socket: {0}")]
    Open(#[source] io::Error),
    /// Called from asynchronous code, which it would block.
    #[error("interfaces are looked at from a thread of their own")]
    Asynchronous,
    /// There is no such interface in this namespace.
    #[error("no interface `{name}` here; there are {present}")]
    NotFound {
        /// The name that was asked for.
        name: String,
        /// Those that there are.
        present: String,
    },
    /// Interfaces could not be listed.
    #[error("cannot list interfaces: {0}")]
    List(#[source] rtnetlink::Error),
    /// Addresses could not be listed.
    #[error("cannot list addresses: {0}")]
    Addresses(#[source] rtnetlink::Error),
    /// An interface could not be set up.
    #[error("cannot set {what} of the interface {name}: {source}")]
    Set {
        /// Which of its settings.
        what: &'static str,
        /// Its name.
        name: String,
        /// What the kernel said.
        source: rtnetlink::Error,
    },
    /// An interface could not be removed.
    #[error("cannot remove the interface {name}: {source}")]
    Remove {
        /// Its name.
        name: String,
        /// What the kernel said.
        source: rtnetlink::Error,
    },
    /// The clsact qdisc could not be looked at or removed.
    #[error("cannot remove the clsact qdisc of interface {index}: {source}")]
    Qdisc {
        /// Index of the interface.
        index: u32,
        /// What the kernel said.
        source: rtnetlink::Error,
    },
}

impl Links {
    /// Opens a socket in the calling thread's network namespace.
    ///
    /// # Errors
    /// When the kernel refuses, or from within a tokio runtime: network
    /// namespaces belong to threads, and so does this.
    pub fn open() -> Result<Self, LinkError> {
        if tokio::runtime::Handle::try_current().is_ok() {
            return Err(LinkError::Asynchronous);
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .map_err(LinkError::Open)?;
        let (connection, handle, _) = {
            let _context = runtime.enter();
            new_connection().map_err(LinkError::Open)?
        };
        // It ends with the runtime, which ends with this value.
        runtime.spawn(connection);
        Ok(Self { runtime, handle })
    }

    /// All interfaces of the namespace.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn list(&self) -> Result<Vec<Link>, LinkError> {
        let messages: Vec<LinkMessage> = self
            .run(self.handle.link().get().execute().try_collect())
            .map_err(LinkError::List)?;
        Ok(messages.into_iter().map(link).collect())
    }

    /// The interface of that name.
    ///
    /// # Errors
    /// When there is none; the error names those that there are.
    pub fn by_name(&self, name: &str) -> Result<Link, LinkError> {
        let links = self.list()?;
        let names: Vec<_> = links.iter().map(|link| link.name.clone()).collect();
        links
            .into_iter()
            .find(|link| link.name == name)
            .ok_or_else(|| LinkError::NotFound {
                name: name.into(),
                present: names.join(", "),
            })
    }

    /// All addresses of all interfaces of the namespace.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn addresses(&self) -> Result<Vec<IpAddr>, LinkError> {
        let messages: Vec<_> = self
            .run(self.handle.address().get().execute().try_collect())
            .map_err(LinkError::Addresses)?;
        Ok(messages
            .iter()
            .flat_map(|message| &message.attributes)
            .filter_map(|attribute| match attribute {
                AddressAttribute::Address(address) | AddressAttribute::Local(address) => {
                    Some(*address)
                }
                _ => None,
            })
            .collect())
    }

    /// Makes an interface one that carries mirrored frames and nothing of its
    /// own: no IPv6 address may form (by netlink, since /proc/sys can be
    /// read-only, and before it is up, or the host sends MLD), no ARP, the
    /// MTU, then up.
    ///
    /// # Errors
    /// When the kernel refuses one of these.
    pub fn set_up_mirror(&self, link: &Link, mtu_bytes: u32) -> Result<(), LinkError> {
        let none =
            LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(vec![AfSpecInet6::AddrGenMode(
                In6AddrGenMode::None,
            )])]);
        let settings = [
            (
                "the IPv6 address generation",
                message(link.index).append_extra_attribute(none),
            ),
            ("NOARP", message(link.index).arp(false).multicast(false)),
            ("the MTU", message(link.index).mtu(mtu_bytes)),
            ("the state", message(link.index).up()),
        ];
        for (what, setting) in settings {
            self.run(self.handle.link().set(setting.build()).execute())
                .map_err(|source| LinkError::Set {
                    what,
                    name: link.name.clone(),
                    source,
                })?;
        }
        Ok(())
    }

    /// Removes an interface.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn remove(&self, link: &Link) -> Result<(), LinkError> {
        self.run(self.handle.link().del(link.index).execute())
            .map_err(|source| LinkError::Remove {
                name: link.name.clone(),
                source,
            })
    }

    /// Removes the clsact qdisc of an interface if no filter uses it. True if
    /// it was there and is gone.
    ///
    /// # Errors
    /// When the kernel refuses to list or remove.
    pub fn remove_unused_clsact(&self, index: u32) -> Result<bool, LinkError> {
        let failed = |source| LinkError::Qdisc { index, source };
        // An interface's index is positive and far below 2^31.
        let signed = i32::try_from(index).unwrap_or(i32::MAX);
        for parent in [TcHandle::MIN_INGRESS, TcHandle::MIN_EGRESS] {
            let mut request = self.handle.traffic_filter(signed).get();
            request = if parent == TcHandle::MIN_INGRESS {
                request.ingress()
            } else {
                request.egress()
            };
            let filters: Vec<_> = self.run(request.execute().try_collect()).map_err(failed)?;
            if !filters.is_empty() {
                return Ok(false);
            }
        }
        let qdiscs: Vec<_> = self
            .run(
                self.handle
                    .qdisc()
                    .get()
                    .index(signed)
                    .execute()
                    .try_collect(),
            )
            .map_err(failed)?;
        let clsact = qdiscs.into_iter().find(|qdisc| {
            qdisc.header.index == signed
                && qdisc.attributes.iter().any(
                    |attribute| matches!(attribute, TcAttribute::Kind(kind) if kind == "clsact"),
                )
        });
        let Some(clsact) = clsact else {
            return Ok(false);
        };
        let mut request = self.handle.qdisc().del(signed);
        request.message_mut().header = clsact.header;
        self.run(request.execute()).map_err(failed)?;
        Ok(true)
    }

    fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Links").finish_non_exhaustive()
    }
}

fn message(index: u32) -> LinkMessageBuilder<LinkUnspec> {
    LinkUnspec::new_with_index(index)
}

fn link(message: LinkMessage) -> Link {
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        mtu_bytes: 0,
        is_loopback: message.header.flags.contains(LinkFlags::Loopback),
        is_up: message.header.flags.contains(LinkFlags::Up),
        link_layer: link_layer(message.header.link_layer_type),
        kind: String::new(),
        counters: LinkCounters::default(),
    };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Mtu(mtu) => link.mtu_bytes = mtu,
            LinkAttribute::Stats64(stats) => link.counters = counters(&stats),
            LinkAttribute::LinkInfo(infos) => {
                for info in infos {
                    if let LinkInfo::Kind(kind) = info {
                        link.kind = kind.to_string();
                    }
                }
            }
            _ => {}
        }
    }
    link
}

/// By the device's type (`ARPHRD_*` of include/uapi/linux/if_arp.h). Those
/// without a link-layer header hand tc a packet that begins with IP.
fn link_layer(kind: LinkLayerType) -> Option<LinkLayer> {
    match kind {
        LinkLayerType::Ether | LinkLayerType::Loopback => Some(LinkLayer::Ethernet),
        LinkLayerType::None
        | LinkLayerType::Rawip
        | LinkLayerType::Tunnel
        | LinkLayerType::Tunnel6
        | LinkLayerType::Sit
        | LinkLayerType::Ipgre
        | LinkLayerType::Ip6gre => Some(LinkLayer::Ip),
        _ => None,
    }
}

fn counters(stats: &Stats64) -> LinkCounters {
    LinkCounters {
        rx_packets: stats.rx_packets,
        rx_bytes: stats.rx_bytes,
        tx_packets: stats.tx_packets,
        tx_bytes: stats.tx_bytes,
    }
}

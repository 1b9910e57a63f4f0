//! Where podtap and the kernel get the same skb, one after the other.
//!
//! podtap sits at the egress of a device without any offload. The classifier
//! sees the skb as it was sent (`sch_handle_egress` in `__dev_queue_xmit`);
//! behind it `validate_xmit_skb` cuts and completes it, because the device
//! cannot; and a packet socket at the other end of the cable reads what was
//! put on it.

use tap_common::{Direction, Metadata};
use tap_userspace::{adapter::link::Links, engine::framer::FramerCounts};
use tests::{PacketSocket, Veth, offloads};

use crate::{
    bridge::bridge,
    machine::{dropped, stay_on_one_processor},
    marker::Marker,
    tap::Tap,
    vnet::{VnetHeader, VnetSocket},
    wire::{Passing, read_until},
};

/// The longest that a veth can be told: no IP packet is too long for it.
const MTU: u32 = 65_535;

/// By which way the skbs come to podtap's device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Sent through it: tags are in the frame.
    Direct,
    /// Received on another device and bridged: the outermost tag is beside
    /// the packet (`skb_vlan_untag`).
    Bridged,
}

/// A veth whose `pod` end is tapped and has no offloads.
#[derive(Debug)]
pub(crate) struct Stage {
    veth: Veth,
    sender: VnetSocket,
    wire: PacketSocket,
    tap: Tap,
    markers: u64,
    dropped: u64,
}

/// What one skb became.
#[derive(Debug)]
pub(crate) struct Both {
    pub(crate) ours: Vec<Vec<u8>>,
    pub(crate) kernels: Vec<Vec<u8>>,
}

impl Stage {
    /// For skbs of any length, by that way. The calling thread stays on one
    /// processor from then on: two processors' backlogs have no order.
    pub(crate) fn any_length(way: Way, metadata: Metadata) -> Self {
        let veth = Veth::ipv4_only();
        veth.peer.netns.run(&format!("ip link set eth0 mtu {MTU}"));
        veth.pod.netns.run(&format!("ip link set eth0 mtu {MTU}"));
        let interface = match way {
            Way::Direct => "eth0",
            Way::Bridged => {
                bridge(&veth.pod.netns, MTU);
                "in0"
            }
        };
        Self::new(veth, interface, metadata)
    }

    /// For what real sockets send, with an Ethernet's MTU.
    pub(crate) fn for_sockets(metadata: Metadata) -> Self {
        Self::new(Veth::new(), "eth0", metadata)
    }

    fn new(veth: Veth, interface: &str, metadata: Metadata) -> Self {
        let pod = &veth.pod.netns;
        pod.inside(|| offloads::none_for_sending("eth0"))
            .expect("a device without offloads");
        let tap = Tap::start(&veth.pod, Direction::Out, metadata);
        let sender = pod
            .inside(|| {
                let link = Links::open().and_then(|links| links.by_name(interface));
                VnetSocket::open(link.expect("the interface").index)
            })
            .expect("a packet socket");
        let wire = veth.peer.packet_socket();
        stay_on_one_processor();
        let mut this = Self {
            veth,
            sender,
            wire,
            tap,
            markers: 0,
            dropped: 0,
        };
        // What one of the two saw before the other was there.
        this.gather();
        this
    }

    pub(crate) fn veth(&self) -> &Veth {
        &self.veth
    }

    /// Sends one skb and gathers what became of it on both sides; an error is
    /// the kernel's, which would not make an skb of it.
    pub(crate) fn send(&mut self, header: VnetHeader, frame: &[u8]) -> std::io::Result<Both> {
        self.sender.send(header, frame)?;
        Ok(self.gather())
    }

    /// All frames since the last time, to the last one.
    pub(crate) fn gather(&mut self) -> Both {
        self.markers += 1;
        let marker = Marker(self.markers);
        self.sender
            .send(VnetHeader::default(), &marker.frame())
            .expect("to send the marker");
        Both {
            kernels: read_until(&self.wire, marker, Passing::In),
            ours: self.tap.take_until(marker),
        }
    }

    /// Whether the device dropped frames since this was last asked, because
    /// the other end's backlog was full: they were cut, and never arrived.
    pub(crate) fn has_dropped(&mut self) -> bool {
        let before = std::mem::replace(&mut self.dropped, dropped(&self.veth.pod.netns));
        self.dropped != before
    }

    pub(crate) fn finish(self) -> FramerCounts {
        self.tap.finish().counts
    }
}

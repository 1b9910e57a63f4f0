//! One skb: its bytes, and what the kernel is told about it.
//!
//! # What is not generated
//! Where the record does not say what the sk_buff says, podtap goes by value,
//! and a sender can lie to it. Left out there, since podtap's answer is known
//! to be another one than the kernel's:
//! - an ordinary packet that is said to be partial with another value in its
//!   field than the pseudo-header's sum, or with a route that hides the final
//!   destination (IPv4 source routes, IPv6 routing headers of unknown types),
//!   or with padding that is not zero: the kernel sums that too
//!   ([`Kind::PartialAnyhow`]);
//! - a corrupt packet that looks partial ([`Kind::CorruptByChance`]);
//! - a super-frame that is not said to be partial: the kernel makes its sums
//!   anew ([`Kind::TcpSuperFrameNotPartial`]).
//!
//! Left out everywhere:
//! - a super-frame that accurate ECN sent, or whose IP ID is fixed: the header
//!   of a packet socket cannot say so;
//! - a super-frame that is no longer than one packet: the kernel drops it, and
//!   podtap delivers the packet;
//! - a super-frame whose IP header says that it is a fragment: the kernel cuts
//!   it all the same, and podtap counts it `unsegmentable`.

use tap_common::Metadata;

use tests::Random;

use crate::{
    kind::Kind,
    noise::noise,
    ordinary::ordinary,
    packet::At,
    super_frame::super_frame,
    vnet::{NEEDS_CSUM, VnetHeader},
};

/// What 16 bits of IP length can say.
pub(crate) const IP_LENGTH_MAX: usize = 65_535;

/// One skb.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) kind: Kind,
    pub(crate) header: VnetHeader,
    pub(crate) frame: Vec<u8>,
}

impl Case {
    /// One of those that podtap knows enough of, when it asks this way.
    pub(crate) fn any(random: &mut Random, metadata: Metadata) -> Self {
        let kind = Kind::any(random, metadata);
        match kind {
            Kind::TcpSuperFrame | Kind::UdpSuperFrame | Kind::TcpSuperFrameNotPartial => {
                super_frame(random, kind)
            }
            Kind::Noise => Self::said_nothing(kind, noise(random)),
            _ => ordinary(random, kind),
        }
    }

    pub(crate) fn said_nothing(kind: Kind, frame: Vec<u8>) -> Self {
        Self {
            kind,
            header: VnetHeader::default(),
            frame,
        }
    }
}

/// The kernel is told where the checksum is that it has to complete.
pub(crate) fn partial(at: At, header: VnetHeader) -> VnetHeader {
    VnetHeader {
        flags: NEEDS_CSUM,
        csum_start: at.transport as u16,
        csum_offset: at.checksum as u16,
        ..header
    }
}

//! What has become of the records.

use crate::engine::headers::Kind;

/// Counts since the framer was made.
///
/// A tunnel is of the kind of its outer packet. Each record is in exactly one
/// of the kinds, `malformed_passed`,
/// `malformed_left_out`, `truncated` and `unsegmentable`; each frame comes
/// from exactly one record:
/// `frames == records - left_out() - super_frames + segments`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FramerCounts {
    /// Records given to the framer.
    pub records: u64,
    /// Frames emitted.
    pub frames: u64,
    /// Records that were super-frames and have been cut.
    pub super_frames: u64,
    /// Frames that they were cut into.
    pub segments: u64,
    /// Super-frames in a tunnel that have been cut.
    pub tunnel: u64,
    /// Super-frames that have been cut where receiving most likely put them
    /// together: their true boundaries are lost.
    pub inferred: u64,
    /// Ordinary packets whose partial checksum has been completed.
    pub checksums_completed: u64,
    /// Records whose VLAN tag has been put back.
    pub vlan_put_back: u64,
    /// Records of TCP.
    pub tcp: u64,
    /// Records of UDP.
    pub udp: u64,
    /// Records of SCTP.
    pub sctp: u64,
    /// Records of ICMP and ICMPv6.
    pub icmp: u64,
    /// Records of ARP.
    pub arp: u64,
    /// Records that are IP fragments.
    pub fragment: u64,
    /// Records of other protocols over IP.
    pub other_ip: u64,
    /// Records that are neither IP nor ARP.
    pub non_ip: u64,
    /// Ordinary packets whose headers contradict themselves, or whose checksum
    /// would lie outside of them: emitted as they are, but for a checksum that
    /// the kernel says is partial.
    pub malformed_passed: u64,
    /// Records shorter than an Ethernet header, and super-frames whose headers
    /// contradict themselves: not emitted.
    pub malformed_left_out: u64,
    /// Records that do not hold their whole packet: not emitted.
    pub truncated: u64,
    /// Super-frames that cannot be cut truly: not emitted.
    pub unsegmentable: u64,
}

impl FramerCounts {
    /// Records that no frame was made of.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.malformed_left_out + self.truncated + self.unsegmentable
    }

    /// Every count with its name in metrics and in `podtap status`.
    #[must_use]
    pub fn named(&self) -> [(&'static str, u64); 20] {
        [
            ("records", self.records),
            ("frames", self.frames),
            ("super_frames", self.super_frames),
            ("segments", self.segments),
            ("tunnel", self.tunnel),
            ("inferred", self.inferred),
            ("checksums_completed", self.checksums_completed),
            ("vlan_put_back", self.vlan_put_back),
            ("tcp", self.tcp),
            ("udp", self.udp),
            ("sctp", self.sctp),
            ("icmp", self.icmp),
            ("arp", self.arp),
            ("fragment", self.fragment),
            ("other_ip", self.other_ip),
            ("non_ip", self.non_ip),
            ("malformed_passed", self.malformed_passed),
            ("malformed_left_out", self.malformed_left_out),
            ("truncated", self.truncated),
            ("unsegmentable", self.unsegmentable),
        ]
    }

    /// Counts one record of this kind.
    pub(super) fn by_kind(&mut self, kind: Kind) {
        let count = match kind {
            Kind::Tcp => &mut self.tcp,
            Kind::Udp => &mut self.udp,
            Kind::Sctp => &mut self.sctp,
            Kind::Icmp => &mut self.icmp,
            Kind::Arp => &mut self.arp,
            Kind::Fragment => &mut self.fragment,
            Kind::OtherIp => &mut self.other_ip,
            Kind::NonIp => &mut self.non_ip,
        };
        *count += 1;
    }
}

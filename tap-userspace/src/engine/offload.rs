//! What the sk_buff says of the work that was left to the hardware: its
//! checksum and its segmentation.

use std::ops::{BitOr, BitOrAssign};

/// What the sk_buff says of its transport checksum (include/linux/skbuff.h,
/// "Checksumming of received packets" and "on output").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkbChecksum {
    /// The kernel could not be asked.
    Unknown,
    /// What is in the packet is what the wire carries, right or wrong:
    /// `CHECKSUM_NONE`, `_UNNECESSARY` or `_COMPLETE`.
    Final,
    /// `CHECKSUM_PARTIAL`: to be completed. Offsets in bytes from the start of
    /// the frame, as the kernel gave them: they may lie outside of it.
    Partial {
        /// First byte that the sum covers; it goes to the packet's end.
        start: usize,
        /// The checksum field.
        field: usize,
    },
}

/// How a super-frame is to be cut: bits of `gso_type`, in numbers that do not
/// depend on the kernel. Names as in include/linux/skbuff.h.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GsoType(u32);

impl GsoType {
    /// TCP over IPv4.
    pub const TCPV4: Self = Self(1);
    /// From a source that is not trusted: `gso_segs` may be wrong.
    pub const DODGY: Self = Self(1 << 1);
    /// CWR is set.
    pub const TCP_ECN: Self = Self(1 << 2);
    /// The identification of the outermost IPv4 header is the same in each
    /// segment.
    pub const TCP_FIXEDID: Self = Self(1 << 3);
    /// TCP over IPv6.
    pub const TCPV6: Self = Self(1 << 4);
    /// GRE without a checksum.
    pub const GRE: Self = Self(1 << 5);
    /// GRE with a checksum.
    pub const GRE_CSUM: Self = Self(1 << 6);
    /// IP in IPv4.
    pub const IPXIP4: Self = Self(1 << 7);
    /// IP in IPv6.
    pub const IPXIP6: Self = Self(1 << 8);
    /// A UDP tunnel whose outer checksum is 0.
    pub const UDP_TUNNEL: Self = Self(1 << 9);
    /// A UDP tunnel with an outer checksum.
    pub const UDP_TUNNEL_CSUM: Self = Self(1 << 10);
    /// The inner checksum is done by the hardware, outer headers by the driver.
    pub const PARTIAL: Self = Self(1 << 11);
    /// SCTP.
    pub const SCTP: Self = Self(1 << 12);
    /// UDP, each segment a datagram.
    pub const UDP_L4: Self = Self(1 << 13);
    /// The segments are those of the fragment list.
    pub const FRAGLIST: Self = Self(1 << 14);
    /// TCP with accurate ECN: CWR stays on every segment.
    pub const TCP_ACCECN: Self = Self(1 << 15);
    /// The identification of the IPv4 header inside the tunnel is the same in
    /// each segment.
    pub const TCP_FIXEDID_INNER: Self = Self(1 << 16);
    /// The identification of the IPv4 header right under TCP is the same in
    /// each segment, in a tunnel or not: what `SKB_GSO_TCP_FIXEDID` means to
    /// kernels that do not know an inner one (before 6.18;
    /// net/ipv4/af_inet.c `inet_gso_segment`).
    pub const TCP_FIXEDID_INNERMOST: Self = Self(1 << 18);
    /// UDP fragmentation offload: the segments are IP fragments.
    pub const UDP: Self = Self(1 << 17);
    /// A bit of the kernel's that is none of these.
    pub const OTHER: Self = Self(1 << 31);

    /// Each with the enumerator that the kernel's BTF knows it by.
    pub const ENUMERATORS: [(&'static str, Self); 18] = [
        ("SKB_GSO_TCPV4", Self::TCPV4),
        ("SKB_GSO_DODGY", Self::DODGY),
        ("SKB_GSO_TCP_ECN", Self::TCP_ECN),
        ("SKB_GSO_TCP_FIXEDID", Self::TCP_FIXEDID),
        ("SKB_GSO_TCPV6", Self::TCPV6),
        ("SKB_GSO_GRE", Self::GRE),
        ("SKB_GSO_GRE_CSUM", Self::GRE_CSUM),
        ("SKB_GSO_IPXIP4", Self::IPXIP4),
        ("SKB_GSO_IPXIP6", Self::IPXIP6),
        ("SKB_GSO_UDP_TUNNEL", Self::UDP_TUNNEL),
        ("SKB_GSO_UDP_TUNNEL_CSUM", Self::UDP_TUNNEL_CSUM),
        ("SKB_GSO_PARTIAL", Self::PARTIAL),
        ("SKB_GSO_SCTP", Self::SCTP),
        ("SKB_GSO_UDP_L4", Self::UDP_L4),
        ("SKB_GSO_FRAGLIST", Self::FRAGLIST),
        ("SKB_GSO_TCP_ACCECN", Self::TCP_ACCECN),
        ("SKB_GSO_TCP_FIXEDID_INNER", Self::TCP_FIXEDID_INNER),
        ("SKB_GSO_UDP", Self::UDP),
    ];

    /// Whether one of these bits is set.
    #[must_use]
    pub fn has(self, any_of: Self) -> bool {
        self.0 & any_of.0 != 0
    }
}

impl BitOr for GsoType {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for GsoType {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// What each bit of `gso_type` means on the running kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GsoTypes {
    bits: [GsoType; u32::BITS as usize],
}

impl Default for GsoTypes {
    /// Of a kernel of which nothing is known.
    fn default() -> Self {
        Self {
            bits: [GsoType::OTHER; u32::BITS as usize],
        }
    }
}

impl GsoTypes {
    /// From the kernel's own numbers: each enumerator of
    /// [`GsoType::ENUMERATORS`] that it has, with its bit. Bits without a name
    /// are [`GsoType::OTHER`].
    #[must_use]
    pub fn new(enumerators: &[(u32, GsoType)]) -> Self {
        let mut types = Self::default();
        let knows_inner = enumerators
            .iter()
            .any(|(_, gso_type)| *gso_type == GsoType::TCP_FIXEDID_INNER);
        for &(mask, gso_type) in enumerators {
            let gso_type = match gso_type {
                GsoType::TCP_FIXEDID if !knows_inner => GsoType::TCP_FIXEDID_INNERMOST,
                other => other,
            };
            for (at, bit) in types.bits.iter_mut().enumerate() {
                if mask & (1 << at) != 0 {
                    *bit = gso_type;
                }
            }
        }
        types
    }

    /// What a `gso_type` of the running kernel means.
    #[must_use]
    pub fn read(&self, raw: u32) -> GsoType {
        let mut left = raw;
        let mut read = GsoType::default();
        while left != 0 {
            let at = left.trailing_zeros();
            if let Some(bit) = self.bits.get(at as usize) {
                read |= *bit;
            }
            left &= left - 1;
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::{GsoType, GsoTypes};

    #[test]
    fn a_bit_means_what_this_kernel_calls_it() {
        let types = GsoTypes::new(&[(1 << 30, GsoType::DODGY), (1 << 3, GsoType::TCP_ACCECN)]);
        let read = types.read(1 << 3 | 1 << 30);
        assert_eq!(read, GsoType::TCP_ACCECN | GsoType::DODGY);
        assert!(read.has(GsoType::DODGY));
        assert!(!read.has(GsoType::TCPV4));
    }

    #[test]
    fn a_fixed_id_is_the_innermost_ones_unless_the_kernel_tells_two_apart() {
        let old = GsoTypes::new(&[(1 << 3, GsoType::TCP_FIXEDID)]);
        assert_eq!(old.read(1 << 3), GsoType::TCP_FIXEDID_INNERMOST);
        let new = GsoTypes::new(&[
            (1 << 30, GsoType::TCP_FIXEDID),
            (1 << 31, GsoType::TCP_FIXEDID_INNER),
        ]);
        assert_eq!(new.read(1 << 30), GsoType::TCP_FIXEDID);
        assert_eq!(new.read(1 << 31), GsoType::TCP_FIXEDID_INNER);
    }

    #[test]
    fn a_bit_without_a_name_is_other() {
        let types = GsoTypes::new(&[(1, GsoType::TCPV4)]);
        assert_eq!(types.read(0), GsoType::default());
        assert_eq!(types.read(1 | 1 << 20), GsoType::TCPV4 | GsoType::OTHER);
    }
}

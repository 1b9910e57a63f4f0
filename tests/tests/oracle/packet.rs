//! One packet, part by part.

pub(crate) const FIN: u16 = 0x01;
pub(crate) const PSH: u16 = 0x08;

/// An Ethernet frame with an IP packet in it.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) macs: [u8; 12],
    /// Tags in the frame: EtherType and TCI.
    pub(crate) tags: Vec<[u16; 2]>,
    pub(crate) ip: Ip,
    pub(crate) transport: Transport,
    pub(crate) payload: Vec<u8>,
    /// Bytes behind the IP packet.
    pub(crate) trailer: Vec<u8>,
    /// What the IP header says of its length, instead of the truth.
    pub(crate) ip_length: Option<u16>,
    /// What the sender took for the pseudo-header, if it is not the
    /// destination in the IP header.
    pub(crate) final_destination: Option<Vec<u8>>,
}

#[derive(Clone, Debug)]
pub(crate) enum Ip {
    V4 {
        tos: u8,
        id: u16,
        /// Flags and fragment offset.
        fragment: u16,
        ttl: u8,
        /// What the checksum is wrong by.
        wrong_by: u16,
        addresses: Vec<u8>,
        options: Vec<u8>,
    },
    V6 {
        /// Traffic class and flow label.
        flow: u32,
        hop_limit: u8,
        addresses: Vec<u8>,
        /// Extension headers: number, and bytes with room for the next one's.
        extensions: Vec<(u8, Vec<u8>)>,
    },
}

#[derive(Clone, Debug)]
pub(crate) enum Transport {
    Tcp {
        ports: u32,
        sequence: u32,
        acknowledged: u32,
        /// The lower twelve bits: reserved ones and flags.
        flags: u16,
        window: u16,
        urgent: u16,
        options: Vec<u8>,
    },
    Udp {
        ports: u32,
        /// What the header says of its length, instead of the truth.
        length: Option<u16>,
    },
    /// Anything else: its number in the registry. All of it is payload.
    Other(u8),
}

/// What the transport checksum field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// The folded pseudo-header sum, not inverted: `CHECKSUM_PARTIAL`.
    Partial,
    /// What makes the packet valid.
    Right,
    /// Just this.
    Value(u16),
}

/// Where the parts of a built frame begin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    pub(crate) ip: usize,
    pub(crate) transport: usize,
    /// Offset of the checksum in the transport header.
    pub(crate) checksum: usize,
    pub(crate) payload: usize,
}

//! Which way a packet goes, from the pod's point of view.

/// Direction of a packet as the tapped pod sees it.
///
/// Attached on the pod's end of its veth, `In` is that interface's ingress and
/// `Out` its egress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Direction {
    /// The pod receives the packet.
    In = 0,
    /// The pod sends the packet.
    Out = 1,
}

impl Direction {
    /// Both directions, in the order of their ledger rows.
    pub const ALL: [Self; 2] = [Self::In, Self::Out];

    /// Index of this direction's row in the ledger map.
    #[must_use]
    pub const fn index(self) -> u32 {
        self as u32
    }

    /// The direction that a record names, or `None` for a byte that is none.
    #[must_use]
    pub const fn from_u8(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::In),
            1 => Some(Self::Out),
            _ => None,
        }
    }

    /// `in` or `out`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

//! The ledger: what became of every skb, per target and direction.

use core::mem::{offset_of, size_of};

/// What became of one skb. Each skb that a classifier sees gets exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum Verdict {
    /// It is in the ring.
    Mirrored = 0,
    /// The target is attached but not enabled (yet, or any more).
    Dormant = 1,
    /// The agent's heartbeat is too old: nobody would read the ring.
    AgentAway = 2,
    /// Larger than the largest record class.
    TooLarge = 3,
    /// The ring had no room.
    RingFull = 4,
    /// The kernel refused to copy its bytes (`bpf_skb_load_bytes`).
    Unreadable = 5,
}

impl Verdict {
    /// How many verdicts there are.
    pub const COUNT: usize = Self::ALL.len();

    /// All verdicts, in the order of their counters in [`LedgerRow`].
    pub const ALL: [Self; 6] = [
        Self::Mirrored,
        Self::Dormant,
        Self::AgentAway,
        Self::TooLarge,
        Self::RingFull,
        Self::Unreadable,
    ];

    /// Name as in metrics and in `podtap status`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mirrored => "mirrored",
            Self::Dormant => "dormant",
            Self::AgentAway => "agent_away",
            Self::TooLarge => "too_large",
            Self::RingFull => "ring_full",
            Self::Unreadable => "unreadable",
        }
    }

    /// Index of this verdict's counter in [`LedgerRow::verdicts`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// A number of skbs and of their bytes (`skb->len` with the Ethernet header).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Count {
    /// skbs.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// The counters of one target and direction on one CPU.
///
/// `seen` is counted on its own at the program's entry: that it equals the sum
/// of the verdicts is a statement that can fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct LedgerRow {
    /// Every skb that entered the program.
    pub seen: Count,
    /// By [`Verdict::index`].
    pub verdicts: [Count; Verdict::COUNT],
}

impl LedgerRow {
    /// Counter of one verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> Count {
        self.verdicts
            .get(verdict.index())
            .copied()
            .unwrap_or_default()
    }
}

const _: () = assert!(size_of::<Count>() == 16);
const _: () = assert!(offset_of!(LedgerRow, verdicts) == size_of::<Count>());
const _: () = assert!(size_of::<LedgerRow>() == (1 + Verdict::COUNT) * size_of::<Count>());

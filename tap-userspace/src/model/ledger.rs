//! What became of every skb of a target.

use tap_common::{Count, LedgerRow};

/// The ledger of one target, summed over the CPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// What the pod received.
    pub received: LedgerRow,
    /// What the pod sent.
    pub sent: LedgerRow,
}

impl Ledger {
    /// Sum of rows, such as those of each CPU.
    pub fn sum(rows: impl IntoIterator<Item = LedgerRow>) -> LedgerRow {
        rows.into_iter().fold(LedgerRow::default(), |mut sum, row| {
            add(&mut sum.seen, row.seen);
            for (sum, count) in sum.verdicts.iter_mut().zip(row.verdicts) {
                add(sum, count);
            }
            sum
        })
    }

    /// Ledgers together, such as those of all targets.
    #[must_use]
    pub fn together(ledgers: &[Self]) -> Self {
        Self {
            received: Self::sum(ledgers.iter().map(|ledger| ledger.received)),
            sent: Self::sum(ledgers.iter().map(|ledger| ledger.sent)),
        }
    }

    /// Both directions together.
    #[must_use]
    pub fn total(&self) -> LedgerRow {
        Self::sum([self.received, self.sent])
    }

    /// Whether `seen` equals the sum of the verdicts, in each direction, in
    /// packets and bytes. Read while packets flow, it may be off by those that
    /// are between the two counters.
    #[must_use]
    pub fn closes(&self) -> bool {
        [self.received, self.sent].iter().all(|row| {
            let sum = row
                .verdicts
                .iter()
                .fold(Count::default(), |mut sum, count| {
                    add(&mut sum, *count);
                    sum
                });
            sum == row.seen
        })
    }
}

fn add(sum: &mut Count, count: Count) {
    sum.packets += count.packets;
    sum.bytes += count.bytes;
}

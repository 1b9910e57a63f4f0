//! Counts what became of each skb.

use aya_ebpf::{macros::map, maps::PerCpuArray};
use tap_common::{Count, Direction, LedgerRow, Verdict};

/// Two rows per CPU, by direction. Each target has its own.
#[map]
static LEDGER: PerCpuArray<LedgerRow> = PerCpuArray::with_max_entries(2, 0);

/// The ledger row of one direction on this CPU.
pub struct Row(*mut LedgerRow);

/// This CPU's row. `None` never happens: the index is in the map.
#[inline(always)]
pub fn row(direction: Direction) -> Option<Row> {
    LEDGER.get_ptr_mut(direction.index()).map(Row)
}

impl Row {
    /// Counts an skb that entered the program.
    #[inline(always)]
    pub fn see(&self, len_bytes: u32) {
        // SAFETY: the map lookup gave a pointer to a whole row of this CPU's.
        let seen = unsafe { &raw mut (*self.0).seen };
        add(seen, len_bytes);
    }

    /// Counts what became of it. True if it is the first of its kind on this
    /// CPU.
    #[inline(always)]
    pub fn judge(&self, verdict: Verdict, len_bytes: u32) -> bool {
        // SAFETY: as in `see`.
        let verdicts = unsafe { &raw mut (*self.0).verdicts };
        // SAFETY: every verdict's index is below `Verdict::COUNT`.
        let count = unsafe { verdicts.cast::<Count>().add(verdict.index()) };
        add(count, len_bytes)
    }
}

/// Adds one skb; true if it is the first. Plain additions: the row belongs to
/// this CPU, and classifiers run with bottom halves off and never nest.
#[inline(always)]
fn add(count: *mut Count, len_bytes: u32) -> bool {
    // SAFETY: the caller points into the row of this CPU.
    let count = unsafe { &mut *count };
    count.packets += 1;
    count.bytes += len_bytes as u64;
    count.packets == 1
}

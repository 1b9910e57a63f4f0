//! What a capture says at its end: tcpdump's three lines, and the ledger.

use std::collections::BTreeMap;

/// The numbers in the last four lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClosingLines {
    /// Frames that the sinks have.
    pub captured: u64,
    /// Frames made, and skbs lost before that.
    pub received: u64,
    /// skbs lost.
    pub dropped: u64,
    /// Whether it says that the ledger closes.
    pub closes: bool,
    /// skbs that the programs saw.
    pub seen: u64,
    /// What became of them.
    pub verdicts: BTreeMap<String, u64>,
    /// Frames made.
    pub frames: u64,
}

impl ClosingLines {
    /// Finds them in what was written to standard error; panics unless all
    /// are there and say what they should.
    #[must_use]
    pub fn parse(log: &str) -> Self {
        let number = |suffix: &str| {
            log.lines()
                .find_map(|line| line.strip_suffix(suffix))
                .unwrap_or_else(|| panic!("no line `N{suffix}`:\n{log}"))
                .parse()
                .expect("a number")
        };
        let ledger = log
            .lines()
            .find_map(|line| line.strip_prefix("ledger "))
            .unwrap_or_else(|| panic!("no ledger line:\n{log}"));
        let (word, ledger) = ledger.split_once(": ").expect("a word, then numbers");
        let (seen, rest) = ledger.split_once(" skbs seen = ").expect("what was seen");
        let (verdicts, frames) = rest.split_once("; ").expect("what became of it");
        let verdicts = verdicts
            .split(" + ")
            .map(|verdict| {
                let (count, name) = verdict.split_once(' ').expect("a verdict");
                (name.to_owned(), count.parse().expect("a number"))
            })
            .collect();
        let (frames, _) = frames.split_once(" frames made").expect("frames");
        Self {
            captured: number(" packets captured"),
            received: number(" packets received by filter"),
            dropped: number(" packets dropped by kernel"),
            closes: word == "closes",
            seen: seen.parse().expect("a number"),
            verdicts,
            frames: frames.parse().expect("a number"),
        }
    }

    /// The count of one verdict; 0 if it is not among them.
    #[must_use]
    pub fn verdict(&self, name: &str) -> u64 {
        self.verdicts.get(name).copied().unwrap_or(0)
    }

    /// Panics unless the numbers agree with each other, and nothing was lost.
    pub fn assert_nothing_lost(&self) {
        self.assert_closes();
        assert_eq!(self.dropped, 0, "{self:?}");
        assert_eq!(
            self.verdict("mirrored") + self.verdict("dormant"),
            self.seen,
            "{self:?}"
        );
    }

    /// Panics unless each skb has a verdict, by podtap's word and by ours.
    pub fn assert_closes(&self) {
        assert!(self.closes, "{self:?}");
        assert_eq!(self.verdicts.values().sum::<u64>(), self.seen, "{self:?}");
    }
}

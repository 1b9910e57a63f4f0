//! What a capture says when it ends.

use anyhow::{Context as _, Result};
use serde::Serialize;

/// Its counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Closing {
    /// Packets (tcpdump) or skbs (podtap) that it saw.
    pub seen: u64,
    /// Those of them that were lost for want of room.
    pub lost: u64,
    /// Frames, or packets, that the sink has.
    pub delivered: u64,
    /// Whether all is accounted for; tcpdump keeps no ledger.
    pub closes: Option<bool>,
}

impl Closing {
    /// Reads the closing lines: tcpdump's three, and podtap's one on its
    /// ledger if it is there.
    pub(super) fn parse(log: &str) -> Result<Self> {
        let count = |what: &str| {
            log.lines()
                .find_map(|line| line.split_once(what)?.0.trim().parse::<u64>().ok())
                .with_context(|| format!("a capture ended without saying how many{what}:\n{log}"))
        };
        let ledger = log.lines().find(|line| line.starts_with("ledger "));
        let seen = match ledger.and_then(ledger_seen) {
            Some(seen) => seen,
            None => count(" packets received by filter")?,
        };
        Ok(Self {
            seen,
            lost: count(" packets dropped by kernel")?,
            delivered: count(" packets captured")?,
            closes: ledger.map(|line| line.starts_with("ledger closes")),
        })
    }
}

/// The number before ` skbs seen`.
fn ledger_seen(line: &str) -> Option<u64> {
    line.split_once(" skbs seen")?
        .0
        .rsplit(' ')
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn podtaps_lines_are_read() {
        let log = "capturing on eth0\n12 packets captured\n9 packets received by filter\n\
                   2 packets dropped by kernel\n\
                   ledger closes: 9 skbs seen = 7 mirrored + 2 ring_full; 12 frames made\n";
        let closing = Closing {
            seen: 9,
            lost: 2,
            delivered: 12,
            closes: Some(true),
        };
        assert_eq!(Closing::parse(log).unwrap(), closing);
        let open = log.replace("ledger closes", "ledger DOES NOT CLOSE");
        assert_eq!(Closing::parse(&open).unwrap().closes, Some(false));
    }

    #[test]
    fn tcpdumps_lines_are_read() {
        let log = "tcpdump: listening on eth0\n5 packets captured\n\
                   8 packets received by filter\n3 packets dropped by kernel\n";
        let closing = Closing::parse(log).unwrap();
        assert_eq!((closing.seen, closing.lost), (8, 3));
        assert_eq!((closing.delivered, closing.closes), (5, None));
    }

    #[test]
    fn an_end_without_counts_is_an_error() {
        assert!(Closing::parse("Killed\n").is_err());
    }
}

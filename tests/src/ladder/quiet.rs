//! Waits until nothing is under way any more between two ends of a veth.

use std::{
    thread,
    time::{Duration, Instant},
};

use tap_userspace::{adapter::link::LinkCounters, model::Ledger};

const LIMIT: Duration = Duration::from_secs(10);

/// What both sides of the same packets counted, at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) ledger: Ledger,
    pub(crate) counters: LinkCounters,
}

/// What the ledger and the interface counted while nothing moved: a packet
/// that was sent waits in the receiver's queue before its program sees it.
pub(crate) fn read(ledger: impl Fn() -> Ledger, counters: impl Fn() -> LinkCounters) -> Reading {
    let started = Instant::now();
    let mut before = ledger();
    loop {
        let now = counters();
        #[expect(
            clippy::disallowed_methods,
            reason = "that nothing happens is no event"
        )]
        thread::sleep(Duration::from_millis(50));
        let after = ledger();
        if before == after && now == counters() {
            return Reading {
                ledger: after,
                counters: now,
            };
        }
        assert!(started.elapsed() < LIMIT, "packets go on and on");
        before = after;
    }
}

/// Panics unless the ledger saw exactly the packets and bytes that the
/// interface carried between two readings. Returns how many packets.
pub(crate) fn assert_same(first: &Reading, last: &Reading) -> u64 {
    let (from, to) = (&first.ledger, &last.ledger);
    let seen = (
        to.received.seen.packets - from.received.seen.packets,
        to.received.seen.bytes - from.received.seen.bytes,
        to.sent.seen.packets - from.sent.seen.packets,
        to.sent.seen.bytes - from.sent.seen.bytes,
    );
    let (from, to) = (&first.counters, &last.counters);
    let carried = (
        to.rx_packets - from.rx_packets,
        to.rx_bytes - from.rx_bytes,
        to.tx_packets - from.tx_packets,
        to.tx_bytes - from.tx_bytes,
    );
    assert_eq!(
        seen, carried,
        "the ledger saw other packets than the interface carried (received, bytes, sent, bytes)"
    );
    assert!(
        last.ledger.closes(),
        "the ledger does not close: {:?}",
        last.ledger
    );
    carried.0 + carried.2
}

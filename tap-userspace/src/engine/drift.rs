//! Whether a tap sees what its interface carries.
//!
//! A tap goes blind when another tool takes the programs off the interface, and
//! half of it when the pod sends around tc (`PACKET_QDISC_BYPASS`, AF_XDP). The
//! kernel says nothing of either; the interface's own counters do.
//!
//! They are not the ledger's to the packet: what GRO or an offload puts together
//! is one skb for the classifier and may have been many for the driver, each
//! with headers of its own, and the two are not read at one moment. So a drift
//! is what none of that explains.

use std::time::{Duration, Instant};

use tap_common::{Count, Direction};

/// How long is looked before it is said: short enough to lose little, long
/// enough that two readings that are some milliseconds apart do not matter.
const WINDOW: Duration = Duration::from_secs(10);

/// Packets that an interface has to carry before it is said that they were not
/// seen; with fewer, the window stays open.
const ENOUGH_PACKETS: u64 = 32;

/// Of the bytes received, one in so many has to be seen: GRO leaves out headers,
/// and of small packets those are most.
const RECEIVED_PART: u64 = 4;

/// Of the bytes sent: a driver that counts after it has cut a super-frame counts
/// its headers more than once.
const SENT_PART: u64 = 2;

/// Totals of one direction, from the interface and from the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// What the interface has carried.
    pub carried: Count,
    /// What the classifier has seen of it.
    pub seen: Count,
}

/// What was carried and not seen, from the beginning of a window to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    /// From the pod's point of view.
    pub direction: Direction,
    /// Packets and bytes in the window.
    pub totals: Totals,
}

/// What is new of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is not seen, and the target is to be attached again.
    Blind(Missed),
    /// It is not seen, and the target was attached again already: the packets
    /// take a way around it.
    StillBlind(Missed),
    /// It is seen again.
    Sees(Direction),
}

/// One target, as it was last looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drift {
    sides: Vec<Side>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Side {
    direction: Direction,
    window: Option<Window>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    since: Instant,
    at_first: Totals,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Sees,
    /// Attached again, and not known yet whether that has helped.
    Attached,
    Blind,
}

impl Drift {
    /// Of a target with these directions.
    #[must_use]
    pub fn new(directions: &[Direction]) -> Self {
        let side = |direction: &Direction| Side {
            direction: *direction,
            window: None,
            state: State::Sees,
        };
        Self {
            sides: directions.iter().map(side).collect(),
        }
    }

    /// Whether a direction is not known to be seen.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.sides.iter().any(|side| side.state != State::Sees)
    }

    /// Of the target that was attached again in this one's place: its ledger
    /// begins anew.
    #[must_use]
    pub fn attached_again(&self) -> Self {
        let side = |side: &Side| Side {
            direction: side.direction,
            window: None,
            state: match side.state {
                State::Sees => State::Sees,
                State::Attached | State::Blind => State::Attached,
            },
        };
        Self {
            sides: self.sides.iter().map(side).collect(),
        }
    }

    /// Looks at the totals by now.
    pub fn look(&mut self, now: Instant, totals: impl Fn(Direction) -> Totals) -> Vec<Change> {
        let sides = self.sides.iter_mut();
        sides
            .filter_map(|side| side.look(now, totals(side.direction)))
            .collect()
    }
}

impl Side {
    fn look(&mut self, now: Instant, totals: Totals) -> Option<Change> {
        let begun = Window {
            since: now,
            at_first: totals,
        };
        let window = *self.window.get_or_insert(begun);
        let Some(passed) = totals.since(&window.at_first) else {
            // Somebody has set a counter back.
            self.window = Some(begun);
            return None;
        };
        let elapsed = now.saturating_duration_since(window.since);
        if elapsed < WINDOW || passed.carried.packets < ENOUGH_PACKETS {
            return None;
        }
        self.window = Some(begun);
        let missed = Missed {
            direction: self.direction,
            totals: passed,
        };
        let (state, change) = match (self.state, passed.are_apart(self.direction)) {
            (State::Sees, false) | (State::Blind, true) => return None,
            (State::Attached | State::Blind, false) => (State::Sees, Change::Sees(self.direction)),
            (State::Sees, true) => (State::Blind, Change::Blind(missed)),
            (State::Attached, true) => (State::Blind, Change::StillBlind(missed)),
        };
        self.state = state;
        Some(change)
    }
}

impl Totals {
    /// What came since; `None` if that is less than nothing.
    fn since(&self, first: &Self) -> Option<Self> {
        let since = |now: Count, first: Count| {
            Some(Count {
                packets: now.packets.checked_sub(first.packets)?,
                bytes: now.bytes.checked_sub(first.bytes)?,
            })
        };
        Some(Self {
            carried: since(self.carried, first.carried)?,
            seen: since(self.seen, first.seen)?,
        })
    }

    fn are_apart(&self, direction: Direction) -> bool {
        let part = match direction {
            Direction::In => RECEIVED_PART,
            Direction::Out => SENT_PART,
        };
        self.seen.bytes.saturating_mul(part) < self.carried.bytes
    }
}

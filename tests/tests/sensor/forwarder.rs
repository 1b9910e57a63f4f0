//! The wire between two interfaces of one namespace, which loses, delays and
//! doubles what it carries, always the same way for the same frames.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use etherparse::{SlicedPacket, TransportSlice};
use tests::{PacketSocket, TestNetns};

/// Of how many frames one is treated so; 0 is never.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Impairment {
    lost: u64,
    /// Held until others have overtaken it.
    held: u64,
    doubled: u64,
}

impl Impairment {
    /// A good wire.
    pub(crate) const NONE: Self = Self {
        lost: 0,
        held: 0,
        doubled: 0,
    };
    /// Enough that each kind happens often, and connections live.
    pub(crate) const SOME: Self = Self {
        lost: 60,
        held: 25,
        doubled: 80,
    };

    pub(crate) fn is_some(self) -> bool {
        self.lost != 0
    }
}

/// How many frames overtake one that is held.
const OVERTAKING: usize = 3;
/// Then it goes on, overtaken or not.
const HELD_AT_MOST: Duration = Duration::from_millis(5);
/// How soon the end is noticed.
const IDLE: Duration = Duration::from_millis(50);
const DNS_PORT: u16 = 53;

/// Carries frames until it is dropped.
#[derive(Debug)]
pub(crate) struct Forwarder {
    ends: Arc<AtomicBool>,
    impaired: Arc<AtomicU64>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Forwarder {
    /// Between these interfaces.
    pub(crate) fn start(netns: &TestNetns, names: [&str; 2], impairment: Impairment) -> Self {
        let [first, second] = names.map(|name| {
            let index = netns.link(name).expect("the interface").index;
            Arc::new(
                netns
                    .inside(|| PacketSocket::open(index))
                    .expect("a packet socket"),
            )
        });
        let ends = Arc::new(AtomicBool::new(false));
        let impaired = Arc::new(AtomicU64::new(0));
        let ways = [
            (&first, &second, 0x9e37_79b9),
            (&second, &first, 0x7f4a_7c15),
        ];
        let threads = ways.map(|(from, to, seed)| {
            let mut way = Way {
                from: Arc::clone(from),
                to: Arc::clone(to),
                ends: Arc::clone(&ends),
                impaired: Arc::clone(&impaired),
                impairment,
                random: seed,
                held: None,
            };
            thread::spawn(move || way.run())
        });
        Self {
            ends,
            impaired,
            threads: threads.into(),
        }
    }

    /// Frames that it treated badly.
    pub(crate) fn impaired(&self) -> u64 {
        self.impaired.load(Ordering::Relaxed)
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the forwarder failed");
        }
    }
}

struct Way {
    from: Arc<PacketSocket>,
    to: Arc<PacketSocket>,
    ends: Arc<AtomicBool>,
    impaired: Arc<AtomicU64>,
    impairment: Impairment,
    random: u64,
    held: Option<(Vec<u8>, usize)>,
}

impl Way {
    fn run(&mut self) {
        while !self.ends.load(Ordering::Relaxed) {
            let timeout = if self.held.is_some() {
                HELD_AT_MOST
            } else {
                IDLE
            };
            match self.from.receive(timeout).expect("a frame") {
                Some(frame) => self.carry(frame),
                None => self.let_go(),
            }
        }
    }

    fn carry(&mut self, frame: Vec<u8>) {
        if !is_impaired(&frame) {
            return self.send(&frame);
        }
        if self.one_in(self.impairment.lost) {
            return;
        }
        if self.held.is_none() && self.one_in(self.impairment.held) {
            self.held = Some((frame, OVERTAKING));
            return;
        }
        self.send(&frame);
        if self.one_in(self.impairment.doubled) {
            self.send(&frame);
        }
        if let Some((_, left)) = &mut self.held {
            *left -= 1;
            if *left == 0 {
                self.let_go();
            }
        }
    }

    fn let_go(&mut self) {
        if let Some((frame, _)) = self.held.take() {
            self.send(&frame);
        }
    }

    fn send(&self, frame: &[u8]) {
        self.to.send(frame).expect("to send a frame");
    }

    fn one_in(&mut self, count: u64) -> bool {
        // xorshift64 (Marsaglia, 2003).
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let yes = count != 0 && self.random.is_multiple_of(count);
        self.impaired.fetch_add(u64::from(yes), Ordering::Relaxed);
        yes
    }
}

/// TCP and DNS, whose clients try again soon; a lost TFTP block costs seconds.
fn is_impaired(frame: &[u8]) -> bool {
    match SlicedPacket::from_ethernet(frame).map(|packet| packet.transport) {
        Ok(Some(TransportSlice::Tcp(_))) => true,
        Ok(Some(TransportSlice::Udp(udp))) => {
            udp.source_port() == DNS_PORT || udp.destination_port() == DNS_PORT
        }
        _ => false,
    }
}

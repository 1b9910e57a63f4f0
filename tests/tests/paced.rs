//! At a steady 3 Gbit/s no packet is lost.
//!
//! If this fails, a sensor has gaps on a node that is merely busy, and its
//! streams cannot be put together.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    os::fd::AsRawFd as _,
    thread,
    time::{Duration, Instant},
};

use nix::libc;
use tests::{CAPTURING, ClosingLines, PacketSocket, Residue, Running, TestNetns, Veth, capture_of};

/// 3 Gbit.
const BYTES_A_SECOND: u32 = 375_000_000;
const TIME: Duration = Duration::from_secs(10);
const TAP: &str = "podtap0";

/// How often it is tried.
const ATTEMPTS: u32 = 3;
/// `USER_HZ`, the unit of times in /proc.
const TICKS_A_SECOND: f64 = 100.0;

#[test]
#[ignore = "needs root"]
fn root_three_gigabits_a_second_to_a_tap_lose_nothing() {
    let node = TestNetns::new();
    paced(&node, &["--tap", TAP], || {
        // A sensor that keeps up is not what is asked: frames are delivered
        // when they are on the interface.
        let tap = node.link(TAP).expect("the tap");
        node.inside(|| PacketSocket::open(tap.index))
            .expect("a sensor")
    });
    Residue::assert_none(&[&node]);
}

#[test]
#[ignore = "needs root"]
fn root_three_gigabits_a_second_to_a_file_lose_nothing() {
    let node = TestNetns::new();
    paced(&node, &["-w", "/dev/null"], || ());
    Residue::assert_none(&[&node]);
}

/// Sends to the pod while it is captured; panics unless all of it was
/// mirrored and delivered. Once may be the machine's doing: others that keep it
/// busy, or a hypervisor that stops it for a tenth of a second, which no count
/// in it shows. Each time is podtap's.
fn paced<T>(node: &TestNetns, arguments: &[&str], listen: impl Fn() -> T) {
    for attempt in 1..=ATTEMPTS {
        let others = OtherLoad::watch();
        let closing = attempt_paced(node, arguments, &listen);
        let share = others.share();
        if closing.dropped == 0 {
            closing.assert_nothing_lost();
            assert_eq!(closing.captured, closing.frames, "{closing:?}");
            return;
        }
        closing.assert_closes();
        let story = format!(
            "{} of {} skbs lost, others using {:.0} % of the machine",
            closing.dropped,
            closing.seen,
            share * 100.0
        );
        assert!(
            attempt < ATTEMPTS,
            "{story}: each of {ATTEMPTS} times; is this a machine of its own?"
        );
        eprintln!("{story}: once more");
    }
}

fn attempt_paced<T>(node: &TestNetns, arguments: &[&str], listen: impl Fn() -> T) -> ClosingLines {
    let veth = Veth::ipv4_only();
    let capture = node.inside(|| Running::start(capture_of(&veth.pod).args(arguments), CAPTURING));
    let _listening = listen();
    let before = veth.pod.link().counters;
    let (bytes, took) = send(&veth);
    let after = veth.pod.link().counters;
    let (success, log) = capture.interrupt();
    assert!(success, "{log}");
    let closing = ClosingLines::parse(&log);
    let carried = after.rx_packets + after.tx_packets - before.rx_packets - before.tx_packets;
    assert_eq!(closing.seen, carried, "{log}");
    let gigabits = bytes as f64 * 8.0 / took.as_secs_f64() / 1e9;
    eprintln!(
        "{} at {gigabits:.2} Gbit/s for {:.1} s: {} frames, {} skbs lost{}",
        arguments.join(" "),
        took.as_secs_f64(),
        closing.frames,
        closing.dropped,
        if gigabits < 2.95 {
            " (this machine sends no faster)"
        } else {
            ""
        }
    );
    closing
}

/// CPU time that went to neither us, our children nor the network.
struct OtherLoad {
    started: Instant,
    all: f64,
    ours: f64,
}

impl OtherLoad {
    fn watch() -> Self {
        Self {
            started: Instant::now(),
            all: all_seconds(),
            ours: our_seconds(),
        }
    }

    /// Of all CPUs, since it was watched.
    fn share(&self) -> f64 {
        let cpus = thread::available_parallelism().map_or(1, usize::from) as f64;
        let others = (all_seconds() - self.all) - (our_seconds() - self.ours);
        others / (self.started.elapsed().as_secs_f64() * cpus)
    }
}

/// User, nice, system and stolen time of all CPUs (proc(5), `cpu`), in seconds:
/// what packets cost in interrupts is left out.
fn all_seconds() -> f64 {
    let text = fs::read_to_string("/proc/stat").expect("the CPUs' times");
    let times: Vec<f64> = text
        .split_whitespace()
        .skip(1)
        .take(8)
        .map(|time| time.parse().expect("a number"))
        .collect();
    let ticks: f64 = [0, 1, 2, 7].iter().map(|column| times[*column]).sum();
    ticks / TICKS_A_SECOND
}

/// This process's, and its ended children's (proc(5), `utime` to `cstime`).
fn our_seconds() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").expect("our own times");
    // The name before it may hold anything.
    let (_, numbers) = text.rsplit_once(") ").expect("a name in brackets");
    let ticks: f64 = numbers
        .split_whitespace()
        .skip(11)
        .take(4)
        .map(|time| time.parse::<f64>().expect("a number"))
        .sum();
    ticks / TICKS_A_SECOND
}

/// One connection to the pod at the wanted rate. Returns how many bytes it
/// sent and how long that took.
fn send(veth: &Veth) -> (u64, Duration) {
    let listener = veth
        .pod
        .netns
        .inside(|| TcpListener::bind((veth.pod.ipv4, 0)))
        .expect("a listener");
    let to = listener.local_addr().expect("its address");
    let receiver = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut buffer = vec![0; 1 << 18];
        let mut received = 0;
        loop {
            match stream.read(&mut buffer).expect("data") {
                0 => return received,
                read => received += read as u64,
            }
        }
    });
    let mut stream = veth
        .peer
        .netns
        .inside(|| TcpStream::connect(to))
        .expect("a connection");
    // Each second's bytes evenly, not in bursts: the kernel spreads them too.
    pace(&stream, BYTES_A_SECOND / 8 * 9);
    let chunk = vec![0x55; 1 << 17];
    let started = Instant::now();
    let mut sent = 0;
    while started.elapsed() < TIME {
        stream.write_all(&chunk).expect("to send");
        sent += chunk.len() as u64;
        let due = Duration::from_secs_f64(sent as f64 / f64::from(BYTES_A_SECOND));
        thread::park_timeout(due.saturating_sub(started.elapsed()));
    }
    let took = started.elapsed();
    stream.shutdown(Shutdown::Write).expect("to close");
    assert_eq!(
        receiver.join().expect("the receiver"),
        sent,
        "the transfer itself"
    );
    (sent, took)
}

/// TCP paces by itself, without a queueing discipline.
fn pace(stream: &TcpStream, bytes_per_second: u32) {
    // SAFETY: the value is a 32-bit number, as this option takes it.
    let refused = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MAX_PACING_RATE,
            (&raw const bytes_per_second).cast(),
            size_of::<u32>() as u32,
        )
    };
    assert_eq!(refused, 0, "SO_MAX_PACING_RATE");
}

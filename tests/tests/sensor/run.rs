//! The whole corpus once, recorded at both ends, and what is to be true of it.

use std::{collections::BTreeMap, fs, io::Write as _};

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tests::{CAPTURING, ClosingLines, PacketSocket, Residue, Running, craft, podtap};

use crate::{
    compared::{self, ByType},
    events::{Events, remove},
    forwarder::{Forwarder, Impairment},
    path::Path,
    protocol::{self, Protocol},
    recorded::Recorded,
    recording::Recording,
    root::Root,
    stats, suricata,
};

const TAP: &str = "tap0";
/// What podtap makes it.
const TAP_MTU: usize = 9000;
const LAST: &str = "the last frame";
/// The files that are sent about, in bytes.
const LARGE: usize = 2_000_000;
const MIDDLE: usize = 60_000;
const SMALL: usize = 300;
/// An Ethernet header and an MTU of 1500.
const LONGEST_ON_THE_WIRE: usize = 14 + 1500;

/// What was seen of one passage of the corpus.
#[derive(Debug)]
pub(crate) struct Run {
    path: Path,
    served: Vec<&'static Protocol>,
    large_sha256: String,
    closing: ClosingLines,
    impaired: u64,
    on_tap: Recorded,
    on_wire: Recorded,
    /// What Suricata logged: of the tap as it came, of its recording, of the
    /// wire's.
    live: Events,
    tap: Events,
    wire: Events,
    /// Before the path: what runs in it has to end first.
    _root: Root,
}

impl Run {
    /// Lets the corpus pass, tapped with `--segment SEGMENT`.
    pub(crate) fn of(impairment: Impairment, segment: &str) -> Self {
        let root = Root::new();
        let path = Path::new(&root);
        let large_sha256 = write_files(&root);
        suricata::prepare(&root);
        // It stays when podtap has ended: Suricata reads what is left in its ring.
        path.node.run(&format!("ip tuntap add dev {TAP} mode tap"));
        path.node
            .run(&format!("ip link set {TAP} addrgenmode none"));
        // As podtap will set it: tcpdump's ring has room for what the MTU is when
        // it begins (libpcap's pcap-linux.c, `create_ring`).
        path.node
            .run(&format!("ip link set {TAP} mtu {TAP_MTU} up"));
        // All who look are there before the first frame.
        let live = suricata::Live::start(&root, &path.node);
        let recordings = [
            Recording::start(&root, &path.node, TAP, "tap.pcap"),
            Recording::start(&root, &path.line, "near", "wire.pcap"),
        ];
        let mut command = podtap();
        command
            .args(["capture", "--netns"])
            .arg(path.pod.path())
            .args(["--tap", TAP, "--segment", segment]);
        let capture = path.node.inside(|| Running::start(&mut command, CAPTURING));
        stay_on_one_processor();
        let forwarder = Forwarder::start(&path.line, ["near", "far"], impairment);
        if impairment.is_some() {
            lose_at_the_pod(&root, &path);
        }
        let served = protocol::serve(&root, &path);
        for protocol in &served {
            protocol.talk(&root, &path);
        }
        let pod = path.pod.link("eth0").expect("eth0").index;
        path.pod
            .inside(|| PacketSocket::open(pod)?.send(&craft::marker(LAST)))
            .expect("to send the marker");
        for recording in recordings {
            recording.end_with(LAST);
        }
        let (success, log) = capture.interrupt();
        assert!(success, "{log}");
        let impaired = forwarder.impaired();
        drop(forwarder);
        let closing = ClosingLines::parse(&log);
        let live = live.end_after(closing.captured);
        path.node.run(&format!("ip link del {TAP}"));
        let recorded = |name: &str| Recorded::read(&root.corpus().join(name));
        Self {
            served,
            large_sha256,
            closing,
            impaired,
            on_tap: recorded("tap.pcap"),
            on_wire: recorded("wire.pcap"),
            live,
            tap: suricata::read(&root, "tap.pcap"),
            wire: suricata::read(&root, "wire.pcap"),
            path,
            _root: root,
        }
    }

    /// Each frame of the tap is one of the wire's, byte for byte, and the
    /// other way round; podtap cut many of them itself.
    pub(crate) fn tap_frames_are_the_wires(&self) {
        self.closing.assert_nothing_lost();
        self.on_tap.assert_equal(&self.on_wire);
        assert!(self.on_wire.longest() <= LONGEST_ON_THE_WIRE);
        assert!(
            self.closing.frames > 2 * self.closing.seen,
            "hardly any super-frame: {:?}",
            self.closing
        );
    }

    /// The wire did lose and reorder, and Suricata saw what came of it.
    pub(crate) fn something_was_impaired(&self) {
        assert!(self.impaired > 100, "{} frames", self.impaired);
        let overlaps = self.wire.stats.pointer("/tcp/overlap");
        assert_ne!(overlaps, Some(&0.into()), "nothing was sent again");
    }

    /// The comparison is not one of nothing with nothing.
    pub(crate) fn every_protocol_was_logged(&self) {
        for protocol in &self.served {
            for logged in protocol.logged {
                let is_it = |event: &&Value| {
                    logged.with.is_none_or(|(pointer, value)| {
                        event.pointer(pointer) == Some(&value.into())
                    })
                };
                let count = self.wire.of_type(logged.event_type).filter(is_it).count();
                // Over IPv4 and over IPv6. What of it a sensor makes of segments
                // that come late is its own affair, as long as it is some.
                let at_least = if self.impaired == 0 {
                    2 * logged.at_least
                } else {
                    1
                };
                assert!(
                    count >= at_least,
                    "{}: {count} of {at_least}: {logged:?}",
                    protocol.name
                );
            }
        }
        for (name, app_proto) in [("HTTP", "http"), ("FTP", "ftp-data"), ("SMB", "smb")] {
            if self.served.iter().all(|protocol| protocol.name != name) {
                continue;
            }
            let is_whole = |event: &Value| {
                event["app_proto"] == app_proto
                    && event.pointer("/fileinfo/sha256") == Some(&self.large_sha256.as_str().into())
                    && event.pointer("/fileinfo/size") == Some(&LARGE.into())
                    && event.pointer("/fileinfo/gaps") == Some(&false.into())
            };
            assert!(
                self.tap.of_type("fileinfo").any(is_whole),
                "no whole large file by {app_proto}"
            );
        }
    }

    /// Everything is, of the recordings and of the tap as it came.
    pub(crate) fn logs_are_equal(&self) {
        let wire = self.wire.normalised(|_| ());
        let equal = compared::assert_equal("recorded", &self.tap.normalised(|_| ()), &wire);
        compared::assert_equal("live", &self.live.normalised(|_| ()), &wire);
        stats::assert_equal(&self.tap.stats, &self.wire.stats);
        report(&equal, self.on_wire.count());
    }

    /// What was said in the connections is, whatever packets carried it.
    pub(crate) fn contents_are_equal(&self) {
        assert!(
            self.on_tap.longest() > LONGEST_ON_THE_WIRE,
            "no jumbo frame on the tap"
        );
        let wire = contents(&self.wire);
        let equal = compared::assert_equal("recorded", &contents(&self.tap), &wire);
        compared::assert_equal("live", &contents(&self.live), &wire);
        report(&equal, self.on_wire.count());
    }

    /// No sensor saw a wrong checksum, a cut packet or a gap that the
    /// wire did not have.
    pub(crate) fn nothing_was_invalid(&self) {
        let expected = if self.impaired == 0 {
            [0; 2]
        } else {
            stats::gaps(&self.wire.stats)
        };
        for (whose, events) in [
            ("wire", &self.wire),
            ("tap", &self.tap),
            ("live", &self.live),
        ] {
            assert_ne!(events.packets(), 0, "{whose} saw nothing");
            stats::assert_no_faults(whose, &events.stats);
            assert_eq!(stats::gaps(&events.stats), expected, "{whose}: gaps");
        }
    }

    /// What podtap delivered is what Suricata had from the tap.
    pub(crate) fn the_live_sensor_counted_every_frame(&self) {
        assert_eq!(self.live.packets(), self.closing.captured);
        let drops = self.live.stats.pointer("/capture/kernel_drops");
        assert_eq!(drops, Some(&0.into()));
    }

    /// Nothing is left of it.
    pub(crate) fn finish(self) {
        Residue::assert_none(&[&self.path.node, &self.path.pod]);
    }
}

/// Events without what counts packets.
fn contents(events: &Events) -> ByType {
    let mut contents = events.normalised(|event| {
        for pointer in ["/flow", "/tcp"] {
            remove(event, pointer);
        }
    });
    contents.retain(|kind, _| kind != "anomaly");
    contents
}

/// Past the test runner, which shows nothing of tests that pass.
fn report(equal: &BTreeMap<String, usize>, frames: usize) {
    let kinds: Vec<_> = equal
        .iter()
        .map(|(kind, count)| format!("{kind} {count}"))
        .collect();
    writeln!(
        std::io::stderr(),
        "equal in {frames} frames: {}",
        kinds.join(", ")
    )
    .expect("standard error");
}

/// The calling thread, and all that it starts from then on: two processors'
/// backlogs have no order, and let acknowledgements overtake each other between
/// the two points.
fn stay_on_one_processor() {
    let this = Pid::from_raw(0);
    let mine = sched_getaffinity(this).expect("the processors of this thread");
    let first = (0..CpuSet::count()).find(|&one| mine.is_set(one) == Ok(true));
    let mut one = CpuSet::new();
    one.set(first.expect("a processor")).expect("a processor");
    sched_setaffinity(this, &one).expect("to stay on one processor");
}

/// After both points: what is lost is sent again, and both see it twice.
fn lose_at_the_pod(root: &Root, path: &Path) {
    for iptables in ["iptables", "ip6tables"] {
        let rule = format!(
            "{iptables} -A INPUT -i eth0 -p tcp -m statistic --mode nth --every 50 --packet 0 -j DROP"
        );
        root.shell(&path.pod, &rule, &[]);
    }
}

/// The files that the servers have; the digest of the large one.
fn write_files(root: &Root) -> String {
    let folder = root.corpus().join("files");
    fs::create_dir(&folder).expect("a folder");
    let write = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).expect("a file");
    // The image's file does not repeat: a displaced segment changes its digest.
    let random = xtask::image::web::web_file();
    write("large.bin", &random[..LARGE]);
    write("middle.bin", &random[..MIDDLE]);
    for number in 1..=30 {
        write(
            &format!("small-{number}.txt"),
            &random[SMALL * number..][..SMALL],
        );
    }
    let lines: String = (0..40_000).map(|number| format!("{number}\n")).collect();
    write("text.txt", lines.as_bytes());
    Sha256::digest(&random[..LARGE])
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

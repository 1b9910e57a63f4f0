//! tcpdump's filters: podtap's own machine and its translation for the kernel
//! against libpcap's interpreter, answer for answer.
//!
//! If this fails, an analyst's filter picks other packets than it does in
//! tcpdump, and nobody is told. `SEED` repeats a run, `FILTER_CASES` wants more
//! or fewer expressions than [`CASES`].

mod expression;
mod kernel;
mod libpcap;
mod manual;
mod packet;
mod program;
mod segment;

use tap_userspace::{
    engine::filter::{LinkHeader, Program},
    model::FrameBytes,
};
use tests::{Random, number};

use kernel::Loaded;
use libpcap::Compiled;
use packet::Packet;

/// Generated expressions of a run; a quarter of them where only the layout is
/// another.
const CASES: u64 = 2000;
const LAYOUT_CASES: u64 = CASES / 4;
/// Packets that each of them is asked about.
const PACKETS: usize = 1000;

#[test]
fn podtaps_machine_answers_as_libpcaps() {
    run(CASES, |expression, compiled, packets| {
        for packet in packets {
            // Wherever the frame is split between head and payload.
            let (head, payload) = packet.bytes.split_at(packet.split);
            let ours = compiled.program.matches(FrameBytes { head, payload });
            packet.expect(expression, ours, compiled.matches(&packet.bytes));
        }
    });
}

#[test]
#[ignore = "needs root"]
fn root_the_kernel_answers_as_libpcap() {
    let (mut largest, mut asked, mut unasked) = (0, 0_u64, 0_u64);
    run(CASES, |expression, compiled, packets| {
        let code = compiled.program.translate(LinkHeader::Ethernet);
        let code = code.unwrap_or_else(|error| panic!("{expression}: {error}"));
        largest = largest.max(code.len());
        let loaded = Loaded::new(&code);
        let loaded = loaded.unwrap_or_else(|error| panic!("{expression}: {error}"));
        for packet in packets {
            let Some(ours) = loaded.matches(&packet.bytes) else {
                unasked += 1;
                continue;
            };
            asked += 1;
            packet.expect(expression, ours, compiled.matches(&packet.bytes));
        }
    });
    eprintln!(
        "{asked} answers; {unasked} times the kernel made no skb; \
         the largest program: {largest} instructions"
    );
    assert!(asked > 4 * unasked, "{asked} asked, {unasked} not");
}

/// What podtap takes the verifier takes, and the kernel answers as podtap's own
/// machine does, whoever wrote it.
#[test]
#[ignore = "needs root"]
fn root_any_program_that_is_taken_is_loaded_and_answers_alike() {
    let seed = Random::seed();
    let packets: Vec<_> = (0..100)
        .map(|number| Packet::any(&mut Random::of_case(seed, number)))
        .collect();
    let (mut matches, mut asked) = (0_u64, 0_u64);
    for case in 0..number("FILTER_CASES").unwrap_or(CASES) {
        let instructions = program::any(&mut Random::of_case(!seed, case));
        let name = || format!("SEED={seed}, case {case}: {instructions:?}");
        let program = Program::new(&instructions);
        let program = program.unwrap_or_else(|error| panic!("{}: {error}", name()));
        let code = program.translate(LinkHeader::Ethernet);
        let code = code.unwrap_or_else(|error| panic!("{}: {error}", name()));
        let loaded = Loaded::new(&code).unwrap_or_else(|error| panic!("{}: {error}", name()));
        for packet in &packets {
            let (head, payload) = packet.bytes.split_at(packet.split);
            let ours = program.matches(FrameBytes { head, payload });
            if let Some(kernels) = loaded.matches(&packet.bytes) {
                packet.expect(&name(), ours, kernels);
                asked += 1;
                matches += u64::from(kernels);
            }
        }
    }
    eprintln!("SEED={seed}: {matches} of {asked} answers are matches");
    assert!(matches > asked / 20, "SEED={seed}: {matches} of {asked}");
}

/// A tag that the kernel keeps beside the skb is a part of the frame.
#[test]
#[ignore = "needs root"]
fn root_a_tag_beside_the_skb_is_seen_in_its_place() {
    run(LAYOUT_CASES, |expression, compiled, packets| {
        let code = compiled.program.translate(LinkHeader::Ethernet);
        let code = code.unwrap_or_else(|error| panic!("{expression}: {error}"));
        for (tag, packets) in [(5, packets), (0x2064, &packets[..PACKETS / 4])] {
            let pushed = [&kernel::push_tag(tag)[..], &code].concat();
            let loaded = Loaded::new(&pushed);
            let loaded = loaded.unwrap_or_else(|error| panic!("{expression}: {error}"));
            for packet in packets {
                let (macs, rest) = packet.bytes.split_at(12);
                let [high, low] = tag.to_be_bytes();
                let tagged = packet.with_bytes([macs, &[0x81, 0, high, low], rest].concat());
                if let Some(ours) = loaded.matches(&packet.bytes) {
                    tagged.expect(expression, ours, compiled.matches(&tagged.bytes));
                }
            }
        }
    });
}

/// Of a device of bare IP packets the frame's first header is made up.
#[test]
#[ignore = "needs root"]
fn root_a_header_that_is_made_up_is_seen() {
    const ADDRESSES: [u8; 12] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    run(LAYOUT_CASES, |expression, compiled, packets| {
        let code = compiled.program.translate(LinkHeader::MadeUp(ADDRESSES));
        let code = code.unwrap_or_else(|error| panic!("{expression}: {error}"));
        let loaded = Loaded::new(&code);
        let loaded = loaded.unwrap_or_else(|error| panic!("{expression}: {error}"));
        for packet in packets {
            // What a test run has as an skb begins with an Ethernet header,
            // which here stands for the beginning of the IP packet.
            let ether_type = &packet.bytes[12..14];
            let whole = [&ADDRESSES[..], ether_type, &packet.bytes].concat();
            let whole = packet.with_bytes(whole);
            if let Some(ours) = loaded.matches(&packet.bytes) {
                whole.expect(expression, ours, compiled.matches(&whole.bytes));
            }
        }
    });
}

/// What the kernel decides from a super-frame, or before a checksum is completed,
/// holds for each frame that is delivered.
#[test]
fn a_filter_that_is_insensitive_tells_no_frames_of_one_skb_apart() {
    let (mut insensitive, mut all) = (0, 0);
    run(CASES, |expression, compiled, _| {
        all += 1;
        insensitive += u32::from(expect_alike(expression, compiled));
    });
    eprintln!("{insensitive} of {all} are decided in the kernel for super-frames too");
    assert!(insensitive > all / 5, "{insensitive} of {all}");
}

/// The same of each bit of each header alone: what generated expressions read of
/// a field is seldom what makes their answer.
#[test]
fn no_bit_that_cutting_changes_is_taken_for_one_that_stays() {
    const BYTES: [(&str, u32); 5] = [
        ("ether", 90),
        ("ip", 40),
        ("ip6", 64),
        ("tcp", 24),
        ("udp", 12),
    ];
    for (header, bytes) in BYTES {
        for at in 0..bytes {
            for bit in 0..8 {
                let expression = format!("{header}[{at}] & {} != 0", 1 << bit);
                let compiled = Compiled::new(&expression).expect("an expression");
                expect_alike(&expression, &compiled);
            }
        }
    }
}

/// Panics unless frames of one skb are answered alike, where the filter is said to
/// be insensitive. Whether it is, to cutting.
fn expect_alike(expression: &str, compiled: &Compiled) -> bool {
    let sensitivity = compiled.program.sensitivity();
    for case in 0..100 {
        let random = &mut Random::of_case(7, case);
        let pairs = [
            (sensitivity.cut, segment::cut(random)),
            (sensitivity.checksum, segment::completed(random)),
        ];
        for (_, (one, other)) in pairs.iter().filter(|(is_sensitive, _)| !is_sensitive) {
            let (one_is, other_is) = (compiled.matches(one), compiled.matches(other));
            assert_eq!(one_is, other_is, "`{expression}`: {one:02x?} {other:02x?}");
        }
    }
    !sensitivity.cut
}

/// Those that people type are decided in the kernel for all skbs.
#[test]
fn everyday_filters_are_insensitive() {
    for expression in [
        "host 10.0.0.1",
        "net 10.0.0.0/8",
        "tcp port 80",
        "port 53",
        "udp and not port 4789",
        "ip6 host fd00::1",
        "arp or icmp",
        "vlan 5 and tcp port 443",
        "tcp portrange 8000-8100 and not host 10.0.0.2",
        "ether host 02:00:00:00:00:01",
    ] {
        let compiled = Compiled::new(expression).expect("an expression");
        let sensitivity = compiled.program.sensitivity();
        assert!(!sensitivity.cut, "{expression}");
        assert!(!sensitivity.checksum, "{expression}");
    }
    // Flags differ from frame to frame, and hang on no checksum.
    let syn = Compiled::new("tcp[tcpflags] & tcp-syn != 0").expect("an expression");
    assert!(syn.program.sensitivity().cut);
    assert!(!syn.program.sensitivity().checksum);
}

/// Asks `compare` for every expression of the manual page and for generated
/// ones.
fn run(cases: u64, mut compare: impl FnMut(&str, &Compiled, &[Packet])) {
    let seed = Random::seed();
    eprintln!("SEED={seed}");
    let packets: Vec<_> = (0..)
        .take(PACKETS)
        .map(|number| Packet::any(&mut Random::of_case(seed, number)))
        .collect();
    for expression in manual::EXAMPLES {
        let compiled = Compiled::new(expression).expect("libpcap's own example");
        compare(expression, &compiled, &packets);
    }
    let cases = number("FILTER_CASES").unwrap_or(cases);
    let (mut refused, mut picked) = (0, 0);
    for case in 0..cases {
        let expression = expression::any(&mut Random::of_case(!seed, case));
        match Compiled::new(&expression) {
            Ok(compiled) => {
                compare(&expression, &compiled, &packets);
                let matches = |packet: &&Packet| compiled.matches(&packet.bytes);
                let count = packets.iter().filter(matches).count();
                picked += u64::from(count > 0 && count < packets.len());
            }
            Err(_) => refused += 1,
        }
    }
    eprintln!(
        "SEED={seed}: {cases} generated expressions, {refused} of them refused by libpcap; \
         {picked} pick some of {PACKETS} packets and not all"
    );
    // Else this has tested nothing.
    assert!(refused < cases / 2, "libpcap refuses {refused} of {cases}");
    assert!(
        picked > cases / 4,
        "only {picked} of {cases} tell packets apart"
    );
}

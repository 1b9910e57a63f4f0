//! Packets for filters to be asked about: most of them sound, many cut short or
//! with a byte that is another.

use tests::Random;

use crate::expression::{ADDRESSES, PORTS, VLANS};

/// A frame, and where it is split for podtap's own machine.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) bytes: Vec<u8>,
    pub(crate) split: usize,
}

/// The kernel's test runs want something behind an Ethernet header (`bpf_prog_test_run_skb`
/// in net/bpf/test_run.c).
const SHORTEST: usize = 15;

impl Packet {
    pub(crate) fn any(random: &mut Random) -> Self {
        let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        if random.once_in(8) {
            bytes[0] = random.pick(&[0xff, 0x01, 0x33]);
        }
        for _ in 0..random.pick(&[0, 0, 0, 0, 1, 1, 2]) {
            let tag = random.pick(&VLANS) | random.pick(&[0, 0x2000]);
            bytes.extend(random.pick(&[0x8100_u16, 0x88a8]).to_be_bytes());
            bytes.extend(tag.to_be_bytes());
        }
        match random.between(0, 9) {
            0..=4 => v4(random, &mut bytes),
            5..=7 => v6(random, &mut bytes),
            8 => {
                bytes.extend([0x08, 0x06]);
                bytes.extend(random.bytes(28));
            }
            _ => {
                let ether_type = random.pick16(&[0x8847, 0x8864, 0x88cc, 40]);
                bytes.extend(ether_type.to_be_bytes());
                let len = random.between(0, 60);
                bytes.extend(random.bytes(len));
            }
        }
        if random.once_in(4) {
            let len = random.between(0, bytes.len());
            bytes.truncate(len.max(SHORTEST));
        }
        if random.once_in(4) {
            let at = random.between(0, bytes.len() - 1);
            bytes[at] ^= random.word() as u8;
        }
        let split = random.between(0, bytes.len());
        Self { bytes, split }
    }

    /// The same for other bytes.
    pub(crate) fn with_bytes(&self, bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            split: self.split,
        }
    }

    /// Panics unless both say the same of this packet.
    pub(crate) fn expect(&self, expression: &str, ours: bool, theirs: bool) {
        let hex: String = self
            .bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            ours, theirs,
            "`{expression}` on {hex}: podtap, then the other"
        );
    }
}

fn v4(random: &mut Random, bytes: &mut Vec<u8>) {
    bytes.extend([0x08, 0x00]);
    let protocol = random.pick(&[1, 2, 6, 6, 6, 17, 17, 17, 47, 50, 132]);
    let options = random.pick(&[0, 0, 0, 4, 20]);
    let transport = transport(random, protocol);
    let length = (20 + options + transport.len()) as u16;
    bytes.extend([0x45 + (options / 4) as u8, random.pick(&[0, 3, 0xb8])]);
    bytes.extend(length.to_be_bytes());
    bytes.extend(random.word16().to_be_bytes());
    bytes.extend(random.pick(&[0_u16, 0x4000, 0x2000, 0x00b9]).to_be_bytes());
    bytes.extend([random.pick(&[1, 64, 255]), protocol, 0, 0]);
    bytes.extend(random.pick(&ADDRESSES));
    bytes.extend(random.pick(&ADDRESSES));
    bytes.extend(random.bytes(options));
    bytes.extend(transport);
}

fn v6(random: &mut Random, bytes: &mut Vec<u8>) {
    bytes.extend([0x86, 0xdd]);
    let protocol = random.pick(&[0, 6, 6, 17, 17, 44, 58, 132]);
    let transport = transport(random, protocol);
    bytes.extend([0x60, 0, 0, 0]);
    bytes.extend((transport.len() as u16).to_be_bytes());
    bytes.extend([protocol, 64]);
    for _ in 0..2 {
        let mut address = [0; 16];
        address[0] = random.pick(&[0xfd, 0xff]);
        address[15] = random.between(1, 4) as u8;
        bytes.extend(address);
    }
    bytes.extend(transport);
}

/// Ports first, where the protocol has them, then anything.
fn transport(random: &mut Random, protocol: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    match protocol {
        1 | 58 => bytes.extend([random.pick(&[0, 3, 8, 128, 129]), 0]),
        _ => {
            for _ in 0..2 {
                bytes.extend(random.pick16(&PORTS).to_be_bytes());
            }
        }
    }
    let len = random.between(4, 80);
    bytes.extend(random.bytes(len));
    if protocol == 6 && bytes.len() > 13 {
        bytes[12] = random.pick(&[0x50, 0x80]);
        bytes[13] = random.pick(&[0x02, 0x10, 0x12, 0x14, 0x18, 0x11]);
    }
    bytes
}

//! Two frames that one super-frame is cut into, or one frame before its checksum
//! is completed and after: what a filter that is answered from the skb must not
//! tell apart.

use tests::Random;

use crate::expression::{ADDRESSES, PORTS, VLANS};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// What of a frame cutting changes.
#[derive(Clone, Debug)]
struct Own {
    /// Length of the payload, identification, sequence, flags and sum.
    payload: Vec<u8>,
    id: u16,
    sequence: u32,
    flags: u8,
    checksum: u16,
}

/// What it leaves.
struct Common {
    tags: Vec<u16>,
    is_v4: bool,
    tos: u8,
    options: usize,
    hosts: (usize, usize),
    protocol: u8,
    ports: (u16, u16),
    acknowledged: u32,
}

/// Two frames of one super-frame.
pub(crate) fn cut(random: &mut Random) -> (Vec<u8>, Vec<u8>) {
    let common = common(random);
    let frames = [(); 2].map(|()| own(random, common.protocol));
    (common.frame(&frames[0]), common.frame(&frames[1]))
}

/// One frame with two checksums.
pub(crate) fn completed(random: &mut Random) -> (Vec<u8>, Vec<u8>) {
    let common = common(random);
    let partial = own(random, common.protocol);
    let whole = Own {
        checksum: random.word16(),
        ..partial.clone()
    };
    (common.frame(&partial), common.frame(&whole))
}

fn common(random: &mut Random) -> Common {
    let tags = random.between(0, 5).saturating_sub(3);
    Common {
        tags: (0..tags).map(|_| random.pick(&VLANS)).collect(),
        is_v4: random.once_in(2),
        tos: random.pick(&[0, 3, 0xb8]),
        options: random.pick(&[0, 0, 4, 20]),
        hosts: (random.between(0, 3), random.between(0, 3)),
        protocol: random.pick(&[TCP, UDP]),
        ports: (random.pick16(&PORTS), random.pick16(&PORTS)),
        acknowledged: random.word32(),
    }
}

fn own(random: &mut Random, protocol: u8) -> Own {
    let len = random.between(1, 60);
    // FIN and PSH on the last alone, CWR on the first.
    let flags = 0x10 | random.pick(&[0, 0x08, 0x09, 0x80]);
    Own {
        payload: random.bytes(len),
        id: random.word16(),
        sequence: random.word32(),
        flags: if protocol == TCP { flags } else { 0 },
        checksum: random.word16(),
    }
}

impl Common {
    fn frame(&self, own: &Own) -> Vec<u8> {
        let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        for tag in &self.tags {
            bytes.extend([0x81, 0x00]);
            bytes.extend(tag.to_be_bytes());
        }
        let transport = self.transport(own);
        if self.is_v4 {
            self.v4(&mut bytes, own, &transport);
        } else {
            bytes.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            bytes.extend((transport.len() as u16).to_be_bytes());
            bytes.extend([self.protocol, 64]);
            for host in [self.hosts.0, self.hosts.1] {
                let mut address = [0; 16];
                address[0] = 0xfd;
                address[15] = host as u8;
                bytes.extend(address);
            }
        }
        bytes.extend(transport);
        bytes
    }

    fn v4(&self, bytes: &mut Vec<u8>, own: &Own, transport: &[u8]) {
        let length = 20 + self.options + transport.len();
        bytes.extend([0x08, 0x00, 0x45 + (self.options / 4) as u8, self.tos]);
        bytes.extend((length as u16).to_be_bytes());
        bytes.extend(own.id.to_be_bytes());
        bytes.extend([0x40, 0, 64, self.protocol]);
        // Its checksum follows from what is its own.
        bytes.extend(own.id.wrapping_add(length as u16).to_be_bytes());
        bytes.extend(ADDRESSES[self.hosts.0]);
        bytes.extend(ADDRESSES[self.hosts.1]);
        bytes.extend(vec![1; self.options]);
    }

    fn transport(&self, own: &Own) -> Vec<u8> {
        let mut bytes = [self.ports.0.to_be_bytes(), self.ports.1.to_be_bytes()].concat();
        if self.protocol == TCP {
            bytes.extend(own.sequence.to_be_bytes());
            bytes.extend(self.acknowledged.to_be_bytes());
            bytes.extend([0x50, own.flags, 0x20, 0]);
            bytes.extend(own.checksum.to_be_bytes());
            bytes.extend([0, 0]);
        } else {
            bytes.extend((8 + own.payload.len() as u16).to_be_bytes());
            bytes.extend(own.checksum.to_be_bytes());
        }
        bytes.extend(&own.payload);
        bytes
    }
}

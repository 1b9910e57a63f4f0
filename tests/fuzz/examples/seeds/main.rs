//! Writes the corpus that fuzzing begins with: packets as Linux makes them,
//! and a few as nobody should.
//!
//! `cargo run --example seeds` in this folder; what is there by the same names
//! is written anew, what fuzzing found is left alone.

use std::{fs, io, path::Path};

use bytes::{BufMut as _, BytesMut};
use packet::Packet;
use seed::Seed;

mod filters;
mod ordinary;
mod packet;
mod seed;
mod super_frames;
mod tunnels;

fn main() -> io::Result<()> {
    let seeds = seeds();
    for seed in &seeds {
        if seed.bare_ip.is_none() && !seed.jumbo && !seed.unasked {
            write("headers", seed.name, &seed.frame)?;
        }
        write("segment", seed.name, &seed.record())?;
    }
    for seed in seeds.iter().filter(|seed| seed.frame.len() < 200) {
        write("decode", seed.name, &seed.record())?;
    }
    write("decode", "nothing", &[])?;
    write("decode", "zeros", &[0; 64])?;
    second_views(&seeds)?;
    sums()?;
    filters(&seeds)?;
    captures()
}

fn write(target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), bytes)
}

fn seeds() -> Vec<Seed> {
    let mut seeds = super_frames::super_frames();
    seeds.extend(tunnels::tunnels());
    seeds.extend(ordinary::ordinary());
    seeds.extend(ordinary::malformed());
    seeds.extend(tunnels::malformed());
    seeds
}

/// The layout is that of `src/duplicates.rs`.
fn second_views(seeds: &[Seed]) -> io::Result<()> {
    const OUT: u8 = 1;
    const AGAIN: u8 = 2;
    /// A step of time, of which 16 are the window.
    const STEP: u8 = 1 << 3;
    let frame = |name: &str| {
        let seed = seeds.iter().find(|seed| seed.name == name);
        &seed.expect("a seed").frame[..]
    };
    let seen = |flags: u8, split: u8, frame: &[u8]| {
        let len = frame.len() as u8;
        [&[flags, split, len][..], &frame[..len.into()]].concat()
    };
    let (tcp4, udp6, qinq) = (frame("tcp4"), frame("udp6"), frame("udp6-qinq"));
    let mut group = tcp4.to_vec();
    group[0] |= 1;
    let mut hop = tcp4.to_vec();
    hop[22] -= 1;
    for (name, input) in [
        ("one", [seen(OUT, 54, tcp4), seen(STEP, 54, &hop)].concat()),
        (
            "retransmitted",
            [
                &seen(OUT, 255, udp6)[..],
                &[AGAIN | OUT, 14, AGAIN, 62, AGAIN, 14, AGAIN, 0],
            ]
            .concat(),
        ),
        (
            "late",
            [
                &seen(OUT, 54, tcp4)[..],
                &[
                    AGAIN | (15 * STEP),
                    54,
                    AGAIN | OUT,
                    54,
                    AGAIN | (16 * STEP),
                    54,
                ],
            ]
            .concat(),
        ),
        (
            "group",
            [&seen(OUT, 54, &group)[..], &[AGAIN, 54, AGAIN, 54]].concat(),
        ),
        // The tag put back, and nothing else rewritten.
        (
            "tag-put-back",
            [&seen(OUT, 16, qinq)[..], &[AGAIN, 16, AGAIN, 20]].concat(),
        ),
        (
            "arp",
            [&seen(OUT, 255, frame("arp"))[..], &[AGAIN, 0]].concat(),
        ),
        (
            "runt",
            [&seen(OUT, 255, &tcp4[..13])[..], &[AGAIN, 0]].concat(),
        ),
    ] {
        write("duplicates", name, &input)?;
    }
    Ok(())
}

/// The layout is that of `src/filter.rs`.
fn filters(seeds: &[Seed]) -> io::Result<()> {
    let seed = seeds.iter().find(|seed| seed.name == "tcp4");
    let frame = &seed.expect("a seed").frame;
    for (name, instructions) in filters::FILTERS {
        let mut input = vec![instructions.len() as u8];
        for (code, jt, jf, k) in instructions {
            input.extend(code.to_le_bytes());
            input.extend([*jt, *jf]);
            input.extend(k.to_le_bytes());
        }
        input.extend(frame);
        write("filter", name, &input)?;
    }
    Ok(())
}

fn sums() -> io::Result<()> {
    let cut = [9, 0, 33, 0];
    // RFC 1071 section 3.
    let example = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
    let odd: Vec<u8> = (0..=200).collect();
    for (name, bytes) in [
        ("rfc-1071", &example[..]),
        ("odd", &odd),
        ("ones", &[0xff; 99]),
        ("zeros", &[0; 70]),
    ] {
        write("checksum", name, &[&cut[..], bytes].concat())?;
    }
    Ok(())
}

fn captures() -> io::Result<()> {
    let frame = Packet::new(true, false, 40).build(false);
    for (name, snaplen, text, packets) in [
        ("whole", 0, "shop/web/eth0", 2),
        ("snaplen", 50, "größer", 3),
        ("empty", 0, "", 0),
    ] {
        let mut input = BytesMut::new();
        input.put_u16_le(snaplen);
        for text in [text, "a pod"] {
            input.put_u16_le(text.len() as u16);
            input.put_slice(text.as_bytes());
        }
        for packet in 0..packets {
            // A head of 14 bytes, in turns sent and received.
            input.put_u8((14 << 1) | (packet % 2));
            input.put_u64_le(1_700_000_000_123_456_789 + u64::from(packet));
            input.put_u16_le(frame.len() as u16);
            input.put_slice(&frame);
        }
        write("pcapng", name, &input)?;
    }
    Ok(())
}

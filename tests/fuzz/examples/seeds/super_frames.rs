//! Super-frames that are in no tunnel.

use crate::{packet::Packet, seed::Seed};

pub fn super_frames() -> Vec<Seed> {
    let mut seeds = vec![
        Seed::super_frame("tcp4-super", &Packet::new(true, false, 3_100), 1_000),
        Seed::super_frame("tcp6-super", &Packet::new(true, true, 3_000), 1_000),
        Seed::super_frame("tcp4-single", &Packet::new(true, false, 100), 1_000),
        Seed::super_frame("uso4", &Packet::new(false, false, 3_007), 1_200),
        Seed::super_frame("uso6", &Packet::new(false, true, 2_400), 1_200),
        Seed::super_frame("tcp4-longest", &Packet::new(true, false, 65_483), 1_448),
        // BIG TCP, and no IP length for a part of it.
        Seed::super_frame("tcp4-big", &Packet::new(true, false, 66_500), 1_448),
        Seed::super_frame("tcp6-big-parts", &Packet::new(true, true, 66_500), 65_600),
    ];
    let mut tagged = Packet::new(true, false, 500);
    tagged.tags = vec![(0x8100, 42)];
    seeds.push(Seed {
        tag: Some((0x88a8, 7)),
        ..Seed::super_frame("tcp4-super-two-tags", &tagged, 200)
    });
    let mut routed = Packet::new(true, true, 700);
    routed.extensions = vec![
        // A PadN option; a segment routing header with one address to go.
        (0, vec![0, 0, 1, 4, 0, 0, 0, 0]),
        (43, [&[0, 2, 4, 1, 0, 0, 0, 0][..], &[0xfc; 16]].concat()),
    ];
    seeds.push(Seed::super_frame("tcp6-super-extensions", &routed, 300));
    let mut big = Packet::new(true, true, 900);
    // RFC 2675 section 2, and the length that Linux leaves 0 beside it.
    big.extensions = vec![(0, vec![0, 0, 0xc2, 4, 0, 0, 4, 0])];
    let mut big = Seed::super_frame("tcp6-big-jumbo", &big, 400);
    big.frame[18..20].copy_from_slice(&[0, 0]);
    seeds.push(big);
    let mut big = Seed::super_frame("tcp4-big-length-0", &Packet::new(true, false, 900), 400);
    big.frame[16..18].copy_from_slice(&[0, 0]);
    seeds.push(big);

    // Long enough that the kernel takes the header out.
    let mut jumbo = Packet::new(true, true, 66_000);
    jumbo.extensions = vec![(0, vec![0, 0, 0xc2, 4, 0, 1, 1, 0xf8])];
    let big = || Seed::super_frame("tcp6-big-removed", &jumbo, 1_428);
    seeds.push(big());
    seeds.push(big().jumbo("tcp6-big-removed-jumbo"));
    let long = Packet::new(true, false, 20_001);
    seeds.push(Seed::super_frame("", &long, 1_448).jumbo("tcp4-super-jumbo"));
    seeds.push(Seed::super_frame("", &long, 1_448).unasked("tcp4-super-unasked"));
    let datagrams = Packet::new(false, true, 3_000);
    seeds.push(Seed::super_frame("", &datagrams, 700).jumbo("uso6-jumbo"));
    for (name, tagged_name, v6) in [
        ("bare4-super", "bare4-super-tag-beside", false),
        ("bare6-super", "bare6-super-tag-beside", true),
    ] {
        let bare = || Seed::super_frame("", &Packet::new(true, v6, 900), 400).bare(name);
        seeds.push(bare());
        seeds.push(Seed {
            name: tagged_name,
            tag: Some((0x8100, 42)),
            ..bare()
        });
    }
    seeds
}

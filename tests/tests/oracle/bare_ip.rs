//! A device without a link layer: what podtap delivers are the packets that the
//! kernel puts on it, behind an Ethernet header.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    net::IpAddr,
    os::fd::AsRawFd as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use nix::libc;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tap_common::{Direction, Metadata};
use tests::{Random, TestNetns, VethEnd, eventually_equal};

use crate::{
    difference::hex,
    sockets,
    tap::{Ended, RUNGS, Tap},
};

/// More packets than a connection has under way.
const QUEUE_PACKETS: u32 = 100_000;
/// What `TUNSETIFF` is told: packets from their IP header on, and no more.
const FLAGS: libc::c_int = libc::IFF_TUN | libc::IFF_NO_PI;
/// Of target 1, the pod to the other side (`engine::link`).
const MACS: [u8; 12] = [6, 0x70, 0, 0, 0, 1, 2, 0x70, 0, 0, 0, 1];

#[test]
#[ignore = "needs root"]
fn root_tcp_over_ipv4_without_a_link_layer_becomes_the_kernels_packets() {
    for metadata in RUNGS {
        compare(metadata, |end| end.ipv4);
    }
}

#[test]
#[ignore = "needs root"]
fn root_tcp_over_ipv6_without_a_link_layer_becomes_the_kernels_packets() {
    for metadata in RUNGS {
        compare(metadata, |end| end.ipv6);
    }
}

fn compare(metadata: Metadata, address: impl Fn(&VethEnd) -> IpAddr) {
    let [(pod, pod_end), (peer, peer_end)] = [1, 2].map(end);
    let tap = Tap::start(&pod, Direction::Out, metadata);
    let wire = Arc::new(Mutex::new(Vec::new()));
    let stop = Arc::new(AtomicBool::new(false));
    let cables = [
        carry(&pod_end, &peer_end, Some(Arc::clone(&wire)), &stop),
        carry(&peer_end, &pod_end, None, &stop),
    ];
    let seed = Random::seed();
    sockets::tcp(&pod, &peer, address(&peer), &mut Random::of_case(seed, 0));
    let carried = || wire.lock().expect("the packets").len();
    eventually_equal("frames and packets", || (tap.count(), carried()));
    stop.store(true, Ordering::Release);
    for cable in cables {
        cable.join().expect("a cable");
    }
    let Ended {
        counts,
        frames: ours,
    } = tap.finish();
    eprintln!("SEED={seed}, {metadata:?}: {counts:?}");
    assert!(counts.super_frames > 50, "{counts:?}");
    let kernels: Vec<_> = wire
        .lock()
        .expect("the packets")
        .iter()
        .map(|packet| on_ethernet(packet))
        .collect();
    for (index, (ours, kernels)) in ours.iter().zip(&kernels).enumerate() {
        assert_eq!(hex(ours), hex(kernels), "SEED={seed}, frame {index}");
    }
    assert_eq!(ours.len(), kernels.len());
}

fn on_ethernet(packet: &[u8]) -> Vec<u8> {
    let ether_type = if packet[0] >> 4 == 4 {
        [0x08, 0x00]
    } else {
        [0x86, 0xdd]
    };
    [&MACS[..], &ether_type, packet].concat()
}

/// A namespace whose `eth0` has no link layer, and the other side of it.
fn end(host: u8) -> (VethEnd, File) {
    let end = VethEnd {
        netns: TestNetns::new(),
        ipv4: format!("10.99.0.{host}").parse().expect("an address"),
        ipv6: format!("fd99::{host}").parse().expect("an address"),
    };
    let device = end.netns.inside(open).expect("a TUN device");
    end.netns
        .run(&format!("ip link set eth0 txqueuelen {QUEUE_PACKETS}"));
    end.netns.run("ip link set eth0 addrgenmode none");
    end.netns
        .run(&format!("ip addr add {}/24 dev eth0", end.ipv4));
    end.netns
        .run(&format!("ip addr add {}/64 dev eth0 nodad", end.ipv6));
    end.netns.run("ip link set eth0 up");
    (end, device)
}

/// Makes `eth0` in the calling thread's namespace.
fn open() -> io::Result<File> {
    let device = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun")?;
    // SAFETY: all zeroes is a request without a name.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"eth0") {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = FLAGS as libc::c_short;
    // SAFETY: the request lives through the call.
    let refused = unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    if refused == 0 {
        Ok(device)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Carries packets one way until it is told to stop; keeps those that are
/// wanted.
fn carry(
    from: &File,
    to: &File,
    kept: Option<Arc<Mutex<Vec<Vec<u8>>>>>,
    stop: &Arc<AtomicBool>,
) -> thread::JoinHandle<()> {
    let mut from = from.try_clone().expect("the device once more");
    let mut to = to.try_clone().expect("the device once more");
    let stop = Arc::clone(stop);
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while !stop.load(Ordering::Acquire) {
            if !is_readable(&from) {
                continue;
            }
            let len = from.read(&mut buffer).expect("a packet");
            if let Some(kept) = &kept {
                kept.lock()
                    .expect("the packets")
                    .push(buffer[..len].to_vec());
            }
            to.write_all(&buffer[..len]).expect("to send it on");
        }
    })
}

/// Waits a moment for a packet.
fn is_readable(device: &File) -> bool {
    let mut wanted = [PollFd::new(device, PollFlags::IN)];
    let moment = Timespec {
        tv_sec: 0,
        tv_nsec: 50_000_000,
    };
    poll(&mut wanted, Some(&moment)).expect("to wait") > 0
}

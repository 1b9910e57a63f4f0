//! A flood of small UDP datagrams to the pod.
//!
//! A sender of our own: one thread that does nothing but `send`. iperf3 looks
//! at the clock and at its other sockets between any two datagrams, and so is
//! slower than what is measured.

use std::{
    io::ErrorKind,
    net::UdpSocket,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};
use nix::sys::socket::{setsockopt, sockopt::RcvBufForce};

use super::stage::{NODE_ADDRESS, POD_ADDRESS, Stage};
use super::traffic::Traffic;

/// Payload of each.
const DATAGRAM_BYTES: usize = 64;
/// Room for those that wait for the receiver.
const RECEIVE_BUFFER_BYTES: usize = 8 << 20;
/// How often the sender looks at the clock, in datagrams.
const BURST: u32 = 64;
/// When nothing came for so long after the sender's end, all has come.
const SILENCE: Duration = Duration::from_millis(100);

/// Sends as fast as it goes for so long.
pub(super) fn flood(stage: &Stage, seconds: u32) -> Result<Traffic> {
    let receiver = stage
        .pod
        .inside(|| Ok(UdpSocket::bind((POD_ADDRESS, 0))?))?;
    setsockopt(&receiver, RcvBufForce, &RECEIVE_BUFFER_BYTES)
        .context("cannot set a receive buffer")?;
    receiver.set_read_timeout(Some(SILENCE))?;
    let sender = stage
        .node
        .inside(|| Ok(UdpSocket::bind((NODE_ADDRESS, 0))?))?;
    sender.connect(receiver.local_addr()?)?;
    let sent_all = AtomicBool::new(false);
    thread::scope(|scope| {
        let receiving = scope.spawn(|| receive(&receiver, &sent_all));
        let started = Instant::now();
        let sent = send(&sender, Duration::from_secs(seconds.into()));
        let took = started.elapsed();
        sent_all.store(true, Ordering::Release);
        let received = receiving
            .join()
            .map_err(|_| anyhow!("the receiver panicked"))??;
        let sent = sent?;
        Ok(Traffic {
            seconds: took.as_secs_f64(),
            packets_sent: f64::from(sent),
            packets: f64::from(received),
            bytes: f64::from(received) * DATAGRAM_BYTES as f64,
            ..Traffic::default()
        })
    })
}

fn send(socket: &UdpSocket, time: Duration) -> Result<u32> {
    let datagram = [0x55; DATAGRAM_BYTES];
    let started = Instant::now();
    let mut sent = 0;
    while started.elapsed() < time {
        for _ in 0..BURST {
            match socket.send(&datagram) {
                Ok(_) => sent += 1,
                // The device's queue is full: as good as lost on the wire.
                Err(error) if error.kind() == ErrorKind::OutOfMemory => {}
                Err(error) => return Err(error).context("cannot send a datagram"),
            }
        }
    }
    Ok(sent)
}

fn receive(socket: &UdpSocket, sent_all: &AtomicBool) -> Result<u32> {
    let mut datagram = [0; DATAGRAM_BYTES];
    let mut received = 0;
    loop {
        match socket.recv(&mut datagram) {
            Ok(_) => received += 1,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if sent_all.load(Ordering::Acquire) {
                    return Ok(received);
                }
            }
            Err(error) => return Err(error).context("cannot receive a datagram"),
        }
    }
}

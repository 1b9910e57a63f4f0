//! What real sockets send: skbs as the kernel itself makes them.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
};

use nix::sys::socket::{setsockopt, sockopt};
use tests::VethEnd;

use tests::Random;

/// Bytes of one connection, each way.
const STREAM_BYTES: usize = 3_000_000;
/// The most that one write sends.
const WRITE_MOST: usize = 200_000;

/// Both ends write so much in pieces of any size, and read what the other
/// writes; then both close.
pub(crate) fn tcp(client: &VethEnd, server: &VethEnd, server_ip: IpAddr, random: &mut Random) {
    let listener = server
        .netns
        .inside(|| TcpListener::bind((server_ip, 0)))
        .expect("a listener");
    let address = listener.local_addr().expect("its address");
    let seeds = [random.word(), random.word()];
    let serving = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a connection");
        converse(stream, seeds[0]);
    });
    let stream = client
        .netns
        .inside(|| TcpStream::connect(address))
        .expect("a connection");
    converse(stream, seeds[1]);
    serving.join().expect("the server");
}

fn converse(mut stream: TcpStream, seed: u64) {
    let mut reading = stream.try_clone().expect("the stream once more");
    let reader = thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        let mut total = 0;
        loop {
            match reading.read(&mut buffer).expect("data") {
                0 => break total,
                read => total += read,
            }
        }
    });
    let mut random = Random::of_case(seed, 0);
    // Without Nagle's waiting, each write is pushed.
    stream.set_nodelay(random.once_in(2)).expect("an option");
    let mut left = STREAM_BYTES;
    while left > 0 {
        let most = random.pick(&[1, 100, 1448, 5000, WRITE_MOST]);
        let part = random.between(1, most).min(left);
        stream.write_all(&random.bytes(part)).expect("to send");
        left -= part;
    }
    stream.shutdown(Shutdown::Write).expect("to close");
    assert_eq!(reader.join().expect("the reader"), STREAM_BYTES);
}

/// Datagrams of any size that fits, and groups of them as one super-frame
/// (`UDP_SEGMENT`).
pub(crate) fn udp(sender: &VethEnd, from: IpAddr, to: SocketAddr, random: &mut Random) {
    let socket = sender
        .netns
        .inside(|| UdpSocket::bind((from, 0)))
        .expect("a UDP socket");
    for _ in 0..200 {
        let segment = random.between(1, 1452);
        let segments = random.between(1, 40.min(60_000 / segment));
        let last = random.between(1, segment);
        let of_one = if segments == 1 { 0 } else { segment };
        setsockopt(&socket, sockopt::UdpGsoSegment, &(of_one as i32)).expect("UDP GSO");
        let datagrams = random.bytes((segments - 1) * segment + last);
        // The other host may have refused an earlier one by ICMP.
        while let Err(error) = socket.send_to(&datagrams, to) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        }
    }
}

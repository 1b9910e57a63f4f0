//! Traffic between two ends of a veth, through real sockets.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::AsRawFd as _,
    thread,
};

use etherparse::{IcmpEchoHeader, Icmpv4Header, Icmpv4Type, SlicedPacket, TransportSlice};
use nix::sys::{
    socket::{
        AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, recv, sendto,
        setsockopt, socket,
        sockopt::{ReceiveTimeout, UdpGsoSegment},
    },
    time::{TimeVal, TimeValLike as _},
};
use sha2::{Digest as _, Sha256};

use crate::{DEADLINE, VethEnd};

/// What went over a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Where the data came from.
    pub from: SocketAddr,
    /// Where it went to.
    pub to: SocketAddr,
    /// SHA-256 of all of it.
    pub sha256: [u8; 32],
}

/// Sends `len` bytes that look random over one TCP connection, from an address
/// of one end to an address of the other, and waits until both sides are
/// closed.
pub fn tcp_transfer(
    (sender, sender_ip): (&VethEnd, IpAddr),
    (receiver, receiver_ip): (&VethEnd, IpAddr),
    len: usize,
) -> Transfer {
    let listener = receiver
        .netns
        .inside(|| TcpListener::bind((receiver_ip, 0)))
        .expect("a listener");
    let to = listener.local_addr().expect("its address");
    let reader = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut digest = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            match stream.read(&mut buffer).expect("data") {
                0 => break,
                read => digest.update(&buffer[..read]),
            }
        }
        <[u8; 32]>::from(digest.finalize())
    });
    let mut stream = sender
        .netns
        .inside(|| TcpStream::connect(to))
        .expect("a connection");
    let from = stream.local_addr().expect("its address");
    assert_eq!(from.ip(), sender_ip, "the sender's address");
    let mut digest = Sha256::new();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut left = len;
    let mut chunk = vec![0; 1 << 16];
    while left > 0 {
        for word in chunk.chunks_exact_mut(8) {
            // xorshift64: cheap, and no two segments are alike.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        let part = &chunk[..left.min(chunk.len())];
        stream.write_all(part).expect("to send");
        digest.update(part);
        left -= part.len();
    }
    stream
        .shutdown(std::net::Shutdown::Write)
        .expect("to close");
    let received = reader.join().expect("the receiver");
    let sha256 = digest.finalize().into();
    assert_eq!(received, sha256, "the transfer itself");
    Transfer { from, to, sha256 }
}

/// UDP datagrams that were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagrams {
    /// Where they came from.
    pub from: SocketAddr,
    /// Where they went to.
    pub to: SocketAddr,
}

/// Sends datagrams of these lengths, and waits until each has arrived. With
/// `segment`, they leave the socket as one super-frame that is to be cut at so
/// many bytes (UDP GSO).
pub fn udp_datagrams(
    (sender, sender_ip): (&VethEnd, IpAddr),
    (receiver, receiver_ip): (&VethEnd, IpAddr),
    lengths: &[usize],
    segment: Option<i32>,
) -> Datagrams {
    let bind = |end: &VethEnd, ip: IpAddr| {
        end.netns
            .inside(|| UdpSocket::bind((ip, 0)))
            .expect("a UDP socket")
    };
    let (socket, inbox) = (bind(sender, sender_ip), bind(receiver, receiver_ip));
    inbox
        .set_read_timeout(Some(DEADLINE))
        .expect("a time limit");
    let to = inbox.local_addr().expect("its address");
    let from = socket.local_addr().expect("its address");
    if let Some(bytes) = segment {
        setsockopt(&socket, UdpGsoSegment, &bytes).expect("UDP GSO");
        let whole = vec![0x55; lengths.iter().sum()];
        socket.send_to(&whole, to).expect("to send");
    }
    let mut buffer = vec![0; 1 << 16];
    for length in lengths {
        if segment.is_none() {
            socket.send_to(&vec![0x55; *length], to).expect("to send");
        }
        let (received, _) = inbox.recv_from(&mut buffer).expect("the datagram");
        assert_eq!(received, *length, "the datagram itself");
    }
    Datagrams { from, to }
}

/// Sends an ICMP echo request with so many bytes of data, and waits for the
/// reply.
pub fn ping(sender: &VethEnd, receiver: &VethEnd, len: usize) {
    let IpAddr::V4(to) = receiver.ipv4 else {
        panic!("an IPv4 address");
    };
    let socket = sender
        .netns
        .inside(|| {
            socket(
                AddressFamily::Inet,
                SockType::Raw,
                SockFlag::SOCK_CLOEXEC,
                SockProtocol::Icmp,
            )
        })
        .expect("an ICMP socket");
    let limit = TimeVal::seconds(i64::try_from(DEADLINE.as_secs()).expect("a time"));
    setsockopt(&socket, ReceiveTimeout, &limit).expect("a time limit");
    let request = Icmpv4Header::with_checksum(
        Icmpv4Type::EchoRequest(IcmpEchoHeader { id: 0x7074, seq: 1 }),
        &vec![0x55; len],
    );
    let message = [&request.to_bytes()[..], &vec![0x55; len]].concat();
    sendto(
        socket.as_raw_fd(),
        &message,
        &SockaddrIn::from(std::net::SocketAddrV4::new(to, 0)),
        MsgFlags::empty(),
    )
    .expect("to send");
    let mut buffer = vec![0; 1 << 16];
    loop {
        let len = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()).expect("the reply");
        let packet = SlicedPacket::from_ip(&buffer[..len]).expect("a packet");
        let Some(TransportSlice::Icmpv4(icmp)) = packet.transport else {
            continue;
        };
        if let Icmpv4Type::EchoReply(IcmpEchoHeader { id: 0x7074, .. }) = icmp.icmp_type() {
            return;
        }
    }
}

//! SCTP: its checksum is a CRC, which the kernel leaves to the device, and
//! completes itself for one that cannot (`skb_crc32c_csum_help`).

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    os::fd::{AsRawFd as _, OwnedFd},
    thread,
};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockProtocol, SockType, SockaddrStorage, bind, connect,
    listen, socket,
};
use tap_userspace::adapter::bpf::Hook;
use tests::{Veth, VethEnd, offloads};

use super::{capture::Capture, tunnel::assert_as_on_the_wire};

/// Messages there and back, each in a packet of its own.
const MESSAGES: usize = 40;
const PORT: u16 = 7_000;

pub(super) fn over_ipv4() -> String {
    let veth = Veth::new();
    over(&veth, veth.peer.ipv4)
}

pub(super) fn over_ipv6() -> String {
    let veth = Veth::new();
    over(&veth, veth.peer.ipv6)
}

fn over(veth: &Veth, server: IpAddr) -> String {
    for end in [&veth.pod, &veth.peer] {
        // Else the cookie's algorithm would have to be a module as well.
        let path = "/proc/sys/net/sctp/cookie_hmac_alg";
        end.netns
            .inside(|| fs::write(path, "none"))
            .expect("a sysctl");
    }
    veth.pod
        .netns
        .inside(|| offloads::none_for_sending("eth0"))
        .expect("a device without offloads");
    let wire = veth.peer.packet_socket();
    let capture = Capture::start(veth, Hook::Clsact);
    talk(&veth.pod, &veth.peer, server);
    capture.read();
    let captured = capture.finish();
    let counts = captured.counts;
    assert!(counts.sctp > MESSAGES as u64, "{counts:?}");
    assert!(counts.checksums_completed > MESSAGES as u64, "{counts:?}");
    let frames = assert_as_on_the_wire(&captured.frames, &wire);
    format!(
        "{} packets of SCTP, {} checksums completed, {frames} frames the same",
        counts.sctp, counts.checksums_completed
    )
}

/// One association, on which messages of any length go there and back.
fn talk(client: &VethEnd, server: &VethEnd, address: IpAddr) {
    let address = SockaddrStorage::from(SocketAddr::new(address, PORT));
    let listener = server.netns.inside(|| {
        let socket = one_to_one(address);
        bind(socket.as_raw_fd(), &address).expect("to bind");
        listen(&socket, Backlog::new(1).expect("a backlog")).expect("to listen");
        TcpListener::from(socket)
    });
    let serving = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("an association");
        let mut buffer = [0; 2_000];
        loop {
            match stream.read(&mut buffer).expect("a message") {
                0 => break,
                read => stream.write_all(&buffer[..read]).expect("to answer"),
            }
        }
    });
    let socket = client.netns.inside(|| {
        let socket = one_to_one(address);
        connect(socket.as_raw_fd(), &address).expect("an association");
        socket
    });
    let mut stream = TcpStream::from(socket);
    let mut buffer = [0; 2_000];
    for message in 0..MESSAGES {
        let bytes = vec![message as u8; 1 + 35 * message];
        stream.write_all(&bytes).expect("to send");
        let read = stream.read(&mut buffer).expect("the answer");
        assert_eq!(buffer[..read], bytes);
    }
    drop(stream);
    serving.join().expect("the server");
}

/// A socket of one association, of which std knows nothing but that it is a
/// stream.
fn one_to_one(address: SockaddrStorage) -> OwnedFd {
    use nix::sys::socket::SockaddrLike as _;
    socket(
        address.family().unwrap_or(AddressFamily::Inet),
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::Sctp,
    )
    .expect("an SCTP socket")
}

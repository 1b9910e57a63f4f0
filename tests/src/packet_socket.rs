//! Raw frames, as a sensor reads them and as no ordinary socket sends them.

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
    time::Duration,
};

use nix::{
    libc,
    sys::socket::{
        AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, SockaddrLike as _, bind, send,
        setsockopt, socket, sockopt,
    },
    sys::time::{TimeVal, TimeValLike as _},
};

/// Where a VLAN tag belongs: behind the MAC addresses.
const MACS_BYTES: usize = 12;

/// An AF_PACKET socket in the calling thread's namespace.
#[derive(Debug)]
pub struct PacketSocket(OwnedFd);

/// One frame that a packet socket saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its bytes; a VLAN tag that the kernel took out is in its place again,
    /// as libpcap puts it.
    pub frame: Vec<u8>,
    /// Index of the interface.
    pub interface_index: u32,
    /// Whether it was on its way out of the host.
    pub is_outgoing: bool,
}

impl PacketSocket {
    /// Opens one that sees all protocols on one interface, or on all of them
    /// if the index is 0, with room for many frames.
    pub fn open(interface_index: u32) -> io::Result<Self> {
        let fd = unbound(libc::PACKET_AUXDATA)?;
        // Root may go beyond rmem_max.
        setsockopt(&fd, sockopt::RcvBufForce, &(64 << 20))?;
        bind_to(&fd, interface_index, libc::ETH_P_ALL as u16)?;
        Ok(Self(fd))
    }

    /// Sends one frame, from its Ethernet header on.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        send(self.0.as_raw_fd(), frame, MsgFlags::empty())?;
        Ok(())
    }

    /// The next frame; `None` if there is none within `timeout`.
    pub fn receive(&self, timeout: Duration) -> io::Result<Option<Vec<u8>>> {
        Ok(self.receive_packet(timeout)?.map(|packet| packet.frame))
    }

    /// The next frame and what is known of it; `None` if there is none within
    /// `timeout`.
    pub fn receive_packet(&self, timeout: Duration) -> io::Result<Option<Received>> {
        let timeout = TimeVal::milliseconds(i64::try_from(timeout.as_millis()).unwrap_or(1).max(1));
        setsockopt(&self.0, sockopt::ReceiveTimeout, &timeout)?;
        let mut frame = vec![0; 1 << 17];
        let mut control = [0_u64; 16];
        // SAFETY: all zeroes is an empty address.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        let mut part = libc::iovec {
            iov_base: frame.as_mut_ptr().cast(),
            iov_len: frame.len(),
        };
        // SAFETY: all zeroes is a message without parts.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_name = (&raw mut address).cast();
        message.msg_namelen = size_of::<libc::sockaddr_ll>() as u32;
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control);
        // SAFETY: name, part and control point to live memory of their lengths.
        let len = unsafe { libc::recvmsg(self.0.as_raw_fd(), &raw mut message, 0) };
        let Ok(len) = usize::try_from(len) else {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock => Ok(None),
                _ => Err(error),
            };
        };
        frame.truncate(len);
        if let Some(tag) = removed_tag(&message) {
            frame.splice(MACS_BYTES..MACS_BYTES, tag);
        }
        Ok(Some(Received {
            frame,
            interface_index: address.sll_ifindex as u32,
            is_outgoing: address.sll_pkttype == libc::PACKET_OUTGOING,
        }))
    }
}

/// Opens an AF_PACKET socket in the calling thread's namespace that receives
/// nothing before [`bind_to`]. `switch` is one of its options that are on or
/// off, and is on.
///
/// # Errors
/// The kernel's answer.
pub fn unbound(switch: libc::c_int) -> io::Result<OwnedFd> {
    let fd = socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        // With a protocol it would get frames of every interface.
        None,
    )?;
    let on: libc::c_int = 1;
    // SAFETY: the value is an int, as these options want it.
    let refused = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_PACKET,
            switch,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as u32,
        )
    };
    if refused != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(fd)
}

/// Binds an AF_PACKET socket to one interface, or to all if the index is 0, and
/// to the frames of a protocol: with 0 it goes on to receive nothing.
///
/// # Errors
/// The kernel's answer.
pub fn bind_to(socket: &OwnedFd, interface_index: u32, protocol: u16) -> io::Result<()> {
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: protocol.to_be(),
        sll_ifindex: interface_index as i32,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    // SAFETY: a whole sockaddr_ll, of that length.
    let address = unsafe {
        LinkAddr::from_raw(
            (&raw const address).cast(),
            Some(size_of::<libc::sockaddr_ll>() as u32),
        )
    }
    .expect("a link address");
    bind(socket.as_raw_fd(), &address)?;
    Ok(())
}

/// The VLAN tag that the kernel took out of the frame, if it did.
fn removed_tag(message: &libc::msghdr) -> Option<Vec<u8>> {
    // SAFETY: the kernel filled the control buffer of this message.
    let header = unsafe { libc::CMSG_FIRSTHDR(message) };
    // SAFETY: null, or a header within the control buffer.
    let found = unsafe { header.as_ref() }?;
    if (found.cmsg_level, found.cmsg_type) != (libc::SOL_PACKET, libc::PACKET_AUXDATA) {
        return None;
    }
    // SAFETY: the data of this kind is a tpacket_auxdata, perhaps unaligned.
    let aux: libc::tpacket_auxdata =
        unsafe { std::ptr::read_unaligned(libc::CMSG_DATA(header).cast()) };
    if aux.tp_status & libc::TP_STATUS_VLAN_VALID == 0 {
        return None;
    }
    let kind = if aux.tp_status & libc::TP_STATUS_VLAN_TPID_VALID == 0 {
        0x8100
    } else {
        aux.tp_vlan_tpid
    };
    Some([kind.to_be_bytes(), aux.tp_vlan_tci.to_be_bytes()].concat())
}

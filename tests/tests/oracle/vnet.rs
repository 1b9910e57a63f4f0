//! A packet socket that says of each frame what the kernel shall do with it.
//!
//! `PACKET_VNET_HDR` puts a `struct virtio_net_hdr` (include/uapi/linux/
//! virtio_net.h) in front of each frame; `virtio_net_hdr_to_skb` makes
//! `ip_summed`, `csum_start`, `csum_offset`, `gso_size` and `gso_type` of it.

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
};

use nix::{
    libc,
    sys::socket::{MsgFlags, send, setsockopt, sockopt},
};
use tests::packet_socket::{bind_to, unbound};

/// The checksum is partial.
pub(crate) const NEEDS_CSUM: u8 = 1;

/// Bytes of what is said of a frame.
pub(crate) const HEADER_BYTES: usize = 10;

/// How a super-frame is to be cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Gso {
    #[default]
    None = 0,
    TcpV4 = 1,
    TcpV6 = 4,
    UdpL4 = 5,
    /// With CWR on the first segment (RFC 3168).
    TcpV4Ecn = 0x81,
    TcpV6Ecn = 0x84,
}

/// What is said of one frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct VnetHeader {
    pub(crate) flags: u8,
    pub(crate) gso: Gso,
    /// A hint: how much of the frame shall lie in one piece.
    pub(crate) hdr_len: u16,
    pub(crate) gso_size: u16,
    pub(crate) csum_start: u16,
    pub(crate) csum_offset: u16,
}

impl VnetHeader {
    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = vec![self.flags, self.gso as u8];
        for field in [
            self.hdr_len,
            self.gso_size,
            self.csum_start,
            self.csum_offset,
        ] {
            bytes.extend(field.to_ne_bytes());
        }
        bytes
    }
}

/// Sends through one interface, and receives nothing.
#[derive(Debug)]
pub(crate) struct VnetSocket(OwnedFd);

impl VnetSocket {
    /// Opens one in the calling thread's namespace.
    pub(crate) fn open(interface_index: u32) -> io::Result<Self> {
        let fd = unbound(libc::PACKET_VNET_HDR)?;
        setsockopt(&fd, sockopt::SndBufForce, &(8 << 20))?;
        bind_to(&fd, interface_index, 0)?;
        Ok(Self(fd))
    }

    /// Sends one skb.
    pub(crate) fn send(&self, header: VnetHeader, frame: &[u8]) -> io::Result<()> {
        let message = [&header.to_bytes(), frame].concat();
        send(self.0.as_raw_fd(), &message, MsgFlags::empty())?;
        Ok(())
    }
}

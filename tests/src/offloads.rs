//! Takes from a device what it does in the kernel's stead.

use std::{io, net::UdpSocket, os::fd::AsRawFd as _};

use nix::libc;

/// One of ethtool's features, by its command of linux/ethtool.h that sets it.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub enum Feature {
    /// Completing checksums.
    Checksum = 0x17,
    /// Sending skbs that lie in pieces.
    ScatterGather = 0x19,
    /// Cutting TCP.
    Tso = 0x1f,
    /// Being given super-frames at all.
    Gso = 0x24,
    /// Putting received packets together.
    Gro = 0x2c,
}

/// All that a device does to packets that it sends. After these, the kernel
/// cuts and completes before a packet gets to the device.
const SENDING: [Feature; 4] = [
    Feature::Tso,
    Feature::Gso,
    Feature::Checksum,
    Feature::ScatterGather,
];

const ETHTOOL_SFLAGS: u32 = 0x26;

/// `struct ethtool_value`.
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

/// Leaves all work on sent packets to the kernel, in the calling thread's
/// namespace; VLAN tags go into the frame too.
///
/// # Errors
/// When the kernel refuses.
pub fn none_for_sending(interface: &str) -> io::Result<()> {
    for feature in SENDING {
        set(interface, feature, false)?;
    }
    // No flag at all: no tags beside sent packets.
    ethtool(interface, ETHTOOL_SFLAGS, 0)
}

/// Switches one feature, in the calling thread's namespace.
///
/// # Errors
/// When the kernel refuses.
pub fn set(interface: &str, feature: Feature, on: bool) -> io::Result<()> {
    ethtool(interface, feature as u32, u32::from(on))
}

fn ethtool(interface: &str, command: u32, data: u32) -> io::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    let mut value = Value { command, data };
    // SAFETY: all zeroes is a request without a name.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_data = (&raw mut value).cast();
    // SAFETY: the request and the value that it points to live through it.
    let refused = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, &raw mut request) };
    if refused == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

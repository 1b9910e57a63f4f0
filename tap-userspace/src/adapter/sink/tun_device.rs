//! The device that tap interfaces are made with.

use std::{fs::OpenOptions, io, os::unix::fs::FileTypeExt as _};

use rustix::{
    fs::{major, minor},
    io::Errno,
};

/// Where it is.
pub const TUN_DEVICE: &str = "/dev/net/tun";

/// The tun device's number (`misc` 200 of Documentation/admin-guide/devices.txt).
const NUMBER: (u32, u32) = (10, 200);

/// Why no tap can be made.
#[derive(Debug, thiserror::Error)]
pub enum TunDeviceError {
    /// It is not there.
    #[error("{TUN_DEVICE} is not there")]
    Missing,
    /// Something else is there.
    #[error("{TUN_DEVICE} is there and is not the tun device")]
    Other,
    /// It is there and may not be opened: by its file's rights, by a mount
    /// without devices, or by the device rules of the container's cgroup.
    #[error("{TUN_DEVICE} is there and may not be opened: {0}")]
    Forbidden(#[source] io::Error),
    /// It is there and the kernel has no driver for it.
    #[error("{TUN_DEVICE} is there and the kernel has no driver for it: {0}")]
    NoDriver(#[source] io::Error),
    /// Anything else.
    #[error("{TUN_DEVICE} cannot be opened: {0}")]
    Open(#[source] io::Error),
}

/// Opens the tun device and closes it again. To look for it says nothing: some
/// container runtimes mount it and forbid it all the same.
///
/// # Errors
/// When it is not there or cannot be opened.
pub fn open_tun_device() -> Result<(), TunDeviceError> {
    let file = OpenOptions::new().read(true).write(true).open(TUN_DEVICE);
    let file = file.map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::NOENT | Errno::NOTDIR) => TunDeviceError::Missing,
        Some(Errno::PERM | Errno::ACCESS) => TunDeviceError::Forbidden(error),
        Some(Errno::NODEV | Errno::NXIO) => TunDeviceError::NoDriver(error),
        Some(Errno::ISDIR) => TunDeviceError::Other,
        _ => TunDeviceError::Open(error),
    })?;
    let metadata = file.metadata().map_err(TunDeviceError::Open)?;
    let number = rustix::fs::fstat(&file)
        .map_err(|error| TunDeviceError::Open(error.into()))?
        .st_rdev;
    if metadata.file_type().is_char_device() && (major(number), minor(number)) == NUMBER {
        Ok(())
    } else {
        Err(TunDeviceError::Other)
    }
}

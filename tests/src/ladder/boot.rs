//! What an init has to do before anything else works, and at the end.

use std::{ffi::CString, fs, fs::File};

use anyhow::{Context as _, Result};
use rustix::{
    mount::{MountFlags, mount},
    process::{Resource, Rlimit, setrlimit},
    system::{RebootCommand, finit_module, reboot, uname},
};

/// Paths of the modules to load, one a line, each after those it needs.
const MODULES: &str = "/modules.load";

/// Mounts, limits, modules. Returns the kernel's release.
pub(crate) fn prepare() -> Result<String> {
    for (kind, place) in [
        ("devtmpfs", "/dev"),
        ("proc", "/proc"),
        ("sysfs", "/sys"),
        ("tmpfs", "/tmp"),
        ("bpf", "/sys/fs/bpf"),
    ] {
        fs::create_dir_all(place).with_context(|| format!("making {place}"))?;
        mount(kind, place, kind, MountFlags::empty(), None)
            .with_context(|| format!("mounting {place}"))?;
    }
    // Up to 5.10 the memory of maps and programs is charged to this limit.
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    setrlimit(Resource::Memlock, unlimited).context("raising RLIMIT_MEMLOCK")?;
    for path in fs::read_to_string(MODULES).context(MODULES)?.lines() {
        let module = File::open(path).with_context(|| path.to_owned())?;
        finit_module(&module, &CString::default(), 0).with_context(|| format!("loading {path}"))?;
    }
    Ok(uname().release().to_string_lossy().into_owned())
}

/// Turns the machine off.
pub(crate) fn power_off() -> ! {
    // The console's last lines go out first: it has no buffer of its own.
    let error = reboot(RebootCommand::PowerOff);
    panic!("the machine stays on: {error:?}");
}

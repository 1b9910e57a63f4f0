//! What the kernel has, and whether it takes the programs.

use std::{io, num::NonZeroU32};

use tap_common::Metadata;

use super::Node;
use crate::{
    adapter::{
        bpf::{Pins, Shared, SharedError, metadata_name, probe},
        process::own,
    },
    model::{
        capability::Capability::{self, Bpf, NetAdmin, Perfmon, SysAdmin},
        finding::Finding,
        kernel_release::KernelRelease,
    },
};

/// A ring as small as the checks need it: sixteen pages.
const RING_BYTES: NonZeroU32 = NonZeroU32::MIN.saturating_add((1 << 16) - 1);

/// What loading the programs takes.
const NEEDED: [Capability; 4] = [Bpf, NetAdmin, Perfmon, SysAdmin];

pub(super) fn release(node: &Node) -> Vec<Finding> {
    const NAME: &str = "kernel";
    let oldest = KernelRelease::OLDEST;
    let found = format!("Linux {}", own::kernel_release().0);
    vec![if node.is_before(oldest) {
        Finding::fail(NAME, found, format!("podtap needs Linux {oldest} or later"))
    } else {
        Finding::ok(NAME, found)
    }]
}

pub(super) fn btf(_: &Node) -> Vec<Finding> {
    const NAME: &str = "BTF";
    vec![match probe::kernel_types() {
        Ok(()) => Finding::ok(NAME, "the kernel tells its types"),
        Err(error) => Finding::warn(
            NAME,
            error,
            "nothing, if checksums may be recognised by their value (metadata by helpers); \
             else a kernel with CONFIG_DEBUG_INFO_BTF",
        ),
    }]
}

/// Says nothing where nothing is to be seen.
pub(super) fn lockdown(node: &Node) -> Vec<Finding> {
    const NAME: &str = "lockdown";
    let Some(lockdown) = probe::lockdown() else {
        return Vec::new();
    };
    vec![match lockdown {
        probe::Lockdown::None => Finding::ok(NAME, "none"),
        probe::Lockdown::Integrity => Finding::ok(NAME, "integrity: forbids nothing of podtap's"),
        probe::Lockdown::Confidentiality if node.is_before(KernelRelease::KFUNCS) => Finding::warn(
            NAME,
            "confidentiality: forbids programs to read kernel memory",
            format!(
                "for exact metadata boot with lockdown=integrity, or Linux {} or later",
                KernelRelease::KFUNCS
            ),
        ),
        probe::Lockdown::Confidentiality => {
            Finding::ok(NAME, "confidentiality: kernel functions do without reads")
        }
    }]
}

pub(super) fn bpffs(node: &Node) -> Vec<Finding> {
    const NAME: &str = "bpf file system";
    vec![match probe::bpffs() {
        Ok(()) => Finding::ok(NAME, "one of its own can be made"),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Finding::fail(
            NAME,
            format!("none can be made: {error}"),
            node.advice(&[SysAdmin]),
        ),
        Err(error) => Finding::fail(
            NAME,
            format!("none can be made: {error}"),
            "needs a kernel with CONFIG_BPF_SYSCALL",
        ),
    }]
}

/// Where the agent would pin its taps, if it is told to.
pub(super) fn pins(node: &Node) -> Vec<Finding> {
    const NAME: &str = "pins";
    let Some(bpffs) = &node.bpffs else {
        return Vec::new();
    };
    vec![match Pins::probe(bpffs) {
        Ok(()) if node.is_before(KernelRelease::TCX) => Finding::warn(
            NAME,
            format!("could be made on {}", bpffs.display()),
            format!(
                "nothing: below Linux {} there are no links to pin, and taps end with their agent",
                KernelRelease::TCX
            ),
        ),
        Ok(()) => Finding::ok(NAME, format!("can be made on {}", bpffs.display())),
        Err(error) => Finding::warn(
            NAME,
            error.to_string(),
            "without pins taps end with their agent, and begin anew with the next",
        ),
    }]
}

pub(super) fn ring_buffer(node: &Node) -> Vec<Finding> {
    const NAME: &str = "ring buffer";
    vec![match probe::ring_buffer() {
        Ok(true) => Finding::ok(NAME, "can be made"),
        Ok(false) => Finding::fail(
            NAME,
            "this kernel has none",
            format!("podtap needs Linux {} or later", KernelRelease::OLDEST),
        ),
        Err(error) => Finding::fail(
            NAME,
            format!("none can be made: {error}"),
            node.advice(&[Bpf]),
        ),
    }]
}

/// Loads the programs as the agent does it, and drops them.
pub(super) fn programs(node: &Node) -> Vec<Finding> {
    const NAME: &str = "programs";
    let metadata = match Shared::open(RING_BYTES) {
        Ok(kernel) => kernel.metadata,
        Err(error) => {
            let advice = match error {
                SharedError::NoRingBuffer => {
                    format!("podtap needs Linux {} or later", KernelRelease::OLDEST)
                }
                _ if !node.has_all(&NEEDED) => node.advice(&NEEDED),
                _ => "look for a seccomp profile that forbids bpf(2); else report it, with the \
                      kernel's release"
                    .into(),
            };
            return vec![Finding::fail(NAME, error.to_string(), advice)];
        }
    };
    let way = metadata_name(metadata);
    vec![match metadata {
        Metadata::Kfuncs => Finding::ok(NAME, format!("load; metadata by {way}")),
        Metadata::ProbeReads if node.is_before(KernelRelease::KFUNCS) => Finding::ok(
            NAME,
            format!("load; metadata by {way}, the best that this kernel has"),
        ),
        Metadata::ProbeReads => Finding::warn(
            NAME,
            format!("load; metadata by {way}: exact of super-frames alone"),
            "from Linux 6.2 on kernel functions should do: PODTAP_LOG=debug says why not",
        ),
        Metadata::Helpers => Finding::warn(
            NAME,
            format!("load; metadata by {way}: checksums are recognised by their value"),
            "nothing, if that is exact enough; else see BTF and lockdown",
        ),
    }]
}

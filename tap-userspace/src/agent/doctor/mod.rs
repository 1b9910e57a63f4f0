//! Looks whether podtap can do its work here: each thing that it needs is
//! tried, in the way that the agent does it, and nothing stays behind.

mod api;
mod attach;
mod kernel;
mod rights;
mod tun;

use std::{
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

pub use api::examine_api;

use crate::{
    adapter::process::own,
    model::{
        capability::{Capabilities, Capability},
        finding::Finding,
        kernel_release::KernelRelease,
    },
};

/// How long one check may take: the kernel verifies the programs within a
/// second, and three times at worst.
const PATIENCE: Duration = Duration::from_secs(20);

/// Checks of the node, with their names, in the order in which they are said.
const CHECKS: [(&str, Look); 16] = [
    ("kernel", kernel::release),
    ("user", rights::user),
    ("capabilities", rights::capabilities),
    ("confinement", rights::confinement),
    ("locked memory", rights::memlock),
    ("memory limit", rights::memory_limit),
    ("proc", rights::proc),
    ("pods' namespaces", rights::namespaces_of_others),
    ("BTF", kernel::btf),
    ("lockdown", kernel::lockdown),
    ("bpf file system", kernel::bpffs),
    ("pins", kernel::pins),
    ("ring buffer", kernel::ring_buffer),
    ("programs", kernel::programs),
    ("attach", attach::attach),
    ("tun device", tun::tun_device),
];

/// One check: what it finds, a line each.
type Look = fn(&Node) -> Vec<Finding>;

/// What more than one check goes by.
#[derive(Clone, Debug)]
struct Node {
    proc: PathBuf,
    bpffs: Option<PathBuf>,
    ring_bytes: NonZeroU32,
    release: Option<KernelRelease>,
    capabilities: Option<Capabilities>,
    /// Whether what it may do reaches the kernel.
    is_in_first_user_namespace: bool,
    finds_pods: bool,
}

/// Checks this node: the kernel, rights, `proc`, which is to be the node's, and
/// `bpffs`, if taps are to be pinned there; `ring_bytes` is how large the ring
/// shall be. What only finding pods takes is no failure unless `finds_pods`.
/// Each check ends within 20 s, and none keeps another from being made. Blocks.
#[must_use]
pub fn examine_node(
    proc: &Path,
    bpffs: Option<&Path>,
    ring_bytes: NonZeroU32,
    finds_pods: bool,
) -> Vec<Finding> {
    let node = Node {
        proc: proc.into(),
        bpffs: bpffs.map(Into::into),
        ring_bytes,
        release: own::kernel_release().1,
        capabilities: own::capabilities().ok(),
        is_in_first_user_namespace: own::is_in_first_user_namespace().unwrap_or(true),
        finds_pods,
    };
    CHECKS
        .into_iter()
        .flat_map(|(name, look)| {
            let node = node.clone();
            within(PATIENCE, name, move || look(&node))
        })
        .collect()
}

/// Looks on a thread of its own, so that one that hangs in the kernel is said
/// to hang, and one that panics ends nothing else.
fn within(
    patience: Duration,
    name: &'static str,
    look: impl FnOnce() -> Vec<Finding> + Send + 'static,
) -> Vec<Finding> {
    let (sender, findings) = mpsc::channel();
    let spawned = thread::Builder::new()
        .name("podtap-doctor".into())
        .spawn(move || {
            // Nobody listens any more if it took too long.
            let _ = sender.send(look());
        });
    let failed = |found| vec![Finding::fail(name, found, "please report it")];
    if let Err(error) = spawned {
        return failed(format!("no thread can be started: {error}"));
    }
    match findings.recv_timeout(patience) {
        Ok(findings) => findings,
        Err(RecvTimeoutError::Timeout) => vec![Finding::fail(
            name,
            format!("no answer from the kernel within {} s", patience.as_secs()),
            "look at the node's load and its kernel log",
        )],
        Err(RecvTimeoutError::Disconnected) => failed("the check itself failed".into()),
    }
}

impl Node {
    fn has(&self, capability: Capability) -> bool {
        self.capabilities.is_some_and(|set| set.has(capability))
    }

    /// Whether these are there and good for something.
    fn has_all(&self, capabilities: &[Capability]) -> bool {
        self.is_in_first_user_namespace && capabilities.iter().all(|one| self.has(*one))
    }

    /// Whether the kernel is surely older.
    fn is_before(&self, release: KernelRelease) -> bool {
        self.release.is_some_and(|this| this < release)
    }

    /// What goes wrong when a pod is looked for.
    fn fail_for_pods(&self, check: &'static str, found: String, advice: &str) -> Finding {
        if self.finds_pods {
            return Finding::fail(check, found, advice);
        }
        let advice = format!("nothing, if no pod is to be captured by its name; else {advice}");
        Finding::warn(check, found, advice)
    }

    /// What to do when the kernel forbids what takes these capabilities.
    fn advice(&self, needed: &[Capability]) -> String {
        let missing: Vec<_> = needed
            .iter()
            .filter(|capability| !self.has(**capability))
            .map(Capability::to_string)
            .collect();
        if !self.is_in_first_user_namespace {
            "see user: these capabilities do not reach the kernel".into()
        } else if missing.is_empty() {
            "the capabilities for it are there: look for a seccomp profile or a security module \
             (AppArmor, SELinux) that forbids it"
                .into()
        } else {
            format!("needs the capabilities {}", missing.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::{Finding, within};
    use crate::model::finding::Outcome;

    #[test]
    fn a_check_that_hangs_or_panics_is_said_and_ends_nothing() {
        let (held, hang) = mpsc::channel::<()>();
        let short = Duration::from_millis(1);
        let hung = within(short, "one", move || {
            let _ = hang.recv();
            Vec::new()
        });
        drop(held);
        let long = Duration::from_secs(60);
        let panicked = within(long, "two", || panic!("on purpose"));
        for (findings, name) in [(hung, "one"), (panicked, "two")] {
            let [finding] = findings.as_slice() else {
                panic!("{findings:?}");
            };
            assert_eq!((finding.check, finding.outcome), (name, Outcome::Fail));
            assert!(finding.advice.is_some());
        }
        let fine = within(long, "three", || vec![Finding::ok("three", "fine")]);
        assert_eq!(fine, [Finding::ok("three", "fine")]);
    }
}

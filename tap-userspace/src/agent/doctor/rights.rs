//! What this process may do, and what it can see of the node.

use std::{fs, io, path::Path};

use super::Node;
use crate::{
    adapter::{
        netns::Netns,
        process::{ProcDir, own},
    },
    agent::memory,
    model::{
        capability::Capability, confinement::Confinement, finding::Finding,
        kernel_release::KernelRelease,
    },
};

/// What the agent is granted in its manifest.
const NEEDED: [(&str, Capability, &str); 5] = [
    (
        "capability BPF",
        Capability::Bpf,
        "to load programs and make maps",
    ),
    (
        "capability NET_ADMIN",
        Capability::NetAdmin,
        "to attach to interfaces and make the tap",
    ),
    (
        "capability PERFMON",
        Capability::Perfmon,
        "to read the kernel's packet metadata",
    ),
    (
        "capability SYS_ADMIN",
        Capability::SysAdmin,
        "to enter a pod's network namespace",
    ),
    (
        "capability SYS_PTRACE",
        Capability::SysPtrace,
        "to read /proc/PID/ns of a pod",
    ),
];

pub(super) fn user(_: &Node) -> Vec<Finding> {
    const NAME: &str = "user";
    vec![match (own::is_root(), own::is_in_first_user_namespace()) {
        (false, _) => Finding::fail(
            NAME,
            "not root",
            "run it as root; in a container `runAsUser: 0` with the capabilities below",
        ),
        (true, Ok(false)) => Finding::fail(
            NAME,
            "root of a user namespace of its own, whose capabilities do not reach the kernel",
            "run it in the machine's user namespace: no rootless runtime, and no \
             `hostUsers: false` in the pod",
        ),
        (true, _) => Finding::ok(NAME, "root"),
    }]
}

pub(super) fn capabilities(node: &Node) -> Vec<Finding> {
    if node.capabilities.is_none() {
        let found = match own::capabilities() {
            Err(error) => format!("not known: {error}"),
            Ok(_) => "not known".into(),
        };
        return vec![Finding::fail(
            "capabilities",
            found,
            "mount a proc file system on /proc",
        )];
    }
    let of = |(name, capability, purpose): (&'static str, Capability, &str)| {
        if node.has(capability) {
            return Finding::ok(name, "there");
        }
        // `bpf_capable` and `perfmon_capable` of include/linux/capability.h.
        let is_part = matches!(capability, Capability::Bpf | Capability::Perfmon);
        if is_part && node.has(Capability::SysAdmin) {
            return Finding::ok(name, "missing, and SYS_ADMIN stands for it");
        }
        Finding::fail(
            name,
            format!("missing; needed {purpose}"),
            format!("run as root with it; in a container add {capability} to capabilities.add"),
        )
    };
    NEEDED.into_iter().map(of).collect()
}

pub(super) fn confinement(_: &Node) -> Vec<Finding> {
    const NAME: &str = "confinement";
    vec![match own::confinement() {
        Confinement::None => Finding::ok(NAME, "none by AppArmor or SELinux"),
        Confinement::AppArmor {
            profile,
            enforced: false,
        } => Finding::ok(NAME, format!("AppArmor profile {profile}, not enforced")),
        Confinement::AppArmor { profile, .. } => Finding::warn(
            NAME,
            format!("AppArmor profile {profile}: it may forbid /proc/PID/ns of pods"),
            "set `appArmorProfile: {type: Unconfined}` in the container's securityContext; before \
             Kubernetes 1.30 the annotation \
             container.apparmor.security.beta.kubernetes.io/CONTAINER: unconfined",
        ),
        Confinement::SeLinux { kind } if kind.starts_with("container") => Finding::warn(
            NAME,
            format!("SELinux type {kind}: it may forbid bpf and /proc/PID/ns of pods"),
            "set `seLinuxOptions: {type: spc_t}` in the container's securityContext",
        ),
        Confinement::SeLinux { kind } => Finding::ok(NAME, format!("SELinux type {kind}")),
    }]
}

/// Says nothing where the limit does not count.
pub(super) fn memlock(node: &Node) -> Vec<Finding> {
    const NAME: &str = "locked memory";
    if !node.is_before(KernelRelease::MAPS_IN_CGROUP) {
        return Vec::new();
    }
    vec![match own::memlock_bytes() {
        None => Finding::ok(NAME, "no limit"),
        // aya raises it when a map is refused.
        Some(_) if node.has(Capability::SysResource) => {
            Finding::ok(NAME, "a limit that SYS_RESOURCE allows to raise")
        }
        Some(bytes) => Finding::fail(
            NAME,
            format!(
                "limited to {bytes} bytes, and below Linux {} the ring counts",
                KernelRelease::MAPS_IN_CGROUP
            ),
            "add the capability SYS_RESOURCE, or raise the runtime's limit (LimitMEMLOCK)",
        ),
    }]
}

/// Says nothing where there is no limit.
pub(super) fn memory_limit(node: &Node) -> Vec<Finding> {
    const NAME: &str = "memory limit";
    match memory::examine(node.ring_bytes) {
        Ok(None) => Vec::new(),
        Ok(Some(bytes)) => {
            let found = format!(
                "{}: enough for the ring and the rest",
                memory::in_mib(bytes)
            );
            vec![Finding::ok(NAME, found)]
        }
        Err(error) => vec![Finding::fail(NAME, error.found(), error.advice())],
    }
}

/// Whether it is a node's.
pub(super) fn proc(node: &Node) -> Vec<Finding> {
    const NAME: &str = "proc";
    let path = node.proc.display();
    let advice = "mount the node's /proc into the container (hostPath /proc) and name it: \
                  --proc /host/proc";
    if let Err(error) = fs::metadata(node.proc.join("1/ns")) {
        let found = format!("{path} is no proc file system of a node: 1/ns: {error}");
        return vec![node.fail_for_pods(NAME, found, advice)];
    }
    vec![match ProcDir::new(&node.proc).scan() {
        Ok(processes) if processes.pods() == 0 && !node.finds_pods => {
            Finding::ok(NAME, format!("{path} has no process of a pod"))
        }
        Ok(processes) if processes.pods() == 0 => Finding::warn(
            NAME,
            format!("{path} has no process of a pod"),
            format!("nothing, if no pod runs on this node; else this is no node's /proc: {advice}"),
        ),
        Ok(processes) => Finding::ok(
            NAME,
            format!("{path} has processes of {} pods", processes.pods()),
        ),
        Err(error) => node.fail_for_pods(NAME, error.to_string(), advice),
    }]
}

/// Opens the namespace of the node's process 1, as pods' are opened, and does
/// nothing with it.
pub(super) fn namespaces_of_others(node: &Node) -> Vec<Finding> {
    const NAME: &str = "pods' namespaces";
    let path = node.proc.join("1/ns/net");
    let what = path.display();
    vec![match Netns::of_process(&node.proc, 1) {
        Ok(_) => Finding::ok(NAME, format!("{what} can be opened")),
        Err(error) if is_missing(&path) => {
            node.fail_for_pods(NAME, error.to_string(), "see proc: it is no node's")
        }
        Err(error) => node.fail_for_pods(
            NAME,
            error.to_string(),
            &format!(
                "{}; of AppArmor, see confinement",
                node.advice(&[Capability::SysPtrace])
            ),
        ),
    }]
}

fn is_missing(path: &Path) -> bool {
    matches!(fs::symlink_metadata(path), Err(error) if error.kind() == io::ErrorKind::NotFound)
}

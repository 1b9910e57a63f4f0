//! Which pod a process belongs to, by the text of its `/proc/PID/cgroup`.
//!
//! The kubelet makes one cgroup a pod, in two spellings
//! (pkg/kubelet/cm/pod_container_manager_linux.go `GetPodContainerName`,
//! cgroup_manager_linux.go `CgroupName.ToCgroupfs` and `ToSystemd`):
//!
//! | driver | path |
//! |---|---|
//! | cgroupfs | `[root/]kubepods[/burstable\|/besteffort]/pod<UID>/…` |
//! | systemd | `…/[root-]kubepods[-burstable\|-besteffort]-pod<UID, - as _>.slice/…` |
//!
//! Everything below a pod's cgroup is the pod's own doing, so the first such
//! component below `kubepods` decides, and what a Kubernetes inside of a pod
//! makes deeper down belongs to the outer pod.

use crate::model::pod::PodUid;

/// The pods that the paths in a `/proc/PID/cgroup` name, each once, in the
/// order of its lines (proc_cgroup_show in the kernel's kernel/cgroup/cgroup.c:
/// `hierarchy:controllers:path`, one line for each hierarchy; version 2 is the
/// line `0::path`). For a process that is no pod's: none. More than one only
/// if its hierarchies disagree.
#[must_use]
pub fn pods_of(proc_cgroup: &[u8]) -> Vec<PodUid> {
    let mut uids = Vec::new();
    for line in proc_cgroup.split(|&byte| byte == b'\n') {
        let uid = std::str::from_utf8(line)
            .ok()
            .and_then(|line| line.splitn(3, ':').nth(2))
            .and_then(pod_of_path);
        if let Some(uid) = uid
            && !uids.contains(&uid)
        {
            uids.push(uid);
        }
    }
    uids
}

/// The pod to which a cgroup path belongs.
#[must_use]
pub fn pod_of_path(path: &str) -> Option<PodUid> {
    // The kernel appends this to the path of a cgroup that was removed.
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    // A path outside of the reader's cgroup namespace begins with `/..`, and
    // then `kubepods` itself can lie above what is shown
    // (cgroup_path_ns_locked, kernfs_path_from_node).
    let mut below_kubepods = path.starts_with("/..");
    for component in path.split('/') {
        match classify(component) {
            Component::Pod(uid) => return Some(uid),
            Component::BarePod(uid) if below_kubepods => return Some(uid),
            Component::Kubepods => below_kubepods = true,
            Component::BarePod(_) | Component::Other => {}
        }
    }
    None
}

enum Component {
    /// `kubepods` or, with the systemd driver, a slice that ends in it.
    Kubepods,
    /// A pod's slice: its name has `kubepods` in it.
    Pod(PodUid),
    /// A pod's cgroup if it lies below `kubepods`.
    BarePod(PodUid),
    /// Neither.
    Other,
}

fn classify(component: &str) -> Component {
    if component == "kubepods" {
        return Component::Kubepods;
    }
    if let Some(uid) = component.strip_prefix("pod").and_then(parse_uid) {
        return Component::BarePod(uid);
    }
    // A runtime that is not told of the kubelet's systemd driver takes the
    // slice for a name: `kubepods-podUID.slice:cri-containerd:ID`.
    let slice = component
        .split_once(':')
        .map_or(component, |(slice, _)| slice);
    let Some(slice) = slice.strip_suffix(".slice") else {
        return Component::Other;
    };
    let mut parts = slice.split('-').skip_while(|&part| part != "kubepods");
    if parts.next().is_none() {
        return Component::Other;
    }
    parts
        .find_map(|part| part.strip_prefix("pod").and_then(parse_escaped_uid))
        .map_or(Component::Kubepods, Component::Pod)
}

fn parse_uid(text: &str) -> Option<PodUid> {
    PodUid::parse(text).ok()
}

/// `-` separates the levels of a slice's name, so the kubelet writes the UID's
/// own as `_` (`escapeSystemdCgroupName`).
fn parse_escaped_uid(text: &str) -> Option<PodUid> {
    if text.contains('-') {
        return None;
    }
    parse_uid(&text.replace('_', "-"))
}

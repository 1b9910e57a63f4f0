//! Which pod a process belongs to, by the paths of real nodes and by any bytes
//! at all.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use proptest::prelude::*;
use tap_userspace::engine::cgroup::{pod_of_path, pods_of};

const UID: &str = "8f0e9b3c-1d2a-4b5c-9d8e-7f6a5b4c3d2e";
const SLICE_UID: &str = "8f0e9b3c_1d2a_4b5c_9d8e_7f6a5b4c3d2e";
const INNER: &str = "11111111-2222-3333-4444-555555555555";
const HASH: &str = "0123456789abcdef0123456789abcdef";
const CONTAINER: &str = "a5d4e0c1f2b3a5d4e0c1f2b3a5d4e0c1f2b3a5d4e0c1f2b3a5d4e0c1f2b3a5d4";

fn pod(path: &str) -> Option<String> {
    pod_of_path(path).map(|uid| uid.to_string())
}

#[test]
fn cgroupfs_driver() {
    for path in [
        format!("/kubepods/pod{UID}/{CONTAINER}"),
        format!("/kubepods/burstable/pod{UID}/{CONTAINER}"),
        format!("/kubepods/besteffort/pod{UID}/{CONTAINER}"),
        format!("/kubepods/burstable/pod{UID}"),
        format!("/kubepods/burstable/pod{UID}/crio-{CONTAINER}"),
        format!("/n1/kubepods/burstable/pod{UID}/{CONTAINER}"),
        format!("/kubelet/kubepods/pod{UID}/{CONTAINER}"),
        format!("/docker/{CONTAINER}/kubelet/kubepods/besteffort/pod{UID}/{CONTAINER}"),
        format!("/kubepods/burstable/pod{UID} (deleted)"),
        format!("/kubepods/burstable/pod{UID}/{CONTAINER} (deleted)"),
    ] {
        assert_eq!(pod(&path).as_deref(), Some(UID), "{path}");
    }
}

#[test]
fn systemd_driver() {
    let slices = "kubepods.slice/kubepods-burstable.slice";
    for path in [
        format!(
            "/{slices}/kubepods-burstable-pod{SLICE_UID}.slice/cri-containerd-{CONTAINER}.scope"
        ),
        format!("/{slices}/kubepods-burstable-pod{SLICE_UID}.slice"),
        format!("/kubepods.slice/kubepods-pod{SLICE_UID}.slice/crio-{CONTAINER}.scope"),
        format!(
            "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/\
             kubelet-kubepods-besteffort-pod{SLICE_UID}.slice/cri-containerd-{CONTAINER}.scope"
        ),
        format!(
            "/system.slice/containerd.service/\
             kubepods-besteffort-pod{SLICE_UID}.slice:cri-containerd:{CONTAINER}"
        ),
    ] {
        assert_eq!(pod(&path).as_deref(), Some(UID), "{path}");
    }
}

#[test]
fn static_pods_have_a_hash() {
    for path in [
        format!("/kubepods/burstable/pod{HASH}/{CONTAINER}"),
        format!("/kubepods.slice/kubepods-pod{HASH}.slice/cri-containerd-{CONTAINER}.scope"),
    ] {
        assert_eq!(pod(&path).as_deref(), Some(HASH), "{path}");
    }
}

#[test]
fn the_outer_pod_owns_what_a_kubernetes_inside_of_it_makes() {
    for path in [
        format!("/kubepods/pod{UID}/{CONTAINER}/kubelet/kubepods/burstable/pod{INNER}/x"),
        format!("/kubepods/burstable/pod{UID}/{CONTAINER}/pod{INNER}"),
        format!(
            "/kubepods.slice/kubepods-pod{SLICE_UID}.slice/cri-containerd-{CONTAINER}.scope/\
             kubepods.slice/kubepods-pod{HASH}.slice/x"
        ),
        format!("/../../pod{UID}/{CONTAINER}/kubepods/pod{INNER}/x"),
    ] {
        assert_eq!(pod(&path).as_deref(), Some(UID), "{path}");
    }
}

#[test]
fn seen_from_within_a_cgroup_namespace() {
    for path in [
        format!("/../../pod{UID}/{CONTAINER}"),
        format!("/../../../burstable/pod{UID}/{CONTAINER}"),
        format!("/../../../../n2/kubepods/burstable/pod{UID}/{CONTAINER}"),
        format!("/../../kubepods-burstable-pod{SLICE_UID}.slice/cri-containerd-{CONTAINER}.scope"),
        format!("/../../../kubepods-pod{SLICE_UID}.slice/cri-containerd-{CONTAINER}.scope"),
    ] {
        assert_eq!(pod(&path).as_deref(), Some(UID), "{path}");
    }
}

#[test]
fn no_pods_processes() {
    for path in [
        "/",
        "",
        "/init.scope",
        "/system.slice/kubelet.service",
        "/kubepods",
        "/kubepods/burstable",
        "/kubepods.slice/kubepods-burstable.slice",
        "/kubepods/burstable/podman",
        "/../..",
        &format!("/user.slice/pod{UID}/x"),
        &format!("/pod{UID}/kubepods"),
        &format!("/machine.slice/x-pod{SLICE_UID}.slice"),
        &format!("/kubepods/pod{SLICE_UID}/x"),
        &format!("/kubepods/apod{UID}/x"),
        &format!("/kubepods/pod{UID}x/y"),
        &format!("/kubepods.slice/kubepods-pod{UID}.slice/x"),
    ] {
        assert_eq!(pod(path), None, "{path}");
    }
}

#[test]
fn whole_files() {
    let v2 = format!("0::/kubepods/burstable/pod{UID}/{CONTAINER}\n");
    let v1 = format!(
        "12:cpuset:/kubepods/burstable/pod{UID}/{CONTAINER}\n\
         4:cpu,cpuacct:/kubepods/burstable/pod{UID}/{CONTAINER}\n\
         1:name=systemd:/kubepods/burstable/pod{UID}/{CONTAINER}\n\
         0::/system.slice/containerd.service\n"
    );
    for text in [v2, v1] {
        let uids = pods_of(text.as_bytes());
        assert_eq!(
            uids.iter().map(|uid| uid.as_str()).collect::<Vec<_>>(),
            [UID]
        );
    }
    assert_eq!(pods_of(b"0::/init.scope\n"), []);
    assert_eq!(pods_of(b""), []);
    let two = format!("2:cpu:/kubepods/pod{UID}/x\n1:memory:/kubepods/pod{INNER}/x\n");
    assert_eq!(pods_of(two.as_bytes()).len(), 2);
}

#[test]
fn a_colon_in_a_path_ends_nothing() {
    let text = format!("0::/a:b/kubepods/pod{UID}/x:y\n");
    assert_eq!(pods_of(text.as_bytes()).len(), 1);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = pods_of(&bytes);
    }

    #[test]
    fn any_mix_of_the_words_is_read_without_a_panic(
        words in proptest::collection::vec(
            prop_oneof![
                Just("/"), Just("/.."), Just(":"), Just("-"), Just("_"), Just(".slice"),
                Just("kubepods"), Just("burstable"), Just("pod"), Just(UID), Just(SLICE_UID),
                Just(HASH), Just(" (deleted)"), Just("\n"), Just("0::"), Just("é"),
            ],
            0..40,
        ),
    ) {
        let _ = pods_of(words.concat().as_bytes());
    }

    #[test]
    fn whatever_lies_around_it_the_first_pod_wins(
        before in "(/[a-z0-9.]{1,12}){0,3}",
        after in "(/[a-z0-9:_.-]{1,40}){0,4}",
        driver in 0..3,
    ) {
        prop_assume!(!before.contains("pod"));
        let path = match driver {
            0 => format!("{before}/kubepods/pod{UID}{after}/pod{INNER}"),
            1 => format!("{before}/kubepods/besteffort/pod{UID}{after}/kubepods/pod{INNER}"),
            _ => format!("{before}/kubepods.slice/kubepods-pod{SLICE_UID}.slice{after}"),
        };
        let found = pod(&path);
        prop_assert_eq!(found.as_deref(), Some(UID), "{}", path);
    }
}

//! From a pod to its network namespace, over a `/proc` made for the test.
//! Where namespaces are needed, they are those of real processes, linked into
//! it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use tap_userspace::adapter::process::{NamespaceView, ProcDir, ProcessError};
use tap_userspace::model::pod::{Phase, Pod, PodKey, PodUid};
use tap_userspace::model::refusal::Refusal;
use tap_userspace::model::settings::Annotations;
use tempfile::TempDir;

const UID: &str = "8f0e9b3c-1d2a-4b5c-9d8e-7f6a5b4c3d2e";
const OTHER: &str = "11111111-2222-3333-4444-555555555555";
const IP: &str = "10.1.0.7";

fn pod() -> Pod {
    Pod {
        key: PodKey {
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
        },
        uid: uid(UID),
        static_hash: None,
        created_s: None,
        node: None,
        ips: vec![IP.parse().expect("an address")],
        host_network: false,
        phase: Phase::Running,
        deleting: false,
        tap_label: None,
        app_label: None,
        annotations: Annotations::default(),
    }
}

fn uid(text: &str) -> PodUid {
    PodUid::parse(text).expect("a UID")
}

fn add_process(proc: &Path, pid: u32, pod: Option<&str>) {
    let dir = proc.join(pid.to_string());
    fs::create_dir_all(dir.join("ns")).expect("made");
    let path = pod.map_or("/init.scope".to_owned(), |uid| {
        format!("/kubepods/pod{uid}/c")
    });
    fs::write(dir.join("cgroup"), format!("0::{path}\n")).expect("written");
}

fn link_netns(proc: &Path, pid: u32, real: u32) {
    let link = proc.join(format!("{pid}/ns/net"));
    symlink(format!("/proc/{real}/ns/net"), link).expect("linked");
}

fn no_namespace(_: &fs::File) -> io::Result<NamespaceView> {
    Err(io::Error::other("nobody should look"))
}

#[test]
fn a_scan_finds_every_pods_processes() {
    let proc = TempDir::new().expect("a directory");
    add_process(proc.path(), 1, None);
    for pid in [10, 11, 12] {
        add_process(proc.path(), pid, Some(UID));
    }
    add_process(proc.path(), 20, Some(OTHER));
    // Has vanished between the listing and the reading.
    fs::create_dir(proc.path().join("30")).expect("made");
    fs::create_dir(proc.path().join("sys")).expect("made");

    let processes = ProcDir::new(proc.path()).scan().expect("a scan");
    let mut pids = processes.of(&uid(UID)).to_vec();
    pids.sort_unstable();
    assert_eq!(pids, [10, 11, 12]);
    assert_eq!(processes.of(&uid(OTHER)), [20]);
    assert_eq!(processes.pods(), 2);
}

#[test]
fn no_such_directory_is_one_clear_line() {
    let error = ProcDir::new("/no/such/proc").scan().expect_err("none");
    assert_eq!(
        error.to_string(),
        "cannot read /no/such/proc: No such file or directory (os error 2)"
    );
}

#[test]
fn this_machines_own_proc_can_be_scanned() {
    ProcDir::new("/proc").scan().expect("a scan");
}

/// Processes that live in network namespaces of their own, one each.
struct Namespaces {
    children: Vec<Child>,
}

impl Namespaces {
    fn new(count: usize) -> Self {
        let spawn = |_| {
            Command::new("unshare")
                .args(["--net", "sleep", "60"])
                .spawn()
                .expect("unshare is there")
        };
        let namespaces = Self {
            children: (0..count).map(spawn).collect(),
        };
        let own = inode_of(std::process::id());
        let deadline = Instant::now() + Duration::from_secs(5);
        while (0..count).any(|at| namespaces.inode(at) == own) {
            assert!(Instant::now() < deadline, "unshare takes too long");
            #[expect(
                clippy::disallowed_methods,
                reason = "another program's work is polled for"
            )]
            std::thread::sleep(Duration::from_millis(5));
        }
        namespaces
    }

    fn pid(&self, at: usize) -> u32 {
        self.children.get(at).expect("a child").id()
    }

    fn inode(&self, at: usize) -> u64 {
        inode_of(self.pid(at))
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn inode_of(pid: u32) -> u64 {
    fs::metadata(format!("/proc/{pid}/ns/net"))
        .expect("a namespace")
        .ino()
}

fn view(ips: &[&str], has_other_interface: bool) -> NamespaceView {
    NamespaceView {
        ips: ips
            .iter()
            .map(|ip| ip.parse().expect("an address"))
            .collect(),
        has_other_interface,
    }
}

/// A `/proc` with the node's process 1, one of the pod in the node's
/// namespace, and one of the pod in each of the others.
fn proc_with(namespaces: &Namespaces) -> TempDir {
    let proc = TempDir::new().expect("a directory");
    let node = std::process::id();
    add_process(proc.path(), 1, None);
    link_netns(proc.path(), 1, node);
    add_process(proc.path(), 50, Some(UID));
    link_netns(proc.path(), 50, node);
    for (at, child) in namespaces.children.iter().enumerate() {
        // Two processes in each.
        for pid in [100, 200] {
            let pid = pid + u32::try_from(at).expect("few");
            add_process(proc.path(), pid, Some(UID));
            link_netns(proc.path(), pid, child.id());
        }
    }
    proc
}

fn find(namespaces: &Namespaces, views: &[NamespaceView]) -> Result<u64, ProcessError> {
    let proc = proc_with(namespaces);
    let proc = ProcDir::new(proc.path());
    let views: HashMap<u64, _> = views
        .iter()
        .enumerate()
        .map(|(at, view)| (namespaces.inode(at), view.clone()))
        .collect();
    let mut looked_at = Vec::new();
    let processes = proc.scan()?;
    let found = proc.pod_netns(&pod(), &processes, |file| {
        let inode = file.metadata()?.ino();
        assert!(!looked_at.contains(&inode), "each is looked into once");
        looked_at.push(inode);
        Ok(views.get(&inode).expect("the node's is left out").clone())
    })?;
    assert_eq!(found.file.metadata().expect("open").ino(), found.inode);
    assert!(processes.of(&uid(UID)).contains(&found.pid));
    Ok(found.inode)
}

#[test]
#[ignore = "needs root"]
fn root_the_namespace_with_the_pods_address_is_it() {
    let namespaces = Namespaces::new(2);
    let views = [
        view(&["127.0.0.1", "10.9.9.9"], true),
        view(&["127.0.0.1", IP], true),
    ];
    assert_eq!(
        find(&namespaces, &views).expect("found"),
        namespaces.inode(1)
    );
    let views = [view(&["fe80::1", IP], true), view(&[], true)];
    assert_eq!(
        find(&namespaces, &views).expect("found"),
        namespaces.inode(0)
    );
}

#[test]
#[ignore = "needs root"]
fn root_else_the_only_one_with_an_interface_is_it() {
    let namespaces = Namespaces::new(2);
    let views = [view(&["127.0.0.1"], false), view(&["fe80::1"], true)];
    assert_eq!(
        find(&namespaces, &views).expect("found"),
        namespaces.inode(1)
    );
}

#[test]
#[ignore = "needs root"]
fn root_several_that_could_be_it_are_refused() {
    let namespaces = Namespaces::new(2);
    for views in [
        [view(&["10.9.9.9"], true), view(&["10.9.9.8"], true)],
        [view(&[IP], true), view(&[IP], false)],
    ] {
        let error = find(&namespaces, &views).expect_err("ambiguous");
        assert!(
            matches!(error, ProcessError::Ambiguous { count: 2, .. }),
            "{error}"
        );
        assert_eq!(error.refusal(&pod()).reason(), "NetnsAmbiguous");
        assert!(!error.is_passing());
    }
}

#[test]
#[ignore = "needs root"]
fn root_none_that_could_be_it_is_refused() {
    let namespaces = Namespaces::new(1);
    let error = find(&namespaces, &[view(&["127.0.0.1"], false)]).expect_err("only lo");
    assert!(
        matches!(error, ProcessError::NoneFits { count: 1, .. }),
        "{error}"
    );
    assert_eq!(error.refusal(&pod()), Refusal::NetnsNotFound);
    assert!(error.is_passing());
    let error = find(&Namespaces::new(0), &[]).expect_err("the node's own alone");
    assert!(
        matches!(error, ProcessError::NoneFits { count: 0, .. }),
        "{error}"
    );
}

#[test]
#[ignore = "needs root"]
fn root_processes_that_changed_since_the_scan_do_not_count() {
    let namespaces = Namespaces::new(3);
    let dir = proc_with(&namespaces);
    let proc = ProcDir::new(dir.path());
    let processes = proc.scan().expect("a scan");
    let path = |pid: u32| dir.path().join(pid.to_string());
    for pid in [100, 200] {
        // Another pod's process has the number now.
        fs::write(
            path(pid).join("cgroup"),
            format!("0::/kubepods/pod{OTHER}/c\n"),
        )
        .expect("written");
    }
    for pid in [101, 201] {
        fs::remove_dir_all(path(pid)).expect("removed");
    }
    let found = proc
        .pod_netns(&pod(), &processes, |_| Ok(view(&[IP], true)))
        .expect("found");
    assert_eq!(found.inode, namespaces.inode(2));

    for pid in [50, 102, 202] {
        fs::remove_dir_all(path(pid)).expect("removed");
    }
    let error = proc
        .pod_netns(&pod(), &processes, no_namespace)
        .expect_err("gone");
    assert!(matches!(error, ProcessError::NoProcess { .. }), "{error}");
    assert!(error.is_passing());
}

#[test]
#[ignore = "needs root"]
fn root_a_static_pod_is_found_by_its_hash() {
    let hash = "0123456789abcdef0123456789abcdef";
    let namespaces = Namespaces::new(1);
    let dir = proc_with(&namespaces);
    add_process(dir.path(), 300, Some(hash));
    link_netns(dir.path(), 300, namespaces.pid(0));
    let proc = ProcDir::new(dir.path());
    let mut mirror = pod();
    mirror.uid = uid(OTHER);
    let processes = proc.scan().expect("a scan");
    let missing = proc.pod_netns(&mirror, &processes, no_namespace);
    assert!(matches!(missing, Err(ProcessError::NoProcess { .. })));
    mirror.static_hash = PodUid::parse(hash).ok();
    let found = proc.pod_netns(&mirror, &processes, |_| Ok(view(&[], true)));
    assert_eq!(found.expect("found").pid, 300);
}

//! Network namespaces without names: they go with their last descriptor, and
//! with them all that is in them, however the test ends.

use std::{
    fs::{self, File},
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    path::PathBuf,
    process::{Command, Output},
    sync::Once,
    thread,
};

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};
use tap_userspace::adapter::{
    link::{Link, Links},
    netns::Netns,
};

/// A network namespace of its own.
#[derive(Debug)]
pub struct TestNetns(File);

impl TestNetns {
    /// Makes one, with its loopback interface up.
    #[must_use]
    pub fn new() -> Self {
        first_runtime();
        let file = thread::spawn(|| {
            // SAFETY: only the network namespace of this short-lived thread
            // changes; no file descriptor or file system state is unshared.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.expect("unshare needs root");
            File::open("/proc/thread-self/ns/net").expect("this thread's namespace")
        })
        .join()
        .expect("the thread that makes a namespace");
        let this = Self(file);
        this.inside(|| {
            quiet_ipv6();
            crate::veth::Rtnetlink::open().set_up("lo");
        });
        this
    }

    /// Does something inside it, on a thread of its own. Sockets made there
    /// stay in the namespace.
    pub fn inside<T: Send>(&self, step: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            scope
                .spawn(|| {
                    move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network))
                        .expect("setns needs root");
                    step()
                })
                .join()
                .unwrap_or_else(|cause| std::panic::resume_unwind(cause))
        })
    }

    /// Runs a command in it to its end. Processes started from within
    /// [`TestNetns::inside`] live in the namespace.
    #[must_use]
    pub fn output(&self, program: &str, arguments: &[&str]) -> Output {
        self.inside(|| Command::new(program).args(arguments).output())
            .unwrap_or_else(|error| panic!("cannot run {program}: {error}"))
    }

    /// Runs `ip` or `tc` in it, as words in one text; panics unless that was a
    /// success. Returns what it printed.
    pub fn run(&self, command: &str) -> String {
        let mut words = command.split_whitespace();
        let program = words.next().expect("a program");
        let output = self.output(program, &words.collect::<Vec<_>>());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {stderr}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Sets one of its kernel parameters, by the path below /proc/sys/net.
    pub fn sysctl(&self, name: &str, value: &str) {
        let path = format!("/proc/sys/net/{name}");
        self.inside(|| fs::write(&path, value))
            .unwrap_or_else(|error| panic!("cannot set {path}: {error}"));
    }

    /// Its interfaces, as they are now.
    #[must_use]
    pub fn links(&self) -> Vec<Link> {
        self.inside(|| Links::open()?.list())
            .expect("the interfaces")
    }

    /// One of its interfaces, if it is there.
    #[must_use]
    pub fn link(&self, name: &str) -> Option<Link> {
        self.links().into_iter().find(|link| link.name == name)
    }

    /// It, as podtap opens one.
    #[must_use]
    pub fn open(&self) -> Netns {
        Netns::by_name_or_path(&self.path().to_string_lossy()).expect("the namespace")
    }

    /// A path that opens it, for other processes, as long as this lives.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd()).into()
    }
}

/// Interfaces made from now on in the calling thread's namespace look for no
/// router, and have reported their groups a moment after they are up: what then
/// passes was sent by a test.
fn quiet_ipv6() {
    for (name, value) in [
        ("accept_ra", "0"),
        ("dad_transmits", "0"),
        ("mldv1_unsolicited_report_interval", "1"),
        ("mldv2_unsolicited_report_interval", "1"),
    ] {
        // A kernel without IPv6 is quiet.
        let _ = fs::write(format!("/proc/sys/net/ipv6/conf/default/{name}"), value);
    }
}

/// The first tokio runtime of a process makes a pair of sockets for its signals
/// that it never closes: in a namespace of ours, they would keep it alive.
fn first_runtime() {
    static MADE: Once = Once::new();
    MADE.call_once(|| {
        tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .expect("a runtime");
    });
}

impl Default for TestNetns {
    fn default() -> Self {
        Self::new()
    }
}

impl AsFd for TestNetns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

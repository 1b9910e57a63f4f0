//! tcpdump on one interface: a packet socket that is not ours.

use std::path::PathBuf;

use tests::{CaptureFile, Running, TestNetns};

use crate::root::Root;

/// A tcpdump that runs.
#[derive(Debug)]
pub(crate) struct Recording {
    running: Running,
    file: PathBuf,
}

impl Recording {
    /// Records whole frames into `/corpus/NAME`.
    pub(crate) fn start(root: &Root, netns: &TestNetns, interface: &str, name: &str) -> Self {
        let mut command = root.command("tcpdump");
        command
            .args(["--interface", interface, "--snapshot-length", "0"])
            // Frames are not held back in blocks, which an end would lose.
            .args(["--immediate-mode", "--packet-buffered"])
            .args(["--buffer-size", "131072", "--relinquish-privileges=root"])
            .args(["-n", "-w", &format!("/corpus/{name}")]);
        Self {
            running: netns.inside(|| Running::start(&mut command, "listening on")),
            file: root.corpus().join(name),
        }
    }

    /// Ends it when it has a frame with these words; panics if it lost any.
    pub(crate) fn end_with(self, words: &str) {
        CaptureFile::wait_for(&self.file, words);
        let (success, log) = self.running.interrupt();
        assert!(success, "{log}");
        let nothing = "\n0 packets dropped by kernel";
        assert!(log.contains(nothing), "tcpdump lost frames: {log}");
    }
}

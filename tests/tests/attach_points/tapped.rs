//! A capture on a pod, from the pod's first packet to its last.

use tempfile::TempDir;
use tests::{CAPTURING, CaptureFile, ClosingLines, Running, VethEnd, capture_of};

/// A running capture on a pod's `eth0`.
pub(crate) struct Tapped<'a> {
    pod: &'a VethEnd,
    capture: Running,
    folder: TempDir,
}

impl<'a> Tapped<'a> {
    /// Starts it. The pod's `eth0` is still down: what it will have counted in
    /// the end is what the capture has to account for.
    pub(crate) fn start(pod: &'a VethEnd) -> Self {
        let carried = pod.link().counters;
        assert_eq!(carried.rx_packets + carried.tx_packets, 0, "{carried:?}");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE);
        Self {
            pod,
            capture: Running::start(capture_of(pod).arg("-w").arg(path), CAPTURING),
            folder,
        }
    }

    /// Sets the pod's `eth0` down and ends the capture. Panics unless each
    /// packet that the interface carried was seen once, and each frame that
    /// was made of them is in the file.
    pub(crate) fn end(self) -> CaptureFile {
        self.pod.netns.run("ip link set eth0 down");
        let carried = self.pod.link().counters;
        let (success, log) = self.capture.interrupt();
        assert!(success, "{log}");
        let closing = ClosingLines::parse(&log);
        closing.assert_nothing_lost();
        assert_eq!(
            closing.seen,
            carried.rx_packets + carried.tx_packets,
            "seen, and what the interface carried, {carried:?}:\n{log}"
        );
        // Or the path has none, and what was cut here was nothing.
        assert!(closing.frames > closing.seen, "no super-frame:\n{log}");
        let file = CaptureFile::read(&self.folder.path().join(FILE));
        assert_eq!(file.packets.len() as u64, closing.captured, "{log}");
        assert_eq!(file.packets.len() as u64, closing.frames, "{log}");
        file
    }
}

const FILE: &str = "capture.pcapng";

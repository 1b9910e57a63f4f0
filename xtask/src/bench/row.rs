//! What the pod's traffic is measured under: the table's rows.

use std::{path::PathBuf, process::Command};

use super::stage::{INTERFACE, Stage};

/// Size of tcpdump's buffer in KiB: as much as podtap's ring by default.
const TCPDUMP_BUFFER_KIB: &str = "65536";
/// Name of the tap that podtap writes to.
pub(super) const TAP: &str = "bench0";

/// One way to tap, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Row {
    /// Nobody taps. All ratios are to this one.
    Untapped,
    /// `tcpdump -w /dev/null` in the pod's namespace.
    Tcpdump,
    /// podtap to a tap interface, super-frames cut at `gso_size`.
    PodtapWire,
    /// podtap to a tap interface, super-frames cut to just below 9,000 bytes.
    PodtapJumbo,
    /// podtap to pcapng, /dev/null.
    PodtapPcapng,
    /// podtap attached, with its agent stopped (SIGSTOP): the programs run and
    /// copy nothing.
    PodtapAway,
    /// Another build of podtap, as [`Row::PodtapWire`].
    Against,
}

/// The programs that are measured.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// podtap.
    pub podtap: PathBuf,
    /// Another build of it, for [`Row::Against`].
    pub against: Option<PathBuf>,
}

impl Row {
    /// In the order in which they are measured and printed.
    pub const ALL: [Self; 7] = [
        Self::Untapped,
        Self::Tcpdump,
        Self::PodtapWire,
        Self::PodtapJumbo,
        Self::PodtapPcapng,
        Self::PodtapAway,
        Self::Against,
    ];

    /// As on the command line, in the table and in the JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Untapped => "untapped",
            Self::Tcpdump => "tcpdump",
            Self::PodtapWire => "wire",
            Self::PodtapJumbo => "jumbo",
            Self::PodtapPcapng => "pcapng",
            Self::PodtapAway => "agent-away",
            Self::Against => "against",
        }
    }

    /// What it is, in words.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Untapped => "nobody taps",
            Self::Tcpdump => "tcpdump -i eth0 -B 65536 -w /dev/null in the pod's namespace",
            Self::PodtapWire => "podtap to a tap, frames as on the wire",
            Self::PodtapJumbo => "podtap to a tap, frames of up to 9,000 bytes",
            Self::PodtapPcapng => "podtap to pcapng, -w /dev/null",
            Self::PodtapAway => "podtap attached, its agent stopped: nothing is copied",
            Self::Against => "the other podtap to a tap, frames as on the wire",
        }
    }

    /// Whether podtap does it.
    #[must_use]
    pub const fn is_podtap(self) -> bool {
        !matches!(self, Self::Untapped | Self::Tcpdump)
    }

    /// Whether packets reach a sink, so that one that does not is lost.
    pub(super) const fn copies(self) -> bool {
        !matches!(self, Self::Untapped | Self::PodtapAway)
    }

    /// The command that taps, and what it says on standard error when it does.
    pub(super) fn command(
        self,
        binaries: &Binaries,
        stage: &Stage,
    ) -> Option<(Command, &'static str)> {
        if self == Self::Untapped {
            return None;
        }
        if self == Self::Tcpdump {
            let mut command = Command::new("tcpdump");
            // Root's own: it would give up its rights, and the file with them.
            command.args(["-Z", "root", "-n", "-i", INTERFACE]);
            command.args(["-B", TCPDUMP_BUFFER_KIB, "-w", "/dev/null"]);
            return Some((command, "listening on"));
        }
        let binary = match self {
            Self::Against => binaries.against.as_ref()?,
            _ => &binaries.podtap,
        };
        let mut command = Command::new(binary);
        command.args(["capture", "--netns", &stage.pod.path(), "-i", INTERFACE]);
        match self {
            Self::PodtapPcapng => command.args(["-w", "/dev/null"]),
            Self::PodtapJumbo => command.args(["--tap", TAP, "--segment", "jumbo"]),
            _ => command.args(["--tap", TAP]),
        };
        Some((command, "capturing on"))
    }
}

//! Reading /proc: which processes are ours.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// One process that was alive a moment ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process(pub u32);

impl Process {
    /// All processes that this one may see.
    pub fn all() -> Vec<Self> {
        let Ok(entries) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Self))
            .collect()
    }

    /// The executable's path; nothing for kernel threads, zombies and the gone.
    pub fn executable(self) -> Option<PathBuf> {
        let path = fs::read_link(self.path("exe")).ok()?;
        // A binary that was built anew while it ran is still ours.
        let text = path.to_str()?;
        Some(PathBuf::from(
            text.strip_suffix(" (deleted)").unwrap_or(text),
        ))
    }

    /// The command line's words.
    pub fn arguments(self) -> Vec<String> {
        let bytes = fs::read(self.path("cmdline")).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        text.trim_end_matches('\0')
            .split('\0')
            .map(str::to_owned)
            .collect()
    }

    /// The identity of one of its namespaces, such as `pid:[4026531836]`.
    pub fn namespace(self, kind: &str) -> Option<PathBuf> {
        fs::read_link(self.path("ns").join(kind)).ok()
    }

    /// Its lines of /proc/PID/cgroup.
    pub fn cgroups(self) -> String {
        fs::read_to_string(self.path("cgroup")).unwrap_or_default()
    }

    /// Ended, though its parent may not have asked yet how.
    pub fn is_gone(self) -> bool {
        let Ok(stat) = fs::read_to_string(self.path("stat")) else {
            return true;
        };
        // The state follows the name, which is in parentheses and may hold any.
        stat.rsplit_once(") ")
            .is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
    }

    /// The process that has to ask how this one ended.
    pub fn parent(self) -> Option<Self> {
        let stat = fs::read_to_string(self.path("stat")).ok()?;
        // State and parent follow the name (proc_pid_stat(5), fields 3 and 4).
        let (_, rest) = stat.rsplit_once(") ")?;
        rest.split(' ').nth(1)?.parse().ok().map(Self)
    }

    /// Lets it go on if it was stopped; one that has ended, or a pid that no
    /// signal may be sent to, stays as it is.
    pub fn resume(self) {
        if let Ok(pid @ 2..) = i32::try_from(self.0) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGCONT);
        }
    }

    fn path(self, file: &str) -> PathBuf {
        Path::new("/proc").join(self.0.to_string()).join(file)
    }
}

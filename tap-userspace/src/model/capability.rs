//! What a process may do: the capabilities that podtap asks for.

use std::fmt;

/// One that podtap needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Load programs and make maps.
    Bpf,
    /// Attach to interfaces and make the tap.
    NetAdmin,
    /// Read the kernel's packet metadata.
    Perfmon,
    /// Enter network namespaces and make a bpf file system.
    SysAdmin,
    /// Read /proc/PID/ns of pods.
    SysPtrace,
    /// Lock memory for maps, where the kernel counts it as the process's own.
    SysResource,
}

/// A set of capabilities, a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities(u64);

impl Capability {
    /// Its bit, as include/uapi/linux/capability.h numbers them.
    #[must_use]
    pub const fn bit(self) -> u32 {
        match self {
            Self::NetAdmin => 12,
            Self::SysPtrace => 19,
            Self::SysAdmin => 21,
            Self::SysResource => 24,
            Self::Perfmon => 38,
            Self::Bpf => 39,
        }
    }

    /// Its name as a container's `securityContext` spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bpf => "BPF",
            Self::NetAdmin => "NET_ADMIN",
            Self::Perfmon => "PERFMON",
            Self::SysAdmin => "SYS_ADMIN",
            Self::SysPtrace => "SYS_PTRACE",
            Self::SysResource => "SYS_RESOURCE",
        }
    }
}

impl Capabilities {
    /// The effective ones, by the text of a `/proc/PID/status`: its line
    /// `CapEff`, 16 hex digits. `None` if there is no such line.
    #[must_use]
    pub fn effective(proc_status: &str) -> Option<Self> {
        let digits = proc_status
            .lines()
            .find_map(|line| line.strip_prefix("CapEff:"))?;
        u64::from_str_radix(digits.trim(), 16).ok().map(Self)
    }

    /// Whether this one is among them.
    #[must_use]
    pub const fn has(self, capability: Capability) -> bool {
        self.0 & (1 << capability.bit()) != 0
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::{Capabilities, Capability};

    const ALL: [Capability; 6] = [
        Capability::Bpf,
        Capability::NetAdmin,
        Capability::Perfmon,
        Capability::SysAdmin,
        Capability::SysPtrace,
        Capability::SysResource,
    ];

    fn held(cap_eff: &str) -> Vec<&'static str> {
        let text = format!(
            "Name:\tpodtap\nCapInh:\t{0:016x}\nCapEff:\t{cap_eff}\n",
            u64::MAX
        );
        let set = Capabilities::effective(&text).expect("a set");
        let held = ALL.into_iter().filter(|capability| set.has(*capability));
        held.map(Capability::name).collect()
    }

    #[test]
    fn the_effective_set_is_read_and_no_other() {
        assert_eq!(held("0000000000000000"), [""; 0]);
        assert_eq!(held("000001ffffffffff").len(), ALL.len());
        // `capsh --decode` says of it what Docker grants by default: none.
        assert_eq!(held("00000000a80425fb"), [""; 0]);
        // And of this one: what the manifests ask for.
        assert_eq!(
            held("000000c000281000"),
            ["BPF", "NET_ADMIN", "PERFMON", "SYS_ADMIN", "SYS_PTRACE"]
        );
        assert_eq!(held("0000000001000000"), ["SYS_RESOURCE"]);
    }

    #[test]
    fn a_text_without_a_set_has_none() {
        for text in ["", "CapPrm:\t00000000a80425fb\n", "CapEff:\tnone\n"] {
            assert_eq!(Capabilities::effective(text), None, "{text}");
        }
    }
}

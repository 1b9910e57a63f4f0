//! What a Linux security module calls this process.

/// How a process is confined, by the text of its `/proc/PID/attr/current`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confinement {
    /// By nothing.
    None,
    /// By an AppArmor profile: its name, and whether it forbids or only logs.
    AppArmor {
        /// The profile.
        profile: String,
        /// Whether what it does not allow is refused.
        enforced: bool,
    },
    /// By the type of an SELinux context.
    SeLinux {
        /// The type, such as `container_t`.
        kind: String,
    },
}

impl Confinement {
    /// Reads it. AppArmor writes `unconfined` or `PROFILE (MODE)`
    /// (`aa_label_snxprint` in security/apparmor/label.c), SELinux
    /// `USER:ROLE:TYPE[:LEVEL]`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        if let Some((profile, mode)) = text.rsplit_once(" (") {
            return Self::AppArmor {
                profile: profile.into(),
                enforced: !matches!(mode.trim_end_matches(')'), "complain" | "unconfined"),
            };
        }
        match text.split(':').collect::<Vec<_>>().as_slice() {
            [_, _, kind, ..] => Self::SeLinux {
                kind: (*kind).into(),
            },
            _ => Self::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Confinement;

    #[test]
    fn profiles_and_contexts_are_told_apart() {
        let profile = |profile: &str, enforced| Confinement::AppArmor {
            profile: profile.into(),
            enforced,
        };
        let kind = |kind: &str| Confinement::SeLinux { kind: kind.into() };
        for (text, confinement) in [
            ("unconfined\n", Confinement::None),
            ("", Confinement::None),
            ("kernel\0", Confinement::None),
            (
                "cri-containerd.apparmor.d (enforce)\n",
                profile("cri-containerd.apparmor.d", true),
            ),
            ("docker-default (kill)", profile("docker-default", true)),
            ("my (own) one (complain)\n", profile("my (own) one", false)),
            (
                "system_u:system_r:container_t:s0:c107,c940\0",
                kind("container_t"),
            ),
            (
                "unconfined_u:unconfined_r:unconfined_t:s0",
                kind("unconfined_t"),
            ),
        ] {
            assert_eq!(Confinement::parse(text), confinement, "{text}");
        }
    }
}

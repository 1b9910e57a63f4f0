//! A pod of this node, as far as podtap needs to know it.

use std::fmt;
use std::net::IpAddr;

use super::settings::Annotations;

/// Identity of a pod: an RFC 4122 text as the API server gives it, or the 32
/// hex digits that the kubelet gives to a static pod (`applyDefaults` in its
/// pkg/kubelet/config/common.go takes the MD5 of the manifest). Always in
/// lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PodUid(Box<str>);

/// A text that is no pod UID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no pod UID: neither an RFC 4122 text nor 32 hex digits")]
pub struct PodUidError(String);

impl PodUid {
    /// Reads a UID, in either case.
    ///
    /// # Errors
    /// When it is neither an RFC 4122 text nor 32 hex digits.
    pub fn parse(text: &str) -> Result<Self, PodUidError> {
        if is_rfc4122(text) || is_static_hash(text) {
            Ok(Self(text.to_ascii_lowercase().into_boxed_str()))
        } else {
            Err(PodUidError(text.chars().take(64).collect()))
        }
    }

    /// The UID as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PodUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether this is a static pod's UID as the kubelet makes it: 32 hex digits.
#[must_use]
pub fn is_static_hash(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_rfc4122(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Name of a pod. One name can belong to many pods, one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PodKey {
    /// Namespace.
    pub namespace: String,
    /// Name within it.
    pub name: String,
}

impl fmt::Display for PodKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// How far a pod has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not all of its containers were started yet; its network may be up.
    Pending,
    /// It runs, or its node was not heard of lately.
    Running,
    /// All of its containers ended and none will start again: phases
    /// `Succeeded` and `Failed`.
    Finished,
}

/// A pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Namespace and name.
    pub key: PodKey,
    /// The UID that the API server gave.
    pub uid: PodUid,
    /// Of a static pod's mirror: the UID by which the kubelet knows it, and
    /// names its cgroup.
    pub static_hash: Option<PodUid>,
    /// When it was made, seconds since the Unix epoch: all that the API has.
    pub created_s: Option<i64>,
    /// The node it is bound to.
    pub node: Option<String>,
    /// Its addresses, as far as its status knows them.
    pub ips: Vec<IpAddr>,
    /// Whether it lives in its node's network namespace.
    pub host_network: bool,
    /// How far it has come.
    pub phase: Phase,
    /// Whether its deletion was asked for. It may run on for its grace period
    /// and longer, and is tapped as long as it does.
    pub deleting: bool,
    /// Value of its label `podtap.dev/tap`.
    pub tap_label: Option<String>,
    /// Value of its label `app.kubernetes.io/name`.
    pub app_label: Option<String>,
    /// Its annotations that podtap heeds.
    pub annotations: Annotations,
}

impl Pod {
    /// The UID in the names of this pod's cgroups.
    #[must_use]
    pub fn cgroup_uid(&self) -> &PodUid {
        self.static_hash.as_ref().unwrap_or(&self.uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_kinds_of_uid_are_taken_and_lowered() {
        let uid = PodUid::parse("8F0E9B3C-1D2A-4b5c-9d8e-7f6a5b4c3d2e").map(|uid| uid.to_string());
        assert_eq!(uid.as_deref(), Ok("8f0e9b3c-1d2a-4b5c-9d8e-7f6a5b4c3d2e"));
        let hash = "0123456789abcdef0123456789ABCDEF";
        assert_eq!(
            PodUid::parse(hash).map(|uid| uid.to_string()),
            Ok(hash.to_lowercase())
        );
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "8f0e9b3c-1d2a-4b5c-9d8e-7f6a5b4c3d2",
            "8f0e9b3c-1d2a-4b5c-9d8e-7f6a5b4c3d2e0",
            "8f0e9b3c_1d2a_4b5c_9d8e_7f6a5b4c3d2e",
            "8f0e9b3c-1d2a-4b5c-9d8e-7f6a5b4c3d2g",
            "0123456789abcdef0123456789abcde",
            "../../../../../../../../../../etc",
        ] {
            assert!(PodUid::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,80}") {
            if let Ok(uid) = PodUid::parse(&text) {
                prop_assert_eq!(PodUid::parse(uid.as_str()), Ok(uid));
            }
        }
    }
}

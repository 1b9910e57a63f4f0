//! Why a pod that someone asked for is not tapped.

use std::{net::IpAddr, time::Duration};

use super::{bit_rate::BitRate, scaled::scaled};

/// A reason. Its text is one line for the pod's owner: what is wrong, and
/// where there is something to do, what.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `spec.hostNetwork`.
    #[error(
        "the pod uses its node's network (hostNetwork: true): tapping it would tap the whole node"
    )]
    HostNetwork,
    /// One of podtap's.
    #[error("this is one of podtap's own pods: tapping it would mirror the mirrored traffic")]
    OwnPod,
    /// A value that podtap does not know.
    #[error("the pod's label podtap.dev/tap is {value:?}: set it to \"true\" or \"false\"")]
    UnknownPodLabel {
        /// The label's value.
        value: String,
    },
    /// A value that podtap does not know.
    #[error(
        "the label podtap.dev/tap of namespace {namespace} is {value:?}: set it to \"true\", \
         \"false\" or \"enforced\", or give the pod a label of its own"
    )]
    UnknownNamespaceLabel {
        /// The namespace.
        namespace: String,
        /// The label's value.
        value: String,
    },
    /// An annotation of the pod that means nothing.
    #[error("the pod's annotation {annotation} is {value:?}: {what}")]
    BadAnnotation {
        /// Its name.
        annotation: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        what: String,
    },
    /// An annotation of the pod's namespace that means nothing, and that the
    /// pod has none of its own for.
    #[error("the annotation {annotation} of the pod's namespace {namespace} is {value:?}: {what}")]
    BadNamespaceAnnotation {
        /// The namespace.
        namespace: String,
        /// The annotation's name.
        annotation: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        what: String,
    },
    /// No process of the pod has a namespace that can be its own.
    #[error("no network namespace of the pod was found on its node")]
    NetnsNotFound,
    /// More than one namespace could be the pod's.
    #[error(
        "{count} network namespaces of the pod's processes could be its own (addresses: {}): \
         a process must have made one for itself", list(.ips)
    )]
    NetnsAmbiguous {
        /// How many.
        count: usize,
        /// The pod's addresses as its status says them.
        ips: Vec<IpAddr>,
    },
    /// The kernel side could not be attached.
    #[error("the tap could not be attached: {what}")]
    AttachFailed {
        /// The failed operation and its error.
        what: String,
    },
    /// The node has as many targets as it may.
    #[error(
        "this node taps at most {max_targets} interfaces (--max-targets), and pods that are older \
         or of enforced namespaces come first: there is no room for {interfaces} more"
    )]
    TargetLimit {
        /// The limit.
        max_targets: usize,
        /// How many the pod needs, as far as that is known.
        interfaces: usize,
    },
    /// The node's targets carried more than they may.
    #[error(
        "the tapped pods of this node carried {}bit/s, where at most {max} are to be tapped \
         (--max-rate): the newest makes room, and is tried again after {} minutes",
        scaled(*.seen_bits_per_s), RATE_HOLD.as_secs() / 60
    )]
    RateLimit {
        /// The limit.
        max: BitRate,
        /// What was seen, in bits a second.
        seen_bits_per_s: u64,
    },
}

/// For how long a pod is not tapped that had to make room for
/// [`Refusal::RateLimit`].
pub const RATE_HOLD: Duration = Duration::from_secs(5 * 60);

impl Refusal {
    /// Every [`Refusal::metric_name`].
    pub const METRIC_NAMES: [&str; 11] = [
        "host_network",
        "own_pod",
        "unknown_pod_label",
        "unknown_namespace_label",
        "bad_annotation",
        "bad_namespace_annotation",
        "netns_not_found",
        "netns_ambiguous",
        "attach_failed",
        "target_limit",
        "rate_limit",
    ];

    /// A stable name in CamelCase, for Events and `status`.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::HostNetwork => "HostNetwork",
            Self::OwnPod => "OwnPod",
            Self::UnknownPodLabel { .. } => "UnknownPodLabel",
            Self::UnknownNamespaceLabel { .. } => "UnknownNamespaceLabel",
            Self::BadAnnotation { .. } => "BadAnnotation",
            Self::BadNamespaceAnnotation { .. } => "BadNamespaceAnnotation",
            Self::NetnsNotFound => "NetnsNotFound",
            Self::NetnsAmbiguous { .. } => "NetnsAmbiguous",
            Self::AttachFailed { .. } => "AttachFailed",
            Self::TargetLimit { .. } => "TargetLimit",
            Self::RateLimit { .. } => "RateLimit",
        }
    }

    /// The same name as a value of a metric's label.
    #[must_use]
    pub const fn metric_name(&self) -> &'static str {
        match self {
            Self::HostNetwork => "host_network",
            Self::OwnPod => "own_pod",
            Self::UnknownPodLabel { .. } => "unknown_pod_label",
            Self::UnknownNamespaceLabel { .. } => "unknown_namespace_label",
            Self::BadAnnotation { .. } => "bad_annotation",
            Self::BadNamespaceAnnotation { .. } => "bad_namespace_annotation",
            Self::NetnsNotFound => "netns_not_found",
            Self::NetnsAmbiguous { .. } => "netns_ambiguous",
            Self::AttachFailed { .. } => "attach_failed",
            Self::TargetLimit { .. } => "target_limit",
            Self::RateLimit { .. } => "rate_limit",
        }
    }
}

fn list(ips: &[IpAddr]) -> String {
    if ips.is_empty() {
        return "none known".to_owned();
    }
    let texts: Vec<_> = ips.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

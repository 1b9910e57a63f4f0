//! Who is tapped: the label `podtap.dev/tap` on a pod or its namespace.

use std::sync::Arc;

use super::pod::{Phase, Pod, PodUid};
use super::refusal::Refusal;
use super::settings::{Annotations, Settings};

/// The label that opts a pod, or a namespace's pods, in or out.
pub const TAP_LABEL: &str = "podtap.dev/tap";
/// The label by which podtap's own pods are known, in podtap's own namespace.
pub const APP_LABEL: &str = "app.kubernetes.io/name";
/// The value of [`APP_LABEL`] that they have.
pub const APP_NAME: &str = "podtap";

/// The value of [`TAP_LABEL`] by which a namespace takes its pods the choice.
const ENFORCED: &str = "enforced";

/// What is to become of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Someone asked for it and nothing speaks against it.
    Tapped(Settings),
    /// Nobody asked, someone said no, or it has finished.
    NotTapped,
    /// Someone asked, and it cannot or must not be.
    Refused(Refusal),
}

/// A pod and what is to become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredPod {
    /// The pod.
    pub pod: Arc<Pod>,
    /// What is to become of it.
    pub wanted: Wanted,
    /// Whether its namespace takes it the choice.
    pub is_enforced: bool,
}

impl DesiredPod {
    /// Who comes first where there is not room for all: pods of enforced
    /// namespaces, then the older one. The UID decides among those of one
    /// second, so that each agent decides the same.
    #[must_use]
    pub fn rank(&self) -> impl Ord + use<'_> {
        (!self.is_enforced, self.pod.created_s, &self.pod.uid)
    }
}

/// What a namespace says about its pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// Value of its label [`TAP_LABEL`].
    pub tap_label: Option<String>,
    /// Its annotations that podtap heeds: defaults for its pods.
    pub annotations: Annotations,
}

/// By what podtap knows its own pods, which it never taps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// The namespace podtap itself runs in.
    pub namespace: Option<String>,
    /// The UID of the agent's own pod.
    pub uid: Option<PodUid>,
}

impl Own {
    fn is(&self, pod: &Pod) -> bool {
        self.uid.as_ref() == Some(&pod.uid)
            || (self.namespace.as_deref() == Some(&pod.key.namespace)
                && pod.app_label.as_deref() == Some(APP_NAME))
    }
}

impl Namespace {
    /// Whether it takes its pods the choice.
    #[must_use]
    pub fn is_enforced(&self) -> bool {
        self.tap_label.as_deref() == Some(ENFORCED)
    }
}

/// Decides on one pod of a namespace.
///
/// The pod's own label wins over its namespace's, and each of its annotations
/// over the namespace's of that name. Unless the namespace says `enforced`:
/// then no label of the pod can take it out, and no annotation change how it
/// is tapped; the namespace's own hold. A pod whose settings mean nothing is
/// not tapped with defaults: it is refused.
#[must_use]
pub fn wanted(pod: &Pod, namespace: &Namespace, own: &Own) -> Wanted {
    if pod.phase == Phase::Finished {
        return Wanted::NotTapped;
    }
    match asked(pod, namespace) {
        Ok(false) => Wanted::NotTapped,
        Err(refusal) => Wanted::Refused(refusal),
        Ok(true) if own.is(pod) => Wanted::Refused(Refusal::OwnPod),
        Ok(true) if pod.host_network => Wanted::Refused(Refusal::HostNetwork),
        Ok(true) if namespace.is_enforced() => {
            Wanted::Tapped(Settings::enforced(&namespace.annotations))
        }
        Ok(true) => {
            let name = &pod.key.namespace;
            match Settings::of(&pod.annotations, &namespace.annotations, name) {
                Ok(settings) => Wanted::Tapped(settings),
                Err(refusal) => Wanted::Refused(refusal),
            }
        }
    }
}

/// Whether anyone asked for this pod to be tapped.
fn asked(pod: &Pod, namespace: &Namespace) -> Result<bool, Refusal> {
    if namespace.is_enforced() {
        return Ok(true);
    }
    match (pod.tap_label.as_deref(), namespace.tap_label.as_deref()) {
        (Some("true"), _) | (None, Some("true")) => Ok(true),
        (Some("false"), _) | (None, Some("false") | None) => Ok(false),
        (Some(value), _) => Err(Refusal::UnknownPodLabel {
            value: value.to_owned(),
        }),
        (None, Some(value)) => Err(Refusal::UnknownNamespaceLabel {
            namespace: pod.key.namespace.clone(),
            value: value.to_owned(),
        }),
    }
}

//! From the API's pod to podtap's.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as api;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::model::opt_in::{APP_LABEL, Namespace, TAP_LABEL};
use crate::model::pod::{Phase, Pod, PodKey, PodUid, PodUidError, is_static_hash};
use crate::model::settings::{
    Annotations, DIRECTION_ANNOTATION, INTERFACES_ANNOTATION, SEGMENT_ANNOTATION,
};

/// Annotation of a static pod and of its mirror: the static pod's UID
/// (`ConfigHashAnnotationKey` in the kubelet's pkg/kubelet/types/pod_update.go).
const CONFIG_HASH: &str = "kubernetes.io/config.hash";
/// Annotation of a mirror pod alone (`MirrorPodAnnotationKey` in
/// k8s.io/api/core/v1). It cannot be added to a pod that exists
/// (`ValidatePodSpecificAnnotationUpdates` in pkg/apis/core/validation).
const CONFIG_MIRROR: &str = "kubernetes.io/config.mirror";

/// Why an object of the API is no pod for us.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The API server gives each pod all three.
    #[error("a pod without {0}")]
    Missing(&'static str),
    /// It names no cgroup.
    #[error("pod {key}: {source}")]
    Uid {
        /// The pod.
        key: PodKey,
        /// What is wrong with its UID.
        source: PodUidError,
    },
}

/// Takes from a pod what podtap needs.
///
/// # Errors
/// When it has no name, no namespace, or no UID that a pod can have.
pub fn pod_from_api(pod: api::Pod) -> Result<Pod, ConvertError> {
    let metadata = pod.metadata;
    let key = PodKey {
        namespace: metadata
            .namespace
            .ok_or(ConvertError::Missing("a namespace"))?,
        name: metadata.name.ok_or(ConvertError::Missing("a name"))?,
    };
    let uid = metadata.uid.ok_or(ConvertError::Missing("a UID"))?;
    let uid = PodUid::parse(&uid).map_err(|source| ConvertError::Uid {
        key: key.clone(),
        source,
    })?;
    let annotations = metadata.annotations.unwrap_or_default();
    let mut labels = metadata.labels.unwrap_or_default();
    let spec = pod.spec.unwrap_or_default();
    let status = pod.status.unwrap_or_default();
    Ok(Pod {
        key,
        uid,
        // Anyone can write the hash on any pod of theirs.
        static_hash: annotations
            .get(CONFIG_HASH)
            .filter(|hash| annotations.contains_key(CONFIG_MIRROR) && is_static_hash(hash))
            .and_then(|hash| PodUid::parse(hash).ok()),
        created_s: metadata
            .creation_timestamp
            .map(|created| created.0.as_second()),
        node: spec.node_name,
        host_network: spec.host_network.unwrap_or_default(),
        phase: phase(status.phase.as_deref()),
        deleting: metadata.deletion_timestamp.is_some(),
        tap_label: labels.remove(TAP_LABEL),
        app_label: labels.remove(APP_LABEL),
        annotations: heeded(annotations),
        // podIP is the first of podIPs (PodStatus in k8s.io/api/core/v1).
        ips: status
            .pod_ips
            .unwrap_or_default()
            .iter()
            .map(|ip| ip.ip.as_str())
            .chain(status.pod_ip.as_deref())
            .filter_map(|ip| ip.parse().ok())
            .fold(Vec::new(), |mut ips, ip| {
                if !ips.contains(&ip) {
                    ips.push(ip);
                }
                ips
            }),
    })
}

/// A namespace's name, and what it says about its pods. `None` for an object
/// without a name, which the API server does not give.
pub(super) fn namespace_from_api(metadata: ObjectMeta) -> Option<(String, Namespace)> {
    let mut labels = metadata.labels.unwrap_or_default();
    let namespace = Namespace {
        tap_label: labels.remove(TAP_LABEL),
        annotations: heeded(metadata.annotations.unwrap_or_default()),
    };
    Some((metadata.name?, namespace))
}

fn heeded(mut annotations: BTreeMap<String, String>) -> Annotations {
    Annotations {
        direction: annotations.remove(DIRECTION_ANNOTATION),
        segment: annotations.remove(SEGMENT_ANNOTATION),
        interfaces: annotations.remove(INTERFACES_ANNOTATION),
    }
}

fn phase(phase: Option<&str>) -> Phase {
    match phase {
        Some("Succeeded" | "Failed") => Phase::Finished,
        Some("Running" | "Unknown") => Phase::Running,
        _ => Phase::Pending,
    }
}

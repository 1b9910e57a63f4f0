//! One pod, asked for once.

use k8s_openapi::api::core::v1 as api;
use kube::{Api, Client};

use super::convert::{ConvertError, pod_from_api};
use super::error_text::one_line;
use crate::model::pod::{Pod, PodKey};

/// Why there is no such pod to be had.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// The API server knows no such pod.
    #[error("no pod {0}")]
    NotFound(PodKey),
    /// Not with these credentials.
    #[error("pod {key} cannot be asked for: {reason}")]
    Forbidden {
        /// The pod.
        key: PodKey,
        /// The API server's own words.
        reason: String,
    },
    /// Anything else.
    #[error("pod {key} could not be asked for: {reason}")]
    Failed {
        /// The pod.
        key: PodKey,
        /// What went wrong.
        reason: String,
    },
    /// The answer is no pod.
    #[error("the API server's answer makes no sense: {0}")]
    Unusable(#[from] ConvertError),
}

/// Asks for a pod by its name. Whether it is on this node is for the caller
/// to see, by [`Pod::node`].
///
/// # Errors
/// When there is none, or it cannot be asked for.
pub async fn find_pod(client: &Client, namespace: &str, name: &str) -> Result<Pod, LookupError> {
    let key = || PodKey {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    let pods: Api<api::Pod> = Api::namespaced(client.clone(), namespace);
    match pods.get(name).await {
        Ok(pod) => Ok(pod_from_api(pod)?),
        Err(kube::Error::Api(status)) if status.code == 404 => Err(LookupError::NotFound(key())),
        Err(error @ kube::Error::Api(_)) if is_forbidden(&error) => Err(LookupError::Forbidden {
            key: key(),
            reason: one_line(&error),
        }),
        Err(error) => Err(LookupError::Failed {
            key: key(),
            reason: one_line(&error),
        }),
    }
}

fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 401 | 403))
}

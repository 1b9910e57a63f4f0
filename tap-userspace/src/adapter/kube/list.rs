//! The pods of a node and the namespaces' labels, asked for once.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as api;
use kube::api::ListParams;
use kube::{Api, Client};

use super::convert::{namespace_from_api, pod_from_api};
use super::error_text::one_line;
use crate::model::opt_in::Namespace;
use crate::model::pod::Pod;

/// Which pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodSelection {
    /// Those that are bound to this node.
    pub node: String,
    /// Of these, those of one namespace.
    pub namespace: Option<String>,
    /// And of these, those with such labels: a selector as kubectl takes it.
    pub labels: Option<String>,
}

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The API server calls the request a bad one.
    #[error("the API server makes no sense of the label selector {selector:?}: {reason}")]
    Selector {
        /// What was asked for.
        selector: String,
        /// The API server's own words.
        reason: String,
    },
    /// Anything else.
    #[error("the {what} cannot be listed: {reason}")]
    Failed {
        /// What was to be listed.
        what: &'static str,
        /// What went wrong.
        reason: String,
    },
}

/// Lists pods. One that is none for podtap is logged and left out.
///
/// # Errors
/// When it cannot be asked for, or the selector means nothing.
pub async fn list_pods(client: &Client, selection: &PodSelection) -> Result<Vec<Pod>, ListError> {
    let pods = pods_api(client, selection);
    let pods = pods.list(&parameters(selection)).await;
    let pods = pods.map_err(|error| failed(&error, selection))?;
    let read = |pod| match pod_from_api(pod) {
        Ok(pod) => Some(pod),
        Err(error) => {
            tracing::warn!(%error, "pod from the API left out");
            None
        }
    };
    Ok(pods.items.into_iter().filter_map(read).collect())
}

/// Whether there is any such pod; asks for one at most.
///
/// # Errors
/// As [`list_pods`].
pub async fn has_pods(client: &Client, selection: &PodSelection) -> Result<bool, ListError> {
    let pods = pods_api(client, selection);
    let pods = pods.list_metadata(&parameters(selection).limit(1)).await;
    let pods = pods.map_err(|error| failed(&error, selection))?;
    Ok(!pods.items.is_empty())
}

/// What each namespace says about its pods, by name.
///
/// # Errors
/// When they cannot be asked for.
pub async fn list_namespaces(client: &Client) -> Result<BTreeMap<String, Namespace>, ListError> {
    let namespaces: Api<api::Namespace> = Api::all(client.clone());
    let namespaces = namespaces.list_metadata(&ListParams::default()).await;
    let namespaces = namespaces.map_err(|error| ListError::Failed {
        what: "namespaces",
        reason: one_line(&error),
    })?;
    let items = namespaces.items.into_iter();
    Ok(items
        .filter_map(|found| namespace_from_api(found.metadata))
        .collect())
}

fn pods_api(client: &Client, selection: &PodSelection) -> Api<api::Pod> {
    match &selection.namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

fn parameters(selection: &PodSelection) -> ListParams {
    let parameters = ListParams::default().fields(&format!("spec.nodeName={}", selection.node));
    match &selection.labels {
        Some(labels) => parameters.labels(labels),
        None => parameters,
    }
}

fn failed(error: &kube::Error, selection: &PodSelection) -> ListError {
    let reason = one_line(error);
    match (error, &selection.labels) {
        (kube::Error::Api(status), Some(selector)) if status.code == 400 => ListError::Selector {
            selector: selector.clone(),
            reason,
        },
        _ => ListError::Failed {
            what: "pods",
            reason,
        },
    }
}

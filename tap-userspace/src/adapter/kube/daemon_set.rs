//! Whether the DaemonSet that an agent belongs to stays.

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};

use super::error_text::one_line;

/// Why it does not stay, or why that is not known.
#[derive(Debug, thiserror::Error)]
pub enum DaemonSetError {
    /// It is gone, or goes.
    #[error("the DaemonSet {namespace}/{name} is being deleted")]
    Deleted {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Its namespace goes, and it with it.
    #[error("the namespace {0} is being deleted")]
    NamespaceDeleted(String),
    /// The API server does not say.
    #[error("the API server does not say whether the DaemonSet stays: {0}")]
    Unknown(String),
}

/// Asks whether a DaemonSet stays: it is there, and neither it nor its
/// namespace is being deleted.
///
/// # Errors
/// When it does not, or the API server does not say.
pub async fn daemon_set_stays(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<(), DaemonSetError> {
    let unknown = |error: kube::Error| DaemonSetError::Unknown(one_line(&error));
    let deleted = || DaemonSetError::Deleted {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    let sets: Api<DaemonSet> = Api::namespaced(client.clone(), namespace);
    let set = match sets.get_metadata_opt(name).await.map_err(unknown)? {
        Some(set) => set,
        None => return Err(deleted()),
    };
    if set.metadata.deletion_timestamp.is_some() {
        return Err(deleted());
    }
    // The agent may list namespaces, and get none by its name.
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let by_name = ListParams::default().fields(&format!("metadata.name={namespace}"));
    let found = namespaces.list_metadata(&by_name).await.map_err(unknown)?;
    let stays = |found: &kube::api::PartialObjectMeta<Namespace>| {
        found.name_any() == namespace && found.metadata.deletion_timestamp.is_none()
    };
    if found.items.iter().any(stays) {
        Ok(())
    } else {
        Err(DaemonSetError::NamespaceDeleted(namespace.to_owned()))
    }
}

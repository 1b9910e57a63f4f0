//! Whether the API server lets us do something, asked without doing it.

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};

use super::error_text::one_line;

/// Something to do with all objects of a kind, in all namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// `list`, `watch`, `create` and so on.
    pub verb: &'static str,
    /// The kind's API group; empty for the core group.
    pub group: &'static str,
    /// The kind's plural.
    pub resource: &'static str,
}

/// The API server would not say.
#[derive(Debug, thiserror::Error)]
#[error("the API server does not say what is allowed: {0}")]
pub struct AccessError(String);

/// Asks, by a SelfSubjectAccessReview, which every user may make
/// (`system:basic-user`).
///
/// # Errors
/// When there is no answer.
pub async fn is_allowed(client: &Client, access: Access) -> Result<bool, AccessError> {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                verb: Some(access.verb.into()),
                group: Some(access.group.into()),
                resource: Some(access.resource.into()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let answer = reviews.create(&PostParams::default(), &review).await;
    let answer = answer.map_err(|error| AccessError(one_line(&error)))?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

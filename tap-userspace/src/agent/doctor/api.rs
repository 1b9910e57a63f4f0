//! What the API server lets us do.

use std::{path::PathBuf, time::Duration};

use ::kube::Client;
use tokio::time::timeout;

use crate::{
    adapter::kube::{
        Access, ClientError, PodSelection, client, has_pods, is_allowed, list_namespaces,
    },
    model::finding::Finding,
};

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(10);

const GRANT: &str = "apply the ClusterRole podtap-agent of manifests/base/rbac.yaml and bind it to \
                     the agent's service account";

/// Checks the way to the API server, and each right that the agent has there.
/// `node` is this node's name in Kubernetes. Each question ends within 10 s.
pub async fn examine_api(kubeconfig: Option<PathBuf>, node: &str) -> Vec<Finding> {
    const NAME: &str = "API server";
    let client = match timeout(PATIENCE, client(kubeconfig)).await {
        Ok(Ok(client)) => client,
        Ok(Err(error)) => return vec![Finding::fail(NAME, error.to_string(), advice(&error))],
        Err(_) => {
            let found = format!("no client within {} s", PATIENCE.as_secs());
            return vec![Finding::fail(
                NAME,
                found,
                "look at the credentials' plugin",
            )];
        }
    };
    vec![
        Finding::ok(NAME, "answers"),
        pods(&client, node).await,
        namespaces(&client).await,
        events(&client).await,
    ]
}

fn advice(error: &ClientError) -> &'static str {
    match error {
        ClientError::Kubeconfig { .. } | ClientError::DefaultKubeconfig { .. } => {
            "name a kubeconfig with --kubeconfig, or leave the API server out with --no-api"
        }
        ClientError::InCluster { .. } => {
            "mount the service account's token into the agent's container, as manifests/base does"
        }
        ClientError::Unreachable { .. } => {
            "look whether the node reaches it: network policies for podtap's namespace, a \
             firewall, DNS"
        }
        ClientError::Setup { .. } | ClientError::Refused { .. } => {
            "look at the credentials: is the service account there, its token not expired?"
        }
    }
}

async fn pods(client: &Client, node: &str) -> Finding {
    const NAME: &str = "API: pods";
    let of_node = PodSelection {
        node: node.into(),
        ..PodSelection::default()
    };
    match answer(has_pods(client, &of_node)).await {
        Err(found) => Finding::fail(NAME, found, GRANT),
        Ok(false) => Finding::warn(
            NAME,
            format!("can be listed, and none is on the node {node}"),
            "is this the node's name in Kubernetes? Else name it with --node",
        ),
        Ok(true) => {
            let found = format!("those of the node {node} can be listed");
            watched(client, NAME, "pods", found).await
        }
    }
}

async fn namespaces(client: &Client) -> Finding {
    const NAME: &str = "API: namespaces";
    match answer(list_namespaces(client)).await {
        Err(found) => Finding::fail(NAME, found, GRANT),
        Ok(_) => watched(client, NAME, "namespaces", "can be listed".into()).await,
    }
}

async fn watched(
    client: &Client,
    name: &'static str,
    resource: &'static str,
    listed: String,
) -> Finding {
    let access = Access {
        verb: "watch",
        group: "",
        resource,
    };
    match answer(is_allowed(client, access)).await {
        Ok(true) => Finding::ok(name, format!("{listed} and watched")),
        Ok(false) => Finding::fail(name, format!("{listed} and not watched"), GRANT),
        Err(error) => Finding::warn(name, format!("{listed}; {error}"), GRANT),
    }
}

async fn events(client: &Client) -> Finding {
    const NAME: &str = "API: Events";
    for verb in ["create", "patch"] {
        let access = Access {
            verb,
            group: "events.k8s.io",
            resource: "events",
        };
        match answer(is_allowed(client, access)).await {
            Ok(true) => {}
            Ok(false) => {
                let found = format!(
                    "{verb} is not allowed: pods' owners are not told what becomes of their pods"
                );
                return Finding::warn(NAME, found, GRANT);
            }
            Err(error) => return Finding::warn(NAME, error, GRANT),
        }
    }
    Finding::ok(NAME, "can be written")
}

/// An answer in time, or why there is none.
async fn answer<T, E: ToString>(question: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    match timeout(PATIENCE, question).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

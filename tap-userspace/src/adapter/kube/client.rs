//! The way to the API server.

use std::path::PathBuf;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

use super::error_text::one_line;

/// How long to wait for a connection, and at the start for an answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the API server may be silent on a connection. On a watch it sends
/// a bookmark about once a minute (`bookmarkFrequency` in
/// k8s.io/apiserver/pkg/storage/cacher), so a longer silence is a cut link; at
/// worst a quiet watch is opened anew this often.
const READ_TIMEOUT: Duration = Duration::from_secs(95);

/// Why the API server cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The file that was named.
    #[error("cannot use kubeconfig {}: {reason}", .path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file that the environment names, or the user's own.
    #[error(
        "cannot use the kubeconfig ($KUBECONFIG, or else ~/.kube/config): {reason}; \
         name one with --kubeconfig"
    )]
    DefaultKubeconfig {
        /// What is wrong with it.
        reason: String,
    },
    /// The service account's token or certificate.
    #[error("this is a pod, but its service account cannot be used: {reason}")]
    InCluster {
        /// What is wrong.
        reason: String,
    },
    /// Its certificates or its user's credentials.
    #[error("cannot set up a connection to the API server at {url}: {reason}")]
    Setup {
        /// Where it is said to be.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// Nobody answers there.
    #[error("the Kubernetes API server at {url} does not answer: {reason}")]
    Unreachable {
        /// Where it is said to be.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// It answers, and not to us.
    #[error("the Kubernetes API server at {url} refuses us: {reason}")]
    Refused {
        /// Where it is.
        url: String,
        /// Its own words.
        reason: String,
    },
}

/// A client for the API server, which has answered once.
///
/// The server and the credentials come from `kubeconfig` if one is named; else
/// from the service account if this is a pod; else from `$KUBECONFIG` or
/// ~/.kube/config, as kubectl does it.
///
/// # Errors
/// When these cannot be read, or the server does not answer within 5 s.
pub async fn client(kubeconfig: Option<PathBuf>) -> Result<Client, ClientError> {
    let mut config = config(kubeconfig).await?;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    // The timeout then counts from a request on, not from when its pooled
    // connection was last used.
    config.reset_reader_on_write = true;
    let url = config.cluster_url.to_string();
    let client = Client::try_from(config).map_err(|error| ClientError::Setup {
        url: url.clone(),
        reason: one_line(&error),
    })?;
    probe(&client, url).await?;
    Ok(client)
}

/// Asks for the server's version, which everyone may.
async fn probe(client: &Client, url: String) -> Result<(), ClientError> {
    match tokio::time::timeout(CONNECT_TIMEOUT, client.apiserver_version()).await {
        Ok(Ok(version)) => {
            tracing::debug!(url, version = version.git_version, "API server answers");
            Ok(())
        }
        Ok(Err(error @ kube::Error::Api(_))) => Err(ClientError::Refused {
            url,
            reason: one_line(&error),
        }),
        Ok(Err(error @ kube::Error::Auth(_))) => Err(ClientError::Setup {
            url,
            reason: one_line(&error),
        }),
        Ok(Err(error)) => Err(ClientError::Unreachable {
            url,
            reason: one_line(&error),
        }),
        Err(_) => Err(ClientError::Unreachable {
            url,
            reason: format!("nothing came within {} s", CONNECT_TIMEOUT.as_secs()),
        }),
    }
}

async fn config(kubeconfig: Option<PathBuf>) -> Result<Config, ClientError> {
    let options = KubeConfigOptions::default();
    if let Some(path) = kubeconfig {
        let kubeconfig_error = |error: KubeconfigError| ClientError::Kubeconfig {
            path: path.clone(),
            reason: match &error {
                KubeconfigError::ReadConfig(source, _) => source.to_string(),
                other => reason(other),
            },
        };
        let file = Kubeconfig::read_from(&path).map_err(kubeconfig_error)?;
        return Config::from_custom_kubeconfig(file, &options)
            .await
            .map_err(kubeconfig_error);
    }
    // The kubelet sets this in every pod.
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        return Config::incluster().map_err(|error| ClientError::InCluster {
            reason: first_line(&error.to_string()),
        });
    }
    Config::from_kubeconfig(&options)
        .await
        .map_err(|error| ClientError::DefaultKubeconfig {
            reason: reason(&error),
        })
}

fn reason(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::ReadConfig(source, path) => {
            format!("cannot read {}: {source}", path.display())
        }
        KubeconfigError::CurrentContextNotSet => {
            "it has no current-context (is it empty, or no kubeconfig at all?)".to_owned()
        }
        other => first_line(&other.to_string()),
    }
}

/// The lines after the first quote from the file, and that has secrets in it.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

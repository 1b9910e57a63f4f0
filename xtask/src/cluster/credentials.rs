//! Who may talk to whom: the cluster's certificates and kubeconfigs.

use anyhow::Result;

use super::addresses::{API_SERVER, KUBERNETES_SERVICE};
use super::kubeconfig;
use super::layout::Layout;
use super::pki::{Authority, key_pair};

/// Makes keys, certificates and kubeconfigs; returns the cluster's authority.
pub(super) fn create(layout: &Layout) -> Result<Authority> {
    let pki = layout.pki();
    let authority = Authority::create(&pki, "ca")?;
    authority.server(
        "apiserver",
        &[
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
            API_SERVER,
            KUBERNETES_SERVICE,
            "127.0.0.1",
        ],
    )?;
    authority.client(
        "apiserver-kubelet",
        "kube-apiserver-kubelet-client",
        "system:masters",
    )?;
    // An authority of its own: whoever it vouches for may name any user.
    Authority::create(&pki, "front-proxy-ca")?.client(
        "front-proxy",
        "front-proxy-client",
        "podtap-xt",
    )?;
    key_pair(&pki, "service-account")?;
    kubeconfig::issue(layout, &authority, "admin", "admin", "system:masters")?;
    for (name, user) in [
        ("controller-manager", "system:kube-controller-manager"),
        ("scheduler", "system:kube-scheduler"),
    ] {
        kubeconfig::issue(layout, &authority, name, user, user)?;
    }
    Ok(authority)
}

//! Kubeconfigs: one for the administrator, one for each component.

use std::fs;

use anyhow::Result;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::json;

use super::addresses::API_SERVER;
use super::layout::Layout;
use super::pki::{Authority, write_secret};

/// Issues a client certificate for `user` and writes a kubeconfig with the
/// certificate inside: one file that can be copied anywhere.
pub(super) fn issue(
    layout: &Layout,
    authority: &Authority,
    name: &str,
    user: &str,
    group: &str,
) -> Result<()> {
    authority.client(name, user, group)?;
    let pki = layout.pki();
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "podtap-xt",
        "contexts": [{"name": "podtap-xt", "context": {"cluster": "podtap-xt", "user": name}}],
        "clusters": [{"name": "podtap-xt", "cluster": {
            "server": format!("https://{API_SERVER}:443"),
            "certificate-authority-data": BASE64_STANDARD.encode(authority.pem()),
        }}],
        "users": [{"name": name, "user": {
            "client-certificate-data": BASE64_STANDARD.encode(fs::read(pki.join(format!("{name}.crt")))?),
            "client-key-data": BASE64_STANDARD.encode(fs::read(pki.join(format!("{name}.key")))?),
        }}],
    });
    write_secret(
        &layout.kubeconfig_of(name),
        &serde_json::to_string_pretty(&config)?,
    )
}

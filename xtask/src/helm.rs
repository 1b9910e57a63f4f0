//! Helm, built from its Go module below `target/tools`: it renders the chart.

use std::{fs, path::PathBuf, process::Command};

use anyhow::Result;

use crate::{
    build::workspace,
    process::{run, step},
    setup::need_go,
};

/// Of the same Kubernetes as the cluster's: most of its modules are there.
const VERSION: &str = "3.19.5";

/// The Kubernetes that it takes to be there when it renders without one.
const KUBERNETES_MINOR: &str = "34";

/// Builds it once, and says where it is.
pub fn build() -> Result<PathBuf> {
    let folder = workspace().join(format!("target/tools/helm-{VERSION}/bin"));
    let helm = folder.join("helm");
    if helm.is_file() {
        return Ok(helm);
    }
    let go = need_go()?;
    fs::create_dir_all(&folder)?;
    step(&format!("building Helm {VERSION}"), || {
        run(Command::new(go)
            // Outside of any module: Helm's own go.mod is the one that counts.
            .current_dir(&folder)
            .env("CGO_ENABLED", "0")
            .env_remove("GOFLAGS")
            .env("GOWORK", "off")
            .env("GOBIN", &folder)
            .args(["install", "-trimpath", "-ldflags"])
            .arg(ldflags())
            .arg(format!("helm.sh/helm/v3/cmd/helm@v{VERSION}")))
    })?;
    Ok(helm)
}

/// What Helm's own Makefile sets: without it the Kubernetes is 1.20.
fn ldflags() -> String {
    let package = "helm.sh/helm/v3";
    format!(
        "-s -w -X {package}/internal/version.version=v{VERSION} \
         -X {package}/pkg/chartutil.k8sVersionMajor=1 \
         -X {package}/pkg/chartutil.k8sVersionMinor={KUBERNETES_MINOR}"
    )
}

//! Building Kubernetes, etcd and `pause` from their Go modules.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::layout::Layout;
use crate::image::digest::sha256_hex;
use crate::process::{run, step};
use crate::setup::need_go;

/// Name and Go package of each binary; the quick ones first, so that a broken
/// set-up shows early.
const BINARIES: &[(&str, &str)] = &[
    ("pause", "./pause"),
    ("etcd", "go.etcd.io/etcd/server/v3"),
    ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
    ("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
    (
        "kube-controller-manager",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
    ),
    ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
    ("kubelet", "k8s.io/kubernetes/cmd/kubelet"),
];

/// Builds what is missing or was built from another go.mod.
pub fn build(layout: &Layout) -> Result<()> {
    let module = layout.go_module();
    let stamp = stamp(&module)?;
    fs::create_dir_all(layout.bin())?;
    let stale: Vec<_> = BINARIES
        .iter()
        .filter(|(name, _)| !is_fresh(layout, name, &stamp))
        .collect();
    if stale.is_empty() {
        return Ok(());
    }
    let go = need_go()?;
    let version = kubernetes_version(&module)?;
    for (at, (name, package)) in stale.iter().enumerate() {
        let what = format!(
            "building {name} ({} of {}, Kubernetes {version})",
            at + 1,
            stale.len()
        );
        step(&what, || build_one(layout, &go, &version, name, package))?;
        fs::write(stamp_path(layout, name), &stamp)?;
    }
    Ok(())
}

/// Builds one of them alone, and says where it is: images need `pause`, and the
/// manifests' tests `kubectl`, without a cluster.
pub fn build_only(layout: &Layout, name: &str) -> Result<PathBuf> {
    let module = layout.go_module();
    let (name, package) = BINARIES
        .iter()
        .find(|(known, _)| *known == name)
        .with_context(|| format!("no binary is called {name}"))?;
    let stamp = stamp(&module)?;
    if !is_fresh(layout, name, &stamp) {
        fs::create_dir_all(layout.bin())?;
        let version = kubernetes_version(&module)?;
        step(&format!("building {name}"), || {
            build_one(layout, &need_go()?, &version, name, package)
        })?;
        fs::write(stamp_path(layout, name), &stamp)?;
    }
    Ok(layout.binary(name))
}

/// The version that go.mod asks for, `v1.34.4`.
fn kubernetes_version(module: &Path) -> Result<String> {
    let text = fs::read_to_string(module.join("go.mod"))?;
    let version = text
        .split("require k8s.io/kubernetes ")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next());
    version
        .map(str::to_owned)
        .context("go.mod does not require k8s.io/kubernetes")
}

fn build_one(layout: &Layout, go: &Path, version: &str, name: &str, package: &str) -> Result<()> {
    // Renamed when whole: an interrupted build leaves no half binary.
    let unfinished = layout.bin().join(format!(".{name}.new"));
    run(Command::new(go)
        .current_dir(layout.go_module())
        .env("CGO_ENABLED", "0")
        .env_remove("GOFLAGS")
        .env("GOWORK", "off")
        .args([
            "build",
            "-mod=readonly",
            "-buildvcs=false",
            "-trimpath",
            "-ldflags",
        ])
        .arg(ldflags(version))
        .arg("-o")
        .arg(&unfinished)
        .arg(package))?;
    fs::rename(&unfinished, layout.binary(name))?;
    Ok(())
}

/// The version goes in by the linker, as Kubernetes' own build does: without
/// it the API server calls itself v0.0.0-master.
fn ldflags(version: &str) -> String {
    let package = "k8s.io/component-base/version";
    let mut numbers = version.trim_start_matches('v').split('.');
    let major = numbers.next().unwrap_or_default();
    let minor = numbers.next().unwrap_or_default();
    format!(
        "-s -w -X {package}.gitVersion={version} -X {package}.gitMajor={major} \
         -X {package}.gitMinor={minor} -X {package}.gitTreeState=clean"
    )
}

fn is_fresh(layout: &Layout, name: &str, stamp: &str) -> bool {
    layout.binary(name).exists()
        && fs::read_to_string(stamp_path(layout, name)).is_ok_and(|old| old == stamp)
}

fn stamp_path(layout: &Layout, name: &str) -> PathBuf {
    layout.bin().join(format!(".{name}.stamp"))
}

/// What the binaries depend on, as one digest.
fn stamp(module: &Path) -> Result<String> {
    let mut inputs = Vec::new();
    for file in ["go.mod", "go.sum", "pause/main.go"] {
        let path = module.join(file);
        inputs.extend(fs::read(&path).with_context(|| path.display().to_string())?);
    }
    Ok(sha256_hex(&inputs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_comes_from_go_mod() {
        let version = kubernetes_version(&Layout::of_this_workspace().go_module()).unwrap();
        assert!(version.starts_with("v1."), "{version}");
        assert!(ldflags("v1.34.4").contains(".gitMinor=34 "));
    }
}

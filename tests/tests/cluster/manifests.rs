//! What an API server says to the manifests, those among them that cannot run
//! here.

use anyhow::Result;
use xtask::{build::workspace, cluster::Cluster, process::output};

#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_every_overlay_is_taken_by_the_api_server() -> Result<()> {
    let cluster = Cluster::attach()?;
    for (folder, kind) in [
        ("base", "daemonset.apps/podtap"),
        ("overlays/suricata", "daemonset.apps/podtap"),
        ("overlays/zeek", "daemonset.apps/podtap"),
        (
            "overlays/policy",
            "validatingadmissionpolicy.admissionregistration.k8s.io/podtap",
        ),
    ] {
        let folder = workspace().join("manifests").join(folder);
        // Strict: a field that the server does not know is an error.
        let taken = output(
            cluster
                .kubectl_command()
                .args(["apply", "--dry-run=server", "--validate=strict", "-k"])
                .arg(&folder),
        )?;
        let found = taken.lines().any(|line| line.starts_with(kind));
        assert!(found, "{}: {taken}", folder.display());
    }
    Ok(())
}

//! The configuration files of a node: containerd, CNI, kubelet.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::addresses::{DNS, NodeNumber};
use super::cgroup;
use super::layout::Layout;
use crate::image::pause::PAUSE_IMAGE;

/// Where the CNI plugins are: Debian's folder, then upstream's.
const CNI_PLUGINS: [&str; 2] = ["/usr/lib/cni", "/opt/cni/bin"];

/// containerd's configuration (version 2 of it is read by 1.x and 2.x).
pub(super) fn containerd(layout: &Layout, node: &str) -> Result<String> {
    let plugins = CNI_PLUGINS
        .iter()
        .find(|folder| Path::new(folder).join("bridge").exists());
    let plugins = plugins.context("no CNI plugins: install containernetworking-plugins")?;
    let cni = layout.machine(node).join("cni");
    let snapshotter = snapshotter(layout)?;
    Ok(format!(
        r#"version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
# This one makes a folder in /opt, which the machine shares with the computer.
disabled_plugins = ["io.containerd.internal.v1.opt"]

[grpc]
address = "/run/containerd/containerd.sock"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
# Where root may not lower it, every sandbox would fail to start.
restrict_oom_score_adj = true
# Its profile would be loaded for the whole computer.
disable_apparmor = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{plugins}"
conf_dir = "{cni}"

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "{snapshotter}"
default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
"#,
        cni = cni.display(),
    ))
}

/// Pods on a bridge, with addresses out of the node's range.
pub(super) fn cni(node: NodeNumber) -> Result<String> {
    let config = json!({
        "cniVersion": "0.4.0",
        "name": "podtap-xt",
        "plugins": [{
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": true,
            // Pods keep their addresses on the way to the other node.
            "ipMasq": false,
            "hairpinMode": true,
            "ipam": {
                "type": "host-local",
                "dataDir": "/run/cni-addresses",
                "ranges": [[{"subnet": node.pods()}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }],
    });
    Ok(serde_json::to_string_pretty(&config)?)
}

/// The kubelet's configuration.
pub(super) fn kubelet(layout: &Layout, node: NodeNumber) -> Result<String> {
    let name = node.name();
    let file = |file: &str| layout.pki().join(file);
    let config = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": node.ip(),
        "healthzBindAddress": "127.0.0.1",
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": file("ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": file(&format!("{name}-server.crt")),
        "tlsPrivateKeyFile": file(&format!("{name}-server.key")),
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        // systemd is not asked: the machine has none.
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{}", cgroup::of_machine(layout, &name)),
        "failCgroupV1": false,
        "enforceNodeAllocatable": [],
        "failSwapOn": false,
        "clusterDNS": [DNS],
        "clusterDomain": "cluster.local",
        "resolvConf": "",
        // A developer's disk is often full: that is not this cluster's business.
        "evictionHard": {"imagefs.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
    });
    Ok(serde_json::to_string_pretty(&config)?)
}

/// overlayfs cannot lie on overlayfs, as when all of this runs in a container.
fn snapshotter(layout: &Layout) -> Result<&'static str> {
    let on = nix::sys::statfs::statfs(&layout.run()).context("file system of target/cluster")?;
    let overlay = on.filesystem_type() == nix::sys::statfs::OVERLAYFS_SUPER_MAGIC;
    Ok(if overlay { "native" } else { "overlayfs" })
}

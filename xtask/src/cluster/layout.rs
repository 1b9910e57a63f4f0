//! Where everything of the cluster lies: below `target/cluster`, nowhere else.

use std::path::{Path, PathBuf};

use crate::image::digest::sha256_hex;

/// What all names begin with that are seen outside of the cluster's folder.
pub const PREFIX: &str = "podtap-xt";

/// The folders and files of the cluster.
#[derive(Clone, Debug)]
pub struct Layout {
    workspace: PathBuf,
}

impl Layout {
    /// The layout in the workspace that this program was built from.
    ///
    /// Always its `target`, whatever `CARGO_TARGET_DIR` says: a cluster is
    /// found again by its place.
    pub fn of_this_workspace() -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self {
            workspace: here.parent().unwrap_or(here).to_owned(),
        }
    }

    /// The workspace's root folder.
    pub fn workspace(&self) -> &Path {
        &self.workspace
    }

    /// The folder that holds everything of the cluster.
    pub fn root(&self) -> PathBuf {
        self.workspace.join("target/cluster")
    }

    /// The name of what is seen outside of the folder: control groups. It has
    /// a digest of the workspace's path, so that two workspaces on one computer
    /// never take each other's.
    pub fn name(&self) -> String {
        let digest = sha256_hex(self.workspace.as_os_str().as_encoded_bytes());
        format!("{PREFIX}-{}", digest.get(..8).unwrap_or_default())
    }

    /// The Go module that the binaries are built from.
    pub fn go_module(&self) -> PathBuf {
        self.workspace.join("xtask/cluster")
    }

    /// The built binaries: kept over `down`.
    pub fn bin(&self) -> PathBuf {
        self.root().join("bin")
    }

    /// One built binary.
    pub fn binary(&self, name: &str) -> PathBuf {
        self.bin().join(name)
    }

    /// The logs of the last run, one file a program: kept over `down`.
    pub fn log(&self) -> PathBuf {
        self.root().join("log")
    }

    /// The API server's audit log.
    pub fn audit_log(&self) -> PathBuf {
        self.log().join("audit.log")
    }

    /// Everything that lives as long as the running cluster.
    pub fn run(&self) -> PathBuf {
        self.root().join("run")
    }

    /// There once the cluster is up; gone before it is taken down.
    pub fn up_marker(&self) -> PathBuf {
        self.run().join("up")
    }

    /// Keys and certificates.
    pub fn pki(&self) -> PathBuf {
        self.run().join("pki")
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig_of("admin")
    }

    /// The kubeconfig of one component.
    pub fn kubeconfig_of(&self, who: &str) -> PathBuf {
        self.pki().join(format!("{who}.kubeconfig"))
    }

    /// What is configured for one machine.
    pub fn machine(&self, name: &str) -> PathBuf {
        self.run().join(name)
    }
}

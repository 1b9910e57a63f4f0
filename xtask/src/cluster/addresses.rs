//! Every address and name in the cluster, in one place.
//!
//! They exist only inside namespaces that we make, which have no link to the
//! machine's own network: they cannot collide with it.

/// The machine with the API server and all that belongs to it.
pub const CONTROL: &str = "control";

/// The API server on the network of the machines.
pub const API_SERVER: &str = "10.211.0.1";

/// The first address of the service range, which the API server gives to the
/// service `kubernetes`. The control machine simply has this address too, and
/// the API server listens on port 443: pods reach it with the environment
/// that every pod gets, without NAT and without kube-proxy.
pub const KUBERNETES_SERVICE: &str = "10.96.0.1";

/// The service range.
pub const SERVICES: &str = "10.96.0.0/16";

/// The conventional DNS address. Nothing answers there: set only because the
/// kubelet otherwise puts a warning event on every pod.
pub const DNS: &str = "10.96.0.10";

/// One node, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeNumber(pub u8);

impl NodeNumber {
    /// The node's name.
    pub fn name(self) -> String {
        format!("node{}", self.0)
    }

    /// The node's address on the network of the machines.
    pub fn ip(self) -> String {
        format!("10.211.0.{}", self.0.saturating_add(10))
    }

    /// The addresses of the node's pods.
    pub fn pods(self) -> String {
        format!("10.211.{}.0/24", self.0)
    }
}

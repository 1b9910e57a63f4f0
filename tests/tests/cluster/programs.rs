//! How many of podtap's programs there are, by what its agents say.

use anyhow::Result;
use xtask::{cluster::Cluster, process::wait_for};

use crate::{LIMIT, agent::Agent, kernel::Strangers};

/// Waits until two are loaded for each target of all agents, and one for each
/// agent's tap.
pub fn none_too_many(cluster: &Cluster, strangers: &Strangers) -> Result<()> {
    // The pods of other tests may be on their way out.
    wait_for("as many programs as there are targets", LIMIT, || {
        let mut targets = 0;
        for node in cluster.nodes() {
            targets += Agent::of(node).status()?.targets.len();
        }
        let nodes = cluster.nodes().len();
        let wanted = [
            ("podtap_drop", nodes),
            ("podtap_in", targets),
            ("podtap_out", targets),
        ];
        let loaded = strangers.without();
        let loaded: Vec<_> = loaded
            .iter()
            .map(|(name, count)| (name.as_str(), *count))
            .collect();
        anyhow::ensure!(loaded == wanted, "loaded are {loaded:?}, wanted {wanted:?}");
        Ok(Some(()))
    })
}

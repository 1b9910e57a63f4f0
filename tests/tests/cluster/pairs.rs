//! Two tapped pods of one node talk with each other.

use anyhow::{Result, ensure};
use tap_userspace::model::status::{LedgerStatus, TargetStatus};
use xtask::{cluster::Cluster, process::wait_for};

use crate::{
    LIMIT, agent::Agent, namespace::Namespace, pod::Pod, suricata::Suricata, traffic::Client,
};

const TAPPED: [(&str, &str); 1] = [("podtap.dev/tap", "true")];

/// The sensor sees the request once: each frame is on the tap as its sender's,
/// and counted as a duplicate at its receiver.
#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_what_two_tapped_pods_say_to_each_other_is_seen_once() -> Result<()> {
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "pair")?;
    let pair = Pair::new(&cluster, &namespace)?;
    let path = format!("seen-once-{}", namespace.name());
    Client::of(&pair.client)?.get(&pair.server, &path)?;
    Suricata::of(&cluster.nodes()[0]).saw(&path)?;

    // To the packet it is counted where nobody else talks: in
    // `tests/duplicates.rs`.
    for target in pair.settled()? {
        assert!(target.duplicates > 0, "{target:?}");
    }
    let seen = Suricata::of(&cluster.nodes()[0]).paths()?;
    assert_eq!(seen.iter().filter(|seen| **seen == path).count(), 1);
    Ok(())
}

/// Through a translated address there are two true views, and both are there.
#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_through_a_service_address_both_views_are_whole() -> Result<()> {
    const SERVICE: &str = "10.96.250.250";
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "service")?;
    let pair = Pair::new(&cluster, &namespace)?;
    let [client_before, server_before] = pair.settled()?;
    let machine = cluster.nodes()[0].machine();
    // There is no kube-proxy in this cluster: the rule that it would make.
    let rule = |action: &str| {
        let mut command = machine.command("iptables");
        command
            .args(["-t", "nat", action, "PREROUTING", "-d", SERVICE])
            .args(["-p", "tcp", "-j", "DNAT", "--to-destination"])
            .arg(&pair.server.ip);
        xtask::process::run(&mut command)
    };
    let path = format!("seen-twice-{}", namespace.name());
    rule("-A")?;
    let service = Pod {
        ip: SERVICE.into(),
        ..pair.server.clone()
    };
    let asked = Client::of(&pair.client)?.get(&service, &path);
    rule("-D")?;
    asked?;
    let sensor = Suricata::of(&cluster.nodes()[0]);
    wait_for("both views of the request", LIMIT, || {
        let seen = sensor.paths()?;
        let count = seen.iter().filter(|seen| **seen == path).count();
        Ok((count == 2).then_some(()))
    })?;
    let [client, server] = pair.settled()?;
    for (before, after) in [(&client_before, &client), (&server_before, &server)] {
        ensure!(
            after.delivered > before.delivered,
            "nothing was seen: {after:?}"
        );
    }
    Ok(())
}

/// A client and a server on the first node, both tapped.
struct Pair<'a> {
    agent: Agent<'a>,
    client: Pod,
    server: Pod,
}

impl<'a> Pair<'a> {
    fn new(cluster: &'a Cluster, namespace: &Namespace<'_>) -> Result<Self> {
        let agent = Agent::of(&cluster.nodes()[0]);
        let client = namespace.web("client", &TAPPED)?;
        let server = namespace.web("server", &TAPPED)?;
        agent.tapped(&client)?;
        agent.tapped(&server)?;
        Ok(Self {
            agent,
            client,
            server,
        })
    }

    /// Their counts, when all that the kernel mirrored has become frames.
    fn settled(&self) -> Result<[TargetStatus; 2]> {
        wait_for("the counts to settle", LIMIT, || {
            let both = [
                self.agent.tapped(&self.client)?,
                self.agent.tapped(&self.server)?,
            ];
            let again = [
                self.agent.tapped(&self.client)?,
                self.agent.tapped(&self.server)?,
            ];
            let is_whole = |target: &TargetStatus| {
                let mirrored = |ledger: &LedgerStatus| {
                    ledger
                        .verdicts
                        .get("mirrored")
                        .map_or(0, |count| count.packets)
                };
                // The datapath's counts are those of a tenth of a second ago.
                let records = mirrored(&target.received) + mirrored(&target.sent);
                target.frames + target.left_out >= records
                    && target.delivered + target.duplicates + target.refused == target.frames
            };
            let settled = both == again && both.iter().all(is_whole);
            Ok(settled.then_some(both))
        })
    }
}

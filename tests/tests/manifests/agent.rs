//! What the agent's container may, and what it alone has.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::{
    BASE, INSTALLS,
    objects::Objects,
    sensor::{mounts, words},
};

#[test]
fn nothing_runs_in_a_namespace_of_the_node() -> Result<()> {
    for folder in INSTALLS {
        let objects = Objects::of_kustomize(folder)?;
        let pod = objects.pod()?;
        for field in ["hostPID", "hostNetwork", "hostIPC"] {
            assert!(
                pod[field].is_null() || pod[field] == false,
                "{folder}: {field}"
            );
        }
        for (name, container) in objects.containers()? {
            let context = &container["securityContext"];
            assert_eq!(context["privileged"], false, "{folder}: {name}");
            assert_eq!(context["readOnlyRootFilesystem"], true, "{folder}: {name}");
            assert_eq!(
                context["seccompProfile"]["type"], "RuntimeDefault",
                "{folder}: {name}"
            );
            assert!(container["ports"].is_null(), "{folder}: {name} has a port");
        }
    }
    Ok(())
}

#[test]
fn the_agent_has_five_capabilities_and_cannot_get_more() -> Result<()> {
    let five = ["BPF", "NET_ADMIN", "PERFMON", "SYS_ADMIN", "SYS_PTRACE"];
    for folder in INSTALLS {
        let objects = Objects::of_kustomize(folder)?;
        let context = &objects.containers()?["agent"]["securityContext"];
        let added = words(&context["capabilities"]["add"]);
        assert_eq!(added, BTreeSet::from(five), "{folder}");
        assert_eq!(context["capabilities"]["drop"], json!(["ALL"]), "{folder}");
        assert_eq!(context["allowPrivilegeEscalation"], false, "{folder}");
    }
    Ok(())
}

/// Through /proc goes the way to every pod's files, through the token the one
/// to the API.
#[test]
fn the_agent_alone_has_the_nodes_proc_and_the_token() -> Result<()> {
    for folder in INSTALLS {
        let objects = Objects::of_kustomize(folder)?;
        let pod = objects.pod()?;
        assert_eq!(pod["automountServiceAccountToken"], false, "{folder}");
        let volumes = pod["volumes"].as_array().context("volumes")?;
        let guarded: BTreeSet<_> = volumes
            .iter()
            .filter(|volume| volume.get("hostPath").is_some() || holds_token(volume))
            .filter_map(|volume| volume["name"].as_str())
            .collect();
        assert_eq!(
            guarded,
            BTreeSet::from(["bpffs", "proc", "token", "tun"]),
            "{folder}"
        );
        for (name, container) in objects.containers()? {
            let has = mounts(container);
            for volume in &guarded {
                assert_eq!(
                    has.contains_key(volume),
                    name == "agent",
                    "{folder}: {volume} in {name}"
                );
            }
        }
        let containers = objects.containers()?;
        let proc = mounts(containers["agent"])["proc"];
        assert_eq!(proc["mountPath"], "/host/proc", "{folder}");
        assert_eq!(proc["readOnly"], true, "{folder}");
    }
    let base = Objects::of_kustomize(BASE)?;
    let account = base.get("ServiceAccount podtap/podtap")?;
    assert_eq!(account["automountServiceAccountToken"], false);
    Ok(())
}

/// The ring is memory of the agent from the first moment on, whatever is in it.
#[test]
fn the_agents_memory_holds_the_ring_and_as_much_again() -> Result<()> {
    const RING_MIB: u64 = 64;
    let base = Objects::of_kustomize(BASE)?;
    let containers = base.containers()?;
    let resources = &containers["agent"]["resources"];
    let mib = |kind: &str| -> Result<u64> {
        let text = resources[kind]["memory"].as_str().context("memory")?;
        Ok(text.strip_suffix("Mi").context("in MiB")?.parse()?)
    };
    assert!(mib("requests")? > RING_MIB, "{resources}");
    assert!(mib("limits")? >= 2 * RING_MIB, "{resources}");
    // One that is held back loses packets.
    assert!(resources["limits"]["cpu"].is_null(), "{resources}");
    Ok(())
}

/// What each pod is told of itself stands in `env`, which goes before what the
/// whole cluster is told: no ConfigMap can make the agent tap itself.
#[test]
fn no_setting_of_the_cluster_hides_who_the_agent_is() -> Result<()> {
    let base = Objects::of_kustomize(BASE)?;
    let containers = base.containers()?;
    let agent = containers["agent"];
    let own: BTreeSet<_> = agent["env"]
        .as_array()
        .context("env")?
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    let expected = [
        "PODTAP_BPFFS",
        "PODTAP_DAEMON_SET",
        "PODTAP_NAMESPACE",
        "PODTAP_NODE",
        "PODTAP_POD_UID",
    ];
    assert_eq!(own, BTreeSet::from(expected));
    let settings = json!([{"configMapRef": {"name": "podtap-settings", "optional": true}}]);
    assert_eq!(agent["envFrom"], settings);
    // A Service called podtap would be a setting, else.
    assert_eq!(base.pod()?["enableServiceLinks"], false);
    Ok(())
}

fn holds_token(volume: &Value) -> bool {
    let sources = volume["projected"]["sources"].as_array();
    sources.is_some_and(|all| {
        all.iter()
            .any(|one| one.get("serviceAccountToken").is_some())
    }) || volume.get("secret").is_some()
}

//! What a sensor's container may: it parses whatever anyone sends.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::{SURICATA, ZEEK, objects::Objects};

#[test]
fn a_sensor_starts_after_its_tap_and_outlives_the_agent() -> Result<()> {
    for (folder, sensor) in [(SURICATA, "suricata"), (ZEEK, "zeek")] {
        let objects = Objects::of_kustomize(folder)?;
        let pod = objects.pod()?;
        let names = |kind: &str| -> Result<Vec<&str>> {
            let all = pod[kind].as_array().context("containers")?;
            Ok(all.iter().filter_map(|one| one["name"].as_str()).collect())
        };
        assert_eq!(names("initContainers")?, ["agent"], "{folder}");
        assert_eq!(names("containers")?, [sensor], "{folder}");
        let agent = &pod["initContainers"][0];
        assert_eq!(agent["restartPolicy"], "Always", "{folder}");
        assert!(agent["startupProbe"].is_object(), "{folder}");
    }
    Ok(())
}

#[test]
fn a_sensor_may_open_packet_sockets_and_no_more() -> Result<()> {
    for (folder, sensor) in [(SURICATA, "suricata"), (ZEEK, "zeek")] {
        let objects = Objects::of_kustomize(folder)?;
        let containers = objects.containers()?;
        let context = &containers[sensor]["securityContext"];
        let capabilities = json!({"drop": ["ALL"], "add": ["NET_RAW"]});
        assert_eq!(context["capabilities"], capabilities, "{folder}");
        // Root may not gain what it lacks; another user gets the one
        // capability from its file, which the flag would forbid.
        let root = context["runAsUser"] == 0;
        assert_eq!(context["allowPrivilegeEscalation"], !root, "{folder}");
        assert!(context["appArmorProfile"].is_null(), "{folder}");

        let own = BTreeSet::from(["config", "log", "run"].map(|what| format!("{sensor}-{what}")));
        for (volume, mount) in mounts(containers[sensor]) {
            assert!(own.contains(volume), "{folder}: it has {volume}");
            let propagation = &mount["mountPropagation"];
            assert!(propagation.is_null(), "{folder}: {volume} {propagation}");
        }
    }
    Ok(())
}

/// A container's mounts, by the volume's name.
pub fn mounts(container: &Value) -> BTreeMap<&str, &Value> {
    let all = container["volumeMounts"].as_array().into_iter().flatten();
    all.filter_map(|mount| Some((mount["name"].as_str()?, mount)))
        .collect()
}

/// The words of a list.
pub fn words(list: &Value) -> BTreeSet<&str> {
    let all = list.as_array().into_iter().flatten();
    all.filter_map(Value::as_str).collect()
}

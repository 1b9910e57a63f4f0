//! Kubernetes objects as a tool renders them.

use std::{collections::BTreeMap, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use xtask::{build::workspace, process::output};

/// What generated names begin with: a digest of their content follows.
const GENERATED: [&str; 3] = ["podtap-settings-", "suricata-", "zeek-"];

/// How long that digest is, of kustomize and in the chart.
const DIGEST_BYTES: usize = 10;

/// Objects by kind, namespace and name.
#[derive(Debug, PartialEq)]
pub struct Objects(BTreeMap<String, Value>);

impl Objects {
    /// What `kubectl apply -k` would apply.
    pub fn of_kustomize(folder: &str) -> Result<Self> {
        let text = output(
            Command::new(program("PODTAP_KUBECTL")?)
                .arg("kustomize")
                .arg(manifests().join(folder)),
        )?;
        Self::read(&text)
    }

    /// What `helm install` would, with these values (`NAME=VALUE`).
    pub fn of_chart(values: &[&str]) -> Result<Self> {
        Self::read(&output(&mut helm_template(values)?)?)
    }

    fn read(text: &str) -> Result<Self> {
        let all: Vec<Value> = serde_saphyr::from_multiple(text)?;
        let mut objects = BTreeMap::new();
        for mut object in all.into_iter().filter(|object| !object.is_null()) {
            without_digests(&mut object);
            let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or("");
            let name = format!(
                "{} {}/{}",
                text("/kind"),
                text("/metadata/namespace"),
                text("/metadata/name")
            );
            ensure!(
                objects.insert(name.clone(), object).is_none(),
                "{name} twice"
            );
        }
        Ok(Self(objects))
    }

    /// What each is called: `KIND NAMESPACE/NAME`.
    pub fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// The object of that name.
    pub fn get(&self, name: &str) -> Result<&Value> {
        self.0
            .get(name)
            .with_context(|| format!("no {name} in {:?}", self.names()))
    }

    /// The specification of the DaemonSet's pods.
    pub fn pod(&self) -> Result<&Value> {
        let daemonset = self.get("DaemonSet podtap/podtap")?;
        daemonset
            .pointer("/spec/template/spec")
            .context("no pod's specification")
    }

    /// Containers of those pods, of all kinds, by name.
    pub fn containers(&self) -> Result<BTreeMap<&str, &Value>> {
        let pod = self.pod()?;
        let kinds = ["initContainers", "containers", "ephemeralContainers"];
        let all = kinds.iter().filter_map(|kind| pod[*kind].as_array());
        all.flatten()
            .map(|container| Ok((container["name"].as_str().context("a name")?, container)))
            .collect()
    }

    /// For comparing: volumes in the order of their names, which means nothing.
    pub fn with_sorted_volumes(mut self) -> Self {
        let daemonset = self.0.get_mut("DaemonSet podtap/podtap");
        if let Some(volumes) = daemonset
            .and_then(|daemonset| daemonset.pointer_mut("/spec/template/spec/volumes"))
            .and_then(Value::as_array_mut)
        {
            volumes.sort_by_key(|volume| volume["name"].to_string());
        }
        self
    }
}

/// The command that renders the chart with these values.
pub fn helm_template(values: &[&str]) -> Result<Command> {
    let mut command = Command::new(program("PODTAP_HELM")?);
    command
        .args(["template", "podtap"])
        .arg(manifests().join("chart"));
    for value in values {
        command.args(["--set", value]);
    }
    Ok(command)
}

/// Names of generated ConfigMaps lose their digest, wherever they stand alone.
fn without_digests(value: &mut Value) {
    match value {
        Value::String(text) => {
            let generated = GENERATED.iter().find(|prefix| {
                let digest = text.strip_prefix(**prefix).unwrap_or_default();
                digest.len() == DIGEST_BYTES
                    && digest.bytes().all(|byte| byte.is_ascii_alphanumeric())
            });
            if let Some(prefix) = generated {
                *text = prefix.trim_end_matches('-').to_owned();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(without_digests),
        Value::Object(fields) => fields.values_mut().for_each(without_digests),
        _ => {}
    }
}

fn manifests() -> PathBuf {
    workspace().join("manifests")
}

fn program(variable: &str) -> Result<PathBuf> {
    let path = std::env::var_os(variable)
        .with_context(|| format!("{variable} is not set: run `cargo xtask manifests`"))?;
    Ok(path.into())
}

//! What Suricata wrote: its `eve.json`, read out of its container.

use std::{cmp::Ordering, collections::BTreeMap, fmt, fmt::Write as _, time::Duration};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde_json::Value;

use super::{PODTAP_NAMESPACE, pods::MISSING, status::AgentPod};
use crate::{
    cluster::Cluster,
    image::web::{WEB_FILE, WEB_FILE_LENGTH},
    process::wait_for,
};

/// Suricata's events so far.
pub(super) struct Log {
    events: Vec<Value>,
}

/// Counters that are 0 as long as every frame was whole, in order, and had
/// the right checksums.
#[derive(Debug)]
pub(super) struct Faults {
    packets: u64,
    counters: BTreeMap<String, u64>,
}

/// What did not fit into Suricata's own ring.
const KERNEL_DROPS: &str = "capture.kernel_drops";

/// By their names in a `stats` event.
const FAULT_COUNTERS: [&str; 8] = [
    KERNEL_DROPS,
    "decoder.invalid",
    "decoder.event.ipv4.trunc_pkt",
    "decoder.event.ipv6.trunc_pkt",
    "decoder.too_many_layers",
    "tcp.invalid_checksum",
    "tcp.reassembly_gap",
    "tcp.pkt_on_wrong_thread",
];

/// Reads all of it.
pub(super) fn read(cluster: &Cluster, pod: &str) -> Result<Log> {
    let file = "/var/log/suricata/eve.json";
    let text = cluster.kubectl(&[
        "exec",
        "-n",
        PODTAP_NAMESPACE,
        pod,
        "-c",
        "suricata",
        "--",
        "cat",
        file,
    ])?;
    // The last line may be half written.
    let events = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    Ok(Log {
        events: events.collect(),
    })
}

impl Log {
    /// Whether the large file, whole, and the missing page are in it.
    pub(super) fn has_download_and_missing_page(&self, web_ip: &str) -> bool {
        let has = |url: &str, status: u64, length: Option<usize>| {
            self.http().any(|event| {
                let http = event.get("http");
                let number = |name: &str| http?.get(name)?.as_u64();
                let path = http.and_then(|http| http.get("url")?.as_str());
                event.get("dest_ip").and_then(Value::as_str) == Some(web_ip)
                    && path.is_some_and(|path| path.trim_start_matches('/') == url)
                    && number("status") == Some(status)
                    && length.is_none_or(|length| number("length") == Some(length as u64))
            })
        };
        has(WEB_FILE, 200, Some(WEB_FILE_LENGTH)) && has(MISSING, 404, None)
    }

    /// The http events by pod, equal ones counted together.
    pub(super) fn table(&self, cluster: &Cluster) -> Result<String> {
        let names = pod_names(cluster)?;
        let name = |event: &Value, field: &str| {
            let ip = event.get(field).and_then(Value::as_str).unwrap_or("?");
            names.get(ip).cloned().unwrap_or_else(|| ip.to_owned())
        };
        let mut rows: BTreeMap<_, u32> = BTreeMap::new();
        for event in self.http() {
            let http = |field: &str| {
                let value = event.get("http").and_then(|http| http.get(field));
                value.map_or_else(|| "-".into(), |value| value.to_string().replace('"', ""))
            };
            let row = (
                name(event, "src_ip"),
                name(event, "dest_ip"),
                http("http_method"),
                http("url"),
                http("status"),
                http("length"),
            );
            *rows.entry(row).or_default() += 1;
        }
        let mut table = format!(
            "{:14} {:14} {:6} {:14} {:>6} {:>10} {:>6}\n",
            "FROM", "TO", "METHOD", "URL", "STATUS", "LENGTH", "TIMES"
        );
        for ((from, to, method, url, status, length), times) in rows {
            writeln!(
                table,
                "{from:14} {to:14} {method:6} {url:14} {status:>6} {length:>10} {times:>6}"
            )?;
        }
        Ok(table)
    }

    fn http(&self) -> impl Iterator<Item = &Value> {
        self.of_type("http")
    }

    fn of_type(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.events
            .iter()
            .filter(move |event| event.get("event_type").and_then(Value::as_str) == Some(kind))
    }

    /// The counters of the last `stats` event.
    fn faults(&self) -> Option<Faults> {
        let event = self.of_type("stats").last()?;
        let stats = event.get("stats")?;
        let counter = |name: &str| {
            let path = format!("/{}", name.replace('.', "/"));
            stats.pointer(&path).and_then(Value::as_u64)
        };
        Some(Faults {
            packets: counter("decoder.pkts")?,
            counters: FAULT_COUNTERS
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), counter(name)?)))
                .collect(),
        })
    }
}

/// The counters, as soon as every frame that the agent put on the tap is in
/// them. Nothing else may be on it: counting more is an error at once.
pub(super) fn faults_of_all(
    cluster: &Cluster,
    agent: &AgentPod,
    limit: Duration,
) -> Result<Faults> {
    let more = wait_for("Suricata to have counted every frame", limit, || {
        let faults = read(cluster, agent.name())?.faults();
        let faults = faults.context("Suricata wrote no counters yet")?;
        let (counted, delivered) = (faults.offered(), agent.delivered(cluster)?);
        match counted.cmp(&delivered) {
            Ordering::Less => bail!("it counted {counted} of {delivered}"),
            Ordering::Equal => Ok(Some(Ok(faults))),
            Ordering::Greater => Ok(Some(Err((counted, delivered)))),
        }
    })?;
    more.map_err(|(counted, delivered)| {
        anyhow!(
            "Suricata counted {counted} packets, and only {delivered} frames were put on the tap"
        )
    })
}

impl Faults {
    /// Packets that it saw, and those that it was too slow for.
    fn offered(&self) -> u64 {
        let dropped = self.counters.get(KERNEL_DROPS).copied().unwrap_or(0);
        self.packets.saturating_add(dropped)
    }

    /// Fails if one of them is not 0, or if the counters are not there.
    pub(super) fn expect_none(&self) -> Result<()> {
        for name in [
            "decoder.invalid",
            "tcp.invalid_checksum",
            "tcp.reassembly_gap",
        ] {
            ensure!(
                self.counters.contains_key(name),
                "Suricata has no counter {name}"
            );
        }
        ensure!(self.packets > 0, "Suricata saw no packet");
        ensure!(self.counters.values().all(|count| *count == 0), "{self}");
        Ok(())
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} packets", self.packets)?;
        let (none, some): (Vec<_>, Vec<_>) =
            self.counters.iter().partition(|(_, count)| **count == 0);
        for (name, count) in some {
            write!(f, ", {name} {count}")?;
        }
        let none: Vec<_> = none.iter().map(|(name, _)| name.as_str()).collect();
        write!(f, "\n(0 each: {})", none.join(", "))?;
        Ok(())
    }
}

/// Namespace and name of each pod, by its addresses.
fn pod_names(cluster: &Cluster) -> Result<BTreeMap<String, String>> {
    let pods = cluster.kubectl_json(&["get", "pods", "--all-namespaces"])?;
    let items = pods.get("items").and_then(Value::as_array);
    let entry = |pod: &Value| {
        let field = |path: &str| pod.pointer(path)?.as_str().map(str::to_owned);
        Some((
            field("/status/podIP")?,
            format!(
                "{}/{}",
                field("/metadata/namespace")?,
                field("/metadata/name")?
            ),
        ))
    };
    Ok(items
        .context("no list of pods")?
        .iter()
        .filter_map(entry)
        .collect())
}

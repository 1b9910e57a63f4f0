//! Suricata beside the agent of one node.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context as _, Result};
use serde_json::Value;
use tap_userspace::adapter::{
    link::{Link, Links},
    netns::Netns,
};
use xtask::{
    cluster::{Cluster, Node, proc::Process},
    image::suricata::SURICATA_IMAGE,
    process::wait_for,
};

use crate::LIMIT;

/// The sensor of one node.
pub struct Suricata<'a>(&'a Node);

impl<'a> Suricata<'a> {
    /// The one of this node.
    pub fn of(node: &'a Node) -> Self {
        Self(node)
    }

    /// Its process, as seen from outside.
    pub fn process(&self) -> Result<Process> {
        let is_it = |process: &Process| {
            process
                .arguments()
                .first()
                .is_some_and(|word| word.ends_with("/suricata"))
        };
        let found = self.0.pod_processes().into_iter().find(is_it);
        found.context("no Suricata runs on the node")
    }

    /// The tap that it reads.
    pub fn tap(&self) -> Result<Link> {
        let netns = Netns::of_process(Path::new("/proc"), self.process()?.0)?;
        Ok(netns.inside(|| Links::open()?.by_name("podtap0"))??)
    }

    /// Its packet sockets, by inode.
    pub fn sockets(&self) -> Result<BTreeSet<String>> {
        let table = fs::read_to_string(format!("/proc/{}/net/packet", self.process()?.0))?;
        let inode = |line: &str| line.split_whitespace().last().map(str::to_owned);
        Ok(table.lines().skip(1).filter_map(inode).collect())
    }

    /// Waits until it has seen a request of this path, whole, with an answer.
    pub fn saw(&self, path: &str) -> Result<Value> {
        wait_for(&format!("Suricata's event of /{path}"), LIMIT, || {
            self.request(path)
        })
    }

    /// What it wrote of a request of this path, if it did.
    pub fn request(&self, path: &str) -> Result<Option<Value>> {
        let url = format!("/{path}");
        let is_it = |event: &Value| url_of(event) == Some(&url);
        Ok(self.requests()?.into_iter().find(is_it))
    }

    /// The paths of all requests that it saw with an answer.
    pub fn paths(&self) -> Result<Vec<String>> {
        let path = |event: &Value| Some(url_of(event)?.strip_prefix('/')?.to_owned());
        Ok(self.requests()?.iter().filter_map(path).collect())
    }

    /// Takes its container away, packet sockets and all, until what is
    /// returned goes. `pod` is the agent's.
    pub fn take_away<'b>(&self, cluster: &'b Cluster, pod: String) -> Result<Away<'b>> {
        let process = self.process()?;
        let away = Away { cluster, pod };
        // The pod stays, and so does its agent: its container's image can be
        // changed to one that there is not.
        away.set_image("podtap.dev/there-is-none:1")?;
        wait_for("Suricata's end", LIMIT, || {
            Ok(process.is_gone().then_some(()))
        })?;
        Ok(away)
    }

    fn requests(&self) -> Result<Vec<Value>> {
        let log = format!("/proc/{}/root/var/log/suricata/eve.json", self.process()?.0);
        let log = fs::read_to_string(log)?;
        // The last line may be half written.
        let events = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let is_answered = |event: &Value| {
            event["event_type"] == "http" && event.pointer("/http/status").is_some()
        };
        Ok(events.filter(is_answered).collect())
    }
}

/// A sensor is away as long as this lives.
#[must_use = "the sensor comes back when this is dropped"]
pub struct Away<'a> {
    cluster: &'a Cluster,
    pod: String,
}

impl Away<'_> {
    fn set_image(&self, image: &str) -> Result<()> {
        let target = format!("pod/{}", self.pod);
        let image = format!("suricata={image}");
        let arguments = ["set", "image", "-n", "podtap", &target, &image];
        self.cluster.kubectl(&arguments).map(drop)
    }
}

impl Drop for Away<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.set_image(SURICATA_IMAGE) {
            eprintln!("Suricata stays away from {}: {error:#}", self.pod);
        }
    }
}

fn url_of(event: &Value) -> Option<&str> {
    event.pointer("/http/url")?.as_str()
}

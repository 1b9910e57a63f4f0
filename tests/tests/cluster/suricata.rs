//! Suricata beside the agent of one node.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context as _, Result};
use serde_json::Value;
use tap_userspace::adapter::{
    link::{Link, Links},
    netns::Netns,
};
use xtask::{
    cluster::{Node, proc::Process},
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

fn url_of(event: &Value) -> Option<&str> {
    event.pointer("/http/url")?.as_str()
}

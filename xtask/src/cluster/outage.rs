//! A cluster without its API server: what everything on a node has to stand.

use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::proc::Process;
use super::{Cluster, control_plane};
use crate::process::wait_for;

const API_SERVER: &str = "kube-apiserver";

/// The API server is away as long as this lives.
#[derive(Debug)]
#[must_use = "the API server comes back when this is dropped"]
pub struct Outage<'a> {
    cluster: &'a Cluster,
    end: Option<End>,
}

/// How the API server comes back.
#[derive(Clone, Copy, Debug)]
enum End {
    Start,
    Thaw(Process),
}

impl Cluster {
    /// Kills the API server: connections break, new ones are refused.
    pub fn kill_api_server(&self) -> Result<Outage<'_>> {
        let process = self.api_server()?;
        signal(process, Signal::SIGKILL)?;
        wait_for("the API server's end", Duration::from_secs(10), || {
            Ok(process.is_gone().then_some(()))
        })?;
        Ok(Outage {
            cluster: self,
            end: Some(End::Start),
        })
    }

    /// Freezes the API server: connections stay and nothing answers on them.
    pub fn freeze_api_server(&self) -> Result<Outage<'_>> {
        let process = self.api_server()?;
        signal(process, Signal::SIGSTOP)?;
        Ok(Outage {
            cluster: self,
            end: Some(End::Thaw(process)),
        })
    }

    fn api_server(&self) -> Result<Process> {
        let is_it = |process: &Process| {
            process
                .executable()
                .is_some_and(|path| path.ends_with(API_SERVER))
        };
        let found = self.control().processes().into_iter().find(is_it);
        found.context("no API server runs")
    }
}

impl Outage<'_> {
    /// Brings the API server back; it is ready when this returns.
    pub fn end(mut self) -> Result<()> {
        self.bring_back()?;
        self.cluster
            .wait_for("the API server", Duration::from_secs(60), || {
                let answer = self.cluster.kubectl(&["get", "--raw", "/readyz"])?;
                Ok((answer == "ok").then_some(()))
            })
    }

    fn bring_back(&mut self) -> Result<()> {
        match self.end.take() {
            Some(End::Start) => {
                control_plane::start_api_server(self.cluster.layout(), self.cluster.control())
            }
            Some(End::Thaw(process)) => {
                // nsenter stops itself when its child is stopped.
                if let Some(nsenter) = process.parent() {
                    nsenter.resume();
                }
                signal(process, Signal::SIGCONT)
            }
            None => Ok(()),
        }
    }
}

impl Drop for Outage<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.bring_back() {
            eprintln!("the API server does not come back: {error:#}");
        }
    }
}

fn signal(process: Process, signal: Signal) -> Result<()> {
    let pid = i32::try_from(process.0).context("pid")?;
    kill(Pid::from_raw(pid), signal).with_context(|| format!("{signal} to {API_SERVER}"))
}

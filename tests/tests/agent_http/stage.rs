//! A node with one pod, a scripted API server, and an agent that serves HTTP.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::Command,
};

use tests::{
    DEADLINE, ScriptedNode, ScriptedPod, eventually, kube_api::Mode, podtap, run,
    scripted_node::NodeAgent,
};

/// Where the agent's pages are, in the node's namespace.
pub(crate) const ADDRESS: &str = "127.0.0.1:9555";

/// The node; its network namespace is also the agent's.
pub(crate) struct Stage {
    pub(crate) node: ScriptedNode,
    /// The pod that is tapped, once the API server knows it.
    pub(crate) web: ScriptedPod,
    /// A pod that it talks to.
    pub(crate) peer: ScriptedPod,
}

/// A page as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Stage {
    /// The API server has only just started.
    pub(crate) fn new() -> Self {
        let node = ScriptedNode::new();
        node.api.set_mode(Mode::Starting);
        let (web, peer) = (node.pod("web"), node.pod("peer"));
        for pod in [&web, &peer] {
            node.wait_for_carrier(pod);
        }
        Self { node, web, peer }
    }

    /// The command that runs the agent.
    pub(crate) fn agent(&self) -> Command {
        let mut command = self.node.agent();
        command.args(["--http", ADDRESS]);
        command
    }

    /// Runs `podtap log`: whether that was a success, and what it said.
    pub(crate) fn log(&self, directives: &[&str]) -> (bool, String) {
        let mut command = podtap();
        command.arg("log").args(directives);
        command.arg("--socket").arg(self.node.socket());
        let output = run(&mut command);
        let said = String::from_utf8(output.stderr).expect("text");
        (output.status.success(), said)
    }

    /// Asks for one of the agent's pages.
    pub(crate) fn get(&self, path: &str) -> Answer {
        let text = self.node.netns.inside(|| {
            let mut stream = TcpStream::connect(ADDRESS).expect("a connection");
            stream.set_read_timeout(Some(DEADLINE)).expect("a limit");
            let request = format!("GET {path} HTTP/1.1\r\nhost: podtap\r\n\r\n");
            stream.write_all(request.as_bytes()).expect("to send");
            let mut text = String::new();
            stream.read_to_string(&mut text).expect("text");
            text
        });
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).expect("a status");
        Answer {
            status: status.parse().expect("a number"),
            body: body.to_owned(),
        }
    }

    /// The value of a series, its labels as they are written; 0 if it is not
    /// there.
    pub(crate) fn metric(&self, series: &str) -> u64 {
        let page = self.get("/metrics");
        assert_eq!(page.status, 200, "{}", page.body);
        value(&page.body, series)
    }

    /// Waits until a series has this value.
    pub(crate) fn wait_for_metric(&self, series: &str, expected: u64) {
        eventually(&format!("{series} is {expected}"), || {
            (self.metric(series) == expected).then_some(())
        });
    }

    /// Ends the agent in order; nothing is left but the tap for its sensor.
    pub(crate) fn stop(&self, agent: NodeAgent) -> String {
        let log = self.node.end_all(agent, &[&self.web, &self.peer]);
        let address: SocketAddr = ADDRESS.parse().expect("an address");
        let refused = self.node.netns.inside(|| TcpStream::connect(address));
        assert!(refused.is_err(), "still listening");
        log
    }
}

/// The value of a series on a page; 0 if it is not there.
pub(crate) fn value(page: &str, series: &str) -> u64 {
    let found = page
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    found.map_or(0, |value| value.parse().expect("a number"))
}

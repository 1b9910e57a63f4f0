//! A protocol's part of the corpus: a real server, a real client, and what a
//! sensor has to log of them.

use std::io::Write as _;

use crate::{
    dns, ftp, http,
    path::{Path, SERVER},
    root::Root,
    smb, ssh, tftp, tls,
};

/// One of them.
#[derive(Debug)]
pub(crate) struct Protocol {
    pub(crate) name: &'static str,
    /// Files that it needs; without one of them it is skipped.
    pub(crate) needs: &'static [&'static str],
    /// Starts the server: a shell script in `/corpus`.
    pub(crate) serve: &'static str,
    /// Waits for the server and talks to it: a shell script in `/corpus` that
    /// is run for each address. `$IP` is the server's, `$HOST` the same in a
    /// URL, `$NAME` a file's name for it. It fails unless the traffic brought what it should.
    pub(crate) talk: &'static str,
    /// Events by type and a field in it, if it matters, and how many of them
    /// one run of `talk` makes at least.
    pub(crate) logged: &'static [Logged],
}

/// Events of one type, perhaps those with a value at a JSON pointer.
#[derive(Debug)]
pub(crate) struct Logged {
    pub(crate) event_type: &'static str,
    pub(crate) with: Option<(&'static str, &'static str)>,
    pub(crate) at_least: usize,
}

/// All, in the order in which they are talked.
const ALL: [&Protocol; 7] = [
    &http::HTTP,
    &tls::TLS,
    &dns::DNS,
    &ssh::SSH,
    &ftp::FTP,
    &smb::SMB,
    &tftp::TFTP,
];

/// Starts the servers that there are, and says which there are not.
pub(crate) fn serve(root: &Root, path: &Path) -> Vec<&'static Protocol> {
    let mut served = Vec::new();
    for protocol in ALL {
        match protocol.needs.iter().find(|file| !root.has(file)) {
            // Past the test runner, which shows nothing of tests that pass.
            Some(file) => writeln!(
                std::io::stderr(),
                "skipped: {}: the archive gave no {file}",
                protocol.name
            )
            .expect("standard error"),
            None => {
                root.shell(&path.server, &in_corpus(protocol.serve), &[]);
                served.push(protocol);
            }
        }
    }
    served
}

impl Protocol {
    /// Talks to the server, over IPv4 and then over IPv6.
    pub(crate) fn talk(&self, root: &Root, path: &Path) {
        for (ip, host) in SERVER {
            let name = ip.replace(':', "-");
            let variables = [("IP", ip), ("HOST", host), ("NAME", &name)];
            root.shell(&path.pod, &in_corpus(self.talk), &variables);
        }
    }
}

fn in_corpus(script: &str) -> String {
    format!("cd /corpus\n{script}")
}

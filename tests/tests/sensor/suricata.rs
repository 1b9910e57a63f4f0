//! Debian's Suricata with its own configuration, but for what it logs, and
//! with no limit on what it looks into.

use std::{fs, process::Command};

use tests::{Running, TestNetns, eventually_equal};

use crate::{events::Events, root::Root};

/// Log everything that the corpus can make it log; check all checksums.
const CONFIGURATION: &str = "%YAML 1.1
---
include: /etc/suricata/suricata.yaml
outputs:
  - eve-log:
      enabled: yes
      filetype: regular
      filename: eve.json
      types:
        - alert
        - anomaly: { enabled: yes, types: { decode: yes, stream: yes, applayer: yes } }
        - http: { extended: yes }
        - dns: { version: 2 }
        - tls: { extended: yes, ja4: on, custom: [subject, issuer, serial, fingerprint, sni,
            version, not_before, not_after, certificate, chain, ja3, ja3s, ja4, session_resumed] }
        - files: { force-magic: yes, force-hash: [sha256] }
        - smb
        - ftp
        - tftp
        - ssh
        - flow
        - stats: { totals: yes, threads: no, null-values: yes }
af-packet:
  - interface: tap0
    threads: 1
    ring-size: 200000
    use-mmap: yes
    checksum-checks: yes
";

const SETTINGS: [&str; 9] = [
    // How often it counts, in seconds.
    "stats.interval=1",
    "app-layer.protocols.tls.ja3-fingerprints=yes",
    "app-layer.protocols.tls.ja4-fingerprints=yes",
    "app-layer.protocols.ssh.hassh=yes",
    "app-layer.protocols.http.libhtp.default-config.request-body-limit=0",
    "app-layer.protocols.http.libhtp.default-config.response-body-limit=0",
    "stream.checksum-validation=yes",
    "stream.reassembly.depth=0",
    "pcap-file.checksum-checks=yes",
];

const RULES: &str = r#"
alert http any any -> any any (msg:"podtap-test URI"; http.uri; content:"/podtap-alert"; sid:1;)
alert http any any -> any any (msg:"podtap-test file"; flow:to_client; filesize:>1900000; sid:2;)
alert tls any any -> any any (msg:"podtap-test SNI"; tls.sni; content:"web.test"; sid:3;)
alert dns any any -> any any (msg:"podtap-test name"; dns.query; content:"none.test"; sid:4;)
alert ssh any any -> any any (msg:"podtap-test SSH"; ssh.software; content:"OpenSSH"; sid:5;)
alert ftp any any -> any any (msg:"podtap-test FTP"; flow:to_server; content:"RETR"; sid:6;)
alert smb any any -> any any (msg:"podtap-test share"; smb.share; content:"share"; sid:7;)
"#;

/// Writes its configuration.
pub(crate) fn prepare(root: &Root) {
    for (name, text) in [("suricata.yaml", CONFIGURATION), ("test.rules", RULES)] {
        fs::write(root.corpus().join(name), text).expect("a file");
    }
}

/// It reads a recording, to its end.
pub(crate) fn read(root: &Root, recording: &str) -> Events {
    let log = format!("log-{recording}");
    let mut command = command(root, &log);
    command.args(["-r", &format!("/corpus/{recording}")]);
    let (success, said) = Running::spawn(&mut command).wait();
    assert!(success, "{said}");
    Events::read(&root.corpus().join(log).join("eve.json"))
}

/// It reads an interface, until it is ended.
#[derive(Debug)]
pub(crate) struct Live {
    running: Running,
    eve: std::path::PathBuf,
}

impl Live {
    /// Starts it; when this returns, it reads.
    pub(crate) fn start(root: &Root, netns: &TestNetns) -> Self {
        let mut command = command(root, "log-live");
        command.arg("--af-packet=tap0");
        Self {
            running: netns.inside(|| Running::start(&mut command, "Engine started")),
            eve: root.corpus().join("log-live/eve.json"),
        }
    }

    /// Ends it when it has counted so many packets; what it logged.
    pub(crate) fn end_after(self, packets: u64) -> Events {
        eventually_equal(
            "packets that Suricata counted, and frames on the tap",
            || (Events::read(&self.eve).packets(), packets),
        );
        let (success, said) = self.running.interrupt();
        assert!(success, "{said}");
        Events::read(&self.eve)
    }
}

fn command(root: &Root, log: &str) -> Command {
    fs::create_dir(root.corpus().join(log)).expect("a folder");
    let mut command = root.command("sh");
    // Its notices go to where they are waited for.
    command
        .args(["-c", "exec suricata \"$@\" >&2", "sh"])
        .args(["-c", "/corpus/suricata.yaml", "-S", "/corpus/test.rules"])
        .args(["-l", &format!("/corpus/{log}")])
        // All checksums are checked, and one thread logs in one order.
        .args(["-k", "all", "--runmode", "single"])
        .args(SETTINGS.iter().flat_map(|setting| ["--set", setting]));
    command
}

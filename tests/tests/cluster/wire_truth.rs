//! What crossed the wire between two nodes is what a capture holds.

use std::{fs, process::Command};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};
use xtask::{
    cluster::Cluster,
    image::web::{WEB_FILE, web_file},
    process::run,
};

use crate::{
    capture::{Capture, read},
    namespace::Namespace,
};

#[test]
#[ignore = "needs root and the cluster of cargo xtask demo --keep"]
fn root_a_download_between_nodes_is_captured_to_the_byte() -> Result<()> {
    let cluster = Cluster::attach()?;
    let namespace = Namespace::new(&cluster, "download")?;
    let node = &cluster.nodes()[0];
    let web = namespace.web("web", &[])?;
    let client = namespace.start(&namespace.manifest("client", 1, &[]))?;
    assert_ne!(web.node, client.node);
    let folder = tempfile::tempdir_in(cluster.layout().workspace().join("target"))?;
    let file = folder.path().join("web.pcapng");

    let capture = Capture::start(&cluster, node, &web, &file)?;
    let ask = format!("wget -q -O - http://{}/{WEB_FILE} | sha256sum", web.ip);
    let exec = [
        "exec",
        "-n",
        namespace.name(),
        &client.name,
        "--",
        "sh",
        "-c",
        &ask,
    ];
    let received = cluster.kubectl(&exec)?;
    let said = capture.end()?;
    let sha256 = hex(&web_file());
    assert!(
        received.starts_with(&sha256),
        "the download itself: {received}"
    );
    assert!(
        said.contains("ledger closes") && said.contains("\n0 packets dropped"),
        "{said}"
    );

    // By a reader that knows nothing of us.
    let bodies = folder.path().join("bodies");
    run(Command::new("tshark")
        .args(["-n", "-q", "-r"])
        .arg(&file)
        .arg("--export-objects")
        .arg(format!("http,{}", bodies.display())))?;
    let body = fs::read(bodies.join(WEB_FILE)).context("no body in the capture")?;
    assert_eq!(
        hex(&body),
        sha256,
        "the body in the capture is not what was sent"
    );
    let longest = web.eth0()?.mtu_bytes + 14;
    let wrong = format!(
        "frame.len > {longest} || frame.cap_len < frame.len || ip.checksum.status == 0 || \
         tcp.checksum.status == 0 || tcp.analysis.lost_segment || _ws.malformed"
    );
    assert_eq!(
        read(&file, &wrong, &["frame.number", "frame.len"])?,
        Vec::<String>::new()
    );
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

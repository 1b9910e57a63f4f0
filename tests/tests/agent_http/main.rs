//! What an agent tells a scraper and the kubelet's probes while it taps a pod,
//! without a cluster: a scripted API server, a `/proc` made for the test, a
//! real kernel.
//!
//! If this fails, a node that taps nothing looks well, an agent that does its
//! work is restarted, or the numbers are not those of the packets.

mod blind;
mod limits;
mod memory;
mod pause;
mod stage;

use std::net::TcpListener;

use serde_json::Value;
use stage::{ADDRESS, Stage, value};
use tests::{PacketSocket, Residue, eventually, kube_api::Mode, ping, run, udp_datagrams};

#[test]
#[ignore = "needs root"]
fn root_probes_and_numbers_follow_the_agent() {
    let stage = Stage::new();
    let agent = stage.node.start(&mut stage.agent());
    // It lives, and it cannot tap what nobody has told it.
    assert_eq!(stage.get("/healthz").status, 200);
    let waits = stage.get("/readyz");
    assert_eq!(waits.status, 503);
    assert!(waits.body.contains("API server"), "{}", waits.body);
    stage.wait_for_metric("podtap_api_state{state=\"away\"}", 1);
    assert_eq!(stage.metric("podtap_ready"), 0);
    assert_eq!(stage.get("/").status, 404);

    stage.node.api.put("pods", stage.web.labelled());
    stage.node.api.set_mode(Mode::Serving);
    stage.wait_for_metric("podtap_attached_targets", 1);
    eventually("it is ready", || {
        (stage.get("/readyz").status == 200).then_some(())
    });
    stage.wait_for_metric("podtap_ready", 1);
    stage.wait_for_metric("podtap_api_state{state=\"connected\"}", 1);
    stage.wait_for_metric("podtap_events_total{outcome=\"sent\"}", 1);
    for (series, expected) in [
        ("podtap_wanted_pods", 1),
        ("podtap_attached_pods", 1),
        ("podtap_resolve_seconds_count", 1),
        ("podtap_attach_seconds_count", 1),
    ] {
        assert_eq!(stage.metric(series), expected, "{series}");
    }
    traffic_is_counted(&stage);

    // The API server goes, the tap stays.
    stage.node.api.set_mode(Mode::Down);
    stage.wait_for_metric("podtap_api_state{state=\"away\"}", 1);
    for path in ["/readyz", "/healthz"] {
        assert_eq!(stage.get(path).status, 200, "{path}");
    }
    assert_eq!(stage.metric("podtap_attached_targets"), 1);

    // The pod goes, what it said stays in the sums.
    let before = stage.get("/metrics").body;
    stage.node.api.set_mode(Mode::Serving);
    stage.node.wait_for_watches();
    stage.node.api.remove("pods", "web");
    stage.wait_for_metric("podtap_attached_targets", 0);
    let after = stage.get("/metrics").body;
    assert!(!after.contains("pod=\"web\""), "{after}");
    for series in [
        "podtap_seen_skbs_total{direction=\"out\"}",
        "podtap_verdict_bytes_total{direction=\"out\",verdict=\"mirrored\"}",
        "podtap_frames_total{outcome=\"delivered\"}",
        "podtap_frame_bytes_total",
        "podtap_delay_seconds_count",
    ] {
        assert!(value(&before, series) > 0, "{series}");
        assert_eq!(value(&after, series), value(&before, series), "{series}");
    }
    stage.stop(agent);
}

/// A sensor that went deaf sees nothing, and says nothing.
#[test]
#[ignore = "needs root"]
fn root_who_listens_on_the_tap_is_counted() {
    let stage = Stage::new();
    let agent = stage.node.start(&mut stage.agent());
    stage.wait_for_metric("podtap_tap_readers", 0);
    let links = stage.node.netns.links();
    let tap = links.iter().find(|link| link.kind == "tun");
    let index = tap.expect("the tap").index;
    let sensor = stage
        .node
        .netns
        .inside(|| PacketSocket::open(index).expect("a packet socket"));
    stage.wait_for_metric("podtap_tap_readers", 1);
    drop(sensor);
    stage.wait_for_metric("podtap_tap_readers", 0);
    stage.stop(agent);
}

/// Ten datagrams and a ping, seen from the pod: eleven packets out, one in.
fn traffic_is_counted(stage: &Stage) {
    let seen = |direction: &str| {
        let labels = format!("namespace=\"shop\",pod=\"web\",direction=\"{direction}\"");
        stage.metric(&format!("podtap_pod_seen_skbs_total{{{labels}}}"))
    };
    let (pod, peer) = (&stage.web.end, &stage.peer.end);
    // ARP is done.
    ping(pod, peer, 100);
    let before = (seen("in"), seen("out"));
    let lengths = [100; 10];
    udp_datagrams((pod, pod.ipv4), (peer, peer.ipv4), &lengths, None);
    ping(pod, peer, 100);
    assert_eq!(seen("out") - before.1, 11);
    assert_eq!(seen("in") - before.0, 1);

    // What was seen was mirrored, read, made a frame of, and delivered.
    let all = seen("in") + seen("out");
    stage.wait_for_metric("podtap_frames_total{outcome=\"delivered\"}", all);
    let page = stage.get("/metrics").body;
    let sum = |name: &str| {
        let lines = page.lines().filter(|line| line.starts_with(name));
        let values = lines.map(|line| line.rsplit(' ').next().expect("a value"));
        values
            .map(|value| value.parse::<u64>().expect("a number"))
            .sum::<u64>()
    };
    for name in [
        "podtap_seen_skbs_total",
        "podtap_verdict_skbs_total",
        "podtap_ring_records_total",
        "podtap_pod_verdict_skbs_total",
        "podtap_pod_frames_total",
        "podtap_delay_seconds_count",
    ] {
        assert_eq!(sum(name), all, "{name}:\n{page}");
    }
}

#[test]
#[ignore = "needs root"]
fn root_pods_are_in_no_label_unless_they_may() {
    let stage = Stage::new();
    stage.node.api.put("pods", stage.web.labelled());
    stage.node.api.set_mode(Mode::Serving);
    let agent = stage
        .node
        .start(stage.agent().args(["--metrics-pods", "false"]));
    stage.wait_for_metric("podtap_attached_targets", 1);
    ping(&stage.web.end, &stage.peer.end, 100);
    let page = stage.get("/metrics").body;
    assert!(!page.contains("podtap_pod_"), "{page}");
    assert!(!page.contains("shop"), "{page}");
    let sent = "podtap_seen_skbs_total{direction=\"out\"}";
    assert!(value(&page, sent) > 0, "{page}");
    stage.stop(agent);
}

#[test]
#[ignore = "needs root"]
fn root_what_is_logged_changes_while_the_agent_runs() {
    const DEBUG: &str = "not tapped yet";
    let stage = Stage::new();
    stage.node.api.set_mode(Mode::Serving);
    let mut agent = stage
        .node
        .start(stage.agent().args(["--log-format", "json"]));
    let (success, said) = stage.log(&["dbug"]);
    assert!(!success, "{said}");
    assert!(said.contains("dbug is no level"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");

    // A pod whose process is nowhere: told at once at this level only.
    let (success, said) = stage.log(&["info,tap_userspace::agent=debug"]);
    assert!(success, "{said}");
    assert!(said.contains("tap_userspace::agent=debug"), "{said}");
    let mut ghost = stage.node.unconnected_pod("ghost");
    ghost.end_processes();
    stage.node.api.put("pods", ghost.labelled());
    agent.running.wait_for(DEBUG);
    stage.wait_for_metric("podtap_refused_pods{reason=\"netns_not_found\"}", 1);
    assert!(stage.metric("podtap_attach_failures_total") >= 7);
    assert_eq!(stage.metric("podtap_attached_pods"), 0);

    // As it was started.
    let (success, said) = stage.log(&[]);
    assert!(success, "{said}");
    assert!(said.contains("info") && !said.contains("debug"), "{said}");
    let log = stage.stop(agent);
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    let says = |line: &&Value, text: &str| {
        let message = line["message"].as_str().expect("a message");
        message.contains(text)
    };
    let changed = |line: &Value| says(&line, "filter has changed");
    let last = lines.iter().rposition(changed).expect("a change");
    let first = lines.iter().position(changed).expect("a change");
    for line in lines[..first].iter().chain(&lines[last..]) {
        assert_ne!(line["level"], "DEBUG", "{line}");
    }
    let debug = lines.iter().find(|line| says(line, DEBUG));
    let debug = debug.expect("the line");
    assert_eq!(debug["level"], "DEBUG", "{debug}");
    assert_eq!(debug["pod"], "shop/ghost", "{debug}");
}

#[test]
#[ignore = "needs root"]
fn root_an_address_that_is_taken_is_one_line_that_names_it() {
    let stage = Stage::new();
    let taken = stage.node.netns.inside(|| TcpListener::bind(ADDRESS));
    let _taken = taken.expect("the address");
    let output = stage.node.netns.inside(|| run(&mut stage.agent()));
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(!output.status.success(), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    let reason = format!("cannot listen for HTTP on {ADDRESS}: Address already in use");
    assert!(said.contains(&reason), "{said}");
    assert!(!stage.node.socket().exists());
    Residue::assert_none(&[&stage.node.netns, &stage.web.end.netns]);
}

#[test]
#[ignore = "needs root"]
fn root_an_agent_that_is_not_told_to_listens_on_nothing() {
    let stage = Stage::new();
    stage.node.api.set_mode(Mode::Serving);
    let mut command = stage.agent();
    let with_http: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    let without = with_http
        .iter()
        .filter(|argument| *argument != "--http" && *argument != ADDRESS);
    command = tests::podtap();
    command.args(without).env_remove("PODTAP_LOG");
    let agent = stage.node.start(&mut command);
    let listening = stage
        .node
        .netns
        .run("ss --no-header --listening --tcp --udp --processes");
    assert!(!listening.contains("\"podtap\""), "{listening}");
    stage.stop(agent);
}

//! A VLAN tag is in the captured frame once, wherever the kernel keeps it.
//!
//! If this fails, a sensor sees a VLAN's traffic as untagged, mixes the hosts
//! of two VLANs, or cannot read a frame with its tag twice.

use tap_common::Direction;
use tests::{
    CAPTURING, CaptureFile, PacketSocket, Residue, Running, TestNetns, Veth, capture_of, craft,
};

const TAG: u16 = 0x8100;
const SERVICE_TAG: u16 = 0x88a8;

#[test]
#[ignore = "needs root"]
fn root_a_received_tag_is_put_back_once() {
    let veth = Veth::ipv4_only();
    let sender = veth.peer.packet_socket();
    let sent = frames();
    let captured = captured(&veth, Direction::In, &sent, |frame| {
        // The receiving kernel takes the outermost tag out of the packet
        // before tc runs (`skb_vlan_untag`).
        sender.send(frame).expect("to send");
    });
    assert_same(&captured, &sent);
}

#[test]
#[ignore = "needs root"]
fn root_a_sent_tag_stays_where_it_is() {
    let veth = Veth::ipv4_only();
    let sender = veth.pod.packet_socket();
    let sent = frames();
    let captured = captured(&veth, Direction::Out, &sent, |frame| {
        // From a packet socket the tag is a part of the packet at egress.
        sender.send(frame).expect("to send");
    });
    assert_same(&captured, &sent);
}

#[test]
#[ignore = "needs root"]
fn root_a_bridged_tag_is_put_back_at_egress() {
    let veth = Veth::ipv4_only();
    let pod = &veth.pod.netns;
    // The pod bridges a second interface with eth0: the bridge hands on what
    // was received with its tag beside it.
    pod.run("ip link add inner0 type veth peer name inner1");
    pod.run("ip link add bridge0 type bridge");
    for link in ["inner0", "eth0"] {
        pod.run(&format!("ip link set {link} master bridge0"));
    }
    for link in ["inner0", "inner1", "bridge0"] {
        pod.run(&format!("ip link set {link} up"));
    }
    let inner = pod.link("inner1").expect("the inner end");
    let sender = pod
        .inside(|| PacketSocket::open(inner.index))
        .expect("a packet socket");
    forwards(pod, "inner0");
    forwards(pod, "eth0");
    let sent = frames();
    let captured = captured(&veth, Direction::Out, &sent, |frame| {
        sender.send(frame).expect("to send");
    });
    assert_same(&captured, &sent);
}

/// Waits until a bridge's port forwards.
fn forwards(netns: &TestNetns, port: &str) {
    tests::eventually("the port forwards", || {
        let state = netns.run(&format!("ip -d link show {port}"));
        state.contains("state forwarding").then_some(())
    });
}

/// One frame a case: identifiers, priorities, both kinds of tag, two tags,
/// and tags that are all zeroes.
fn frames() -> Vec<Vec<u8>> {
    let plain = |words: &str| craft::marker(words);
    vec![
        plain("no tag"),
        craft::tagged(&plain("VLAN 42"), TAG, 42),
        craft::tagged(&plain("VLAN 4094, priority 7"), TAG, 0xeffe),
        craft::tagged(&plain("VLAN 0"), TAG, 0),
        craft::tagged(&plain("VLAN 0, priority 5"), TAG, 0xa000),
        craft::tagged(&plain("service VLAN 7"), SERVICE_TAG, 7),
        craft::tagged(
            &craft::tagged(&plain("VLAN 42 in service VLAN 7"), TAG, 42),
            SERVICE_TAG,
            7,
        ),
        craft::tagged(&craft::tagged(&plain("VLAN 0 in VLAN 0"), TAG, 0), TAG, 0),
        // The last: what was sent before it is there when it is.
        plain(LAST),
    ]
}

const LAST: &str = "the last frame";

/// What the capture has of the frames that were sent while it ran.
fn captured(
    veth: &Veth,
    direction: Direction,
    frames: &[Vec<u8>],
    send: impl Fn(&[u8]),
) -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("capture.pcapng");
    let capture = Running::start(capture_of(&veth.pod).arg("-w").arg(&path), CAPTURING);
    for frame in frames {
        send(frame);
    }
    CaptureFile::wait_for(&path, LAST);
    let (success, log) = capture.interrupt();
    assert!(success, "{log}");
    Residue::assert_none(&[&veth.pod.netns]);
    let file = CaptureFile::read(&path);
    file.frames(direction)
        .into_iter()
        .filter(|frame| frame[6..12] == craft::SOURCE)
        .map(<[u8]>::to_vec)
        .collect()
}

fn assert_same(captured: &[Vec<u8>], sent: &[Vec<u8>]) {
    for (captured, sent) in captured.iter().zip(sent) {
        assert_eq!(
            captured,
            sent,
            "captured, and sent:\n{}\n{}",
            captured.escape_ascii(),
            sent.escape_ascii()
        );
    }
    assert_eq!(captured.len(), sent.len(), "frames captured, and sent");
}

//! A tag that the kernel keeps beside the packet is put back into the frame.

use std::net::IpAddr;

use futures::TryStreamExt as _;
use rtnetlink::{LinkVlan, new_connection};
use tap_common::Direction;
use tap_userspace::adapter::bpf::Hook;
use tests::{PacketSocket, Veth, VethEnd, frame, tcp_transfer};

use super::capture::Capture;
use crate::quiet;

const VLAN: u16 = 42;
const TRANSFER_BYTES: usize = 2_000_000;

/// A frame with its tag in band, sent from a packet socket: on its way in, the
/// kernel takes the tag out (`skb_vlan_untag` in `__netif_receive_skb_core`).
pub(super) fn in_band(hook: Hook) -> String {
    let veth = Veth::new();
    let sender = veth
        .peer
        .netns
        .inside(|| PacketSocket::open(veth.peer.link().index))
        .expect("a packet socket");
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 0, 0, 0, 1, 0x81, 0]);
    frame.extend(VLAN.to_be_bytes());
    // A local experimental EtherType: nobody answers.
    frame.extend([0x88, 0xb5]);
    frame.extend((0..100).map(|byte: u8| byte));
    let capture = Capture::start(&veth, hook);
    sender.send(&frame).expect("to send");
    capture.read();
    let captured = capture.finish();
    let mut received = captured
        .frames
        .iter()
        .filter(|(direction, bytes)| *direction == Direction::In && bytes.len() >= frame.len());
    assert!(
        received.any(|(_, bytes)| *bytes == frame),
        "the frame is not among those captured: {:02x?}",
        captured.frames
    );
    assert_eq!(captured.counts.vlan_put_back, 1, "{:?}", captured.counts);
    format!("{} bytes, as they were sent", frame.len())
}

/// TCP over 802.1Q devices: super-frames with the tag beside them, both ways.
pub(super) fn device(hook: Hook) -> String {
    let veth = Veth::new();
    let pod = (&veth.pod, add_device(&veth.pod, 1));
    let peer = (&veth.peer, add_device(&veth.peer, 2));
    let capture = Capture::start(&veth, hook);
    let before = capture.read();
    let sent = tcp_transfer(pod, peer, TRANSFER_BYTES);
    let received = tcp_transfer(peer, pod, TRANSFER_BYTES);
    let carried = quiet::assert_same(&before, &capture.read());
    let captured = capture.finish();
    let put_back = captured.counts.vlan_put_back;
    assert!(
        put_back > 0 && captured.counts.super_frames > 0,
        "{:?}",
        captured.counts
    );
    let frames = frame::assert_wire_true(&captured.frames);
    frame::assert_carries(&captured.frames, &sent);
    frame::assert_carries(&captured.frames, &received);
    let tagged = captured
        .frames
        .iter()
        .filter(|(_, bytes)| frame::vlan_id(bytes) == Some(VLAN))
        .count();
    assert!(
        tagged > frames / 2,
        "{tagged} of {frames} frames have the tag"
    );
    format!(
        "{carried} skbs as the interface counted, {put_back} tags beside them, {} super-frames, \
         {tagged} of {frames} frames tagged",
        captured.counts.super_frames
    )
}

/// A VLAN device on an end's `eth0`, up and with an address, which it returns.
fn add_device(end: &VethEnd, host: u8) -> IpAddr {
    let address: IpAddr = format!("10.98.0.{host}").parse().expect("an address");
    let lower = end.link().index;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .expect("a runtime");
    let add = async move {
        let (connection, handle, _) = new_connection()?;
        tokio::spawn(connection);
        let device = LinkVlan::new("vlan0", lower, VLAN).up().build();
        handle.link().add(device).execute().await?;
        let mut links = handle.link().get().match_name("vlan0").execute();
        let link = links.try_next().await?.expect("the new device");
        handle
            .address()
            .add(link.header.index, address, 24)
            .execute()
            .await?;
        anyhow::Ok(())
    };
    end.netns
        .inside(|| runtime.block_on(add))
        .expect("a VLAN device");
    address
}

//! Has a tap as the agent has it, delivers one frame on it, and ends.
//!
//! A process of its own: a tap is made in the namespace that its process
//! started in, and whether it outlives that process is what is asked.

use tap_common::Direction;
use tap_userspace::{
    adapter::{
        bpf::Hook,
        sink::{Delivery, Sink as _, TapName},
    },
    agent::tap::{Keep, TapInterface},
    model::{Frame, FrameBytes, TargetId},
};
use tests::craft;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(name), Some(words)) = (arguments.next(), arguments.next()) else {
        anyhow::bail!("the tap's name and the frame's words are wanted");
    };
    let name: TapName = name.parse()?;
    let (interface, mut tap) = TapInterface::open(name, Keep::Always, Hook::Auto)?;
    let head = craft::marker(&words);
    let delivery = tap.deliver(&Frame {
        target_id: TargetId(1),
        direction: Direction::In,
        timestamp_ns: 0,
        bytes: FrameBytes {
            head: &head,
            payload: &[],
        },
    })?;
    anyhow::ensure!(delivery == Delivery::Delivered, "refused");
    interface.close()?;
    Ok(())
}

//! Taps that do not see what their interface carries.

use std::{mem, time::Instant};

use tap_common::{Count, Direction};

use super::{Standing, Tapped, Tapping};
use crate::{
    adapter::{
        link::{Link, LinkCounters},
        netns::Netns,
    },
    agent::datapath::Datapath,
    engine::drift::{Change, Missed, Totals},
    model::{Ledger, pod::Pod, settings::Settings},
};

impl Tapping {
    /// Compares what each of a pod's tapped interfaces carried with what its
    /// tap saw. A blind one is attached again, once: if that does not help, the
    /// packets go around tc, and to attach again and again would only lose
    /// others. Blocks.
    pub(super) fn look_for_drift(
        &mut self,
        pod: &Pod,
        settings: &Settings,
        netns: &Netns,
        links: &[Link],
        tapped: &mut Tapped,
        datapath: &Datapath,
    ) {
        for mut standing in mem::take(&mut tapped.targets) {
            let index = standing.target.link.index;
            let link = links.iter().find(|link| link.index == index);
            // Read after the counters: what came between them was seen.
            let changes = match (link, standing.target.ledger()) {
                (Some(link), Ok(ledger)) => {
                    let totals = |direction| totals(link.counters, &ledger, direction);
                    standing.drift.look(Instant::now(), totals)
                }
                _ => Vec::new(),
            };
            for change in &changes {
                self.tell_of_drift(pod, &standing, change);
            }
            let is_to_attach = |change: &Change| matches!(change, Change::Blind(_));
            let (true, Some(link)) = (changes.iter().any(is_to_attach), link) else {
                tapped.targets.push(standing);
                continue;
            };
            let drift = standing.drift.attached_again();
            self.end(&pod.key.to_string(), standing, Some(netns), datapath);
            match self.attach_interface(pod, settings, netns, link.clone(), datapath) {
                Ok(standing) => tapped.targets.push(Standing { drift, ..standing }),
                // Tried again with the next look, as an interface that has
                // come.
                Err(error) => tracing::warn!(
                    pod = %pod.key,
                    interface = link.name,
                    %error,
                    "a blind tap cannot be attached again"
                ),
            }
        }
    }

    fn tell_of_drift(&self, pod: &Pod, standing: &Standing, change: &Change) {
        let interface = &standing.target.link.name;
        let (missed, remedy) = match change {
            Change::Sees(direction) => {
                let direction = direction.name();
                tracing::info!(pod = %pod.key, interface, direction, "the tap sees again");
                let note = format!("podtap sees again what {interface} carries ({direction})");
                self.events.sees(pod, &note);
                return;
            }
            Change::Blind(missed) => (
                missed,
                "another program must have taken it off: it is attached again",
            ),
            Change::StillBlind(missed) => (
                missed,
                "to attach it again did not help: the packets go around tc \
                 (PACKET_QDISC_BYPASS, AF_XDP) or are dropped by XDP",
            ),
        };
        let Missed { direction, totals } = missed;
        let direction = direction.name();
        tracing::warn!(
            pod = %pod.key,
            interface,
            direction,
            carried = totals.carried.packets,
            seen = totals.seen.packets,
            remedy,
            "the tap is blind"
        );
        let note = format!(
            "{interface} carried {} packets ({direction}) of which podtap saw {}: {remedy}",
            totals.carried.packets, totals.seen.packets
        );
        self.events.blind(pod, &note);
    }
}

fn totals(carried: LinkCounters, ledger: &Ledger, direction: Direction) -> Totals {
    let (packets, bytes, seen) = match direction {
        Direction::In => (carried.rx_packets, carried.rx_bytes, ledger.received.seen),
        Direction::Out => (carried.tx_packets, carried.tx_bytes, ledger.sent.seen),
    };
    Totals {
        carried: Count { packets, bytes },
        seen,
    }
}

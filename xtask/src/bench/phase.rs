//! What is sent while a row is measured: each phase has a tapping process of
//! its own, so that its closing lines are about that phase alone.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::{
    closing::Closing,
    cost::Cost,
    datagrams,
    kernel_time::{Counting, KernelTime},
    others::Others,
    requests,
    row::{Binaries, Row},
    stage::Stage,
    tapping::Tapping,
    tcp::Bulk,
    traffic::Traffic,
};

/// One kind of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// One TCP connection, as fast as it goes.
    Tcp1,
    /// Four of them.
    Tcp4,
    /// One at 3 Gbit/s.
    Paced3,
    /// One at 8 Gbit/s.
    Paced8,
    /// UDP datagrams of 64 bytes, as fast as they go.
    Udp,
    /// The same, with the programs timed.
    UdpTimed,
    /// Short HTTP connections, as many as possible.
    Http,
    /// Half as many as were possible untapped.
    HttpHalf,
}

/// What one phase of one row gave in one round.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Measured {
    /// What the load generator achieved.
    pub traffic: Traffic,
    /// What the tapping process used for it.
    pub cost: Option<Cost>,
    /// What it said at its end.
    pub closing: Option<Closing>,
    /// Time in podtap's programs, where it was counted.
    pub kernel_time: Option<KernelTime>,
    /// The share of the machine that others used meanwhile.
    pub others_share: f64,
}

/// A row's phases in one round, by [`Phase::name`].
pub type RowMeasured = BTreeMap<&'static str, Measured>;

const GIGABIT: u64 = 1_000_000_000;

impl Phase {
    /// In the order in which they are measured.
    pub const ALL: [Self; 8] = [
        Self::Tcp1,
        Self::Tcp4,
        Self::Paced3,
        Self::Paced8,
        Self::Udp,
        Self::UdpTimed,
        Self::Http,
        Self::HttpHalf,
    ];

    /// As in the JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp1 => "tcp1",
            Self::Tcp4 => "tcp4",
            Self::Paced3 => "paced3",
            Self::Paced8 => "paced8",
            Self::Udp => "udp",
            Self::UdpTimed => "udp-timed",
            Self::Http => "http",
            Self::HttpHalf => "http-half",
        }
    }

    /// Whether it says anything about this row.
    pub(super) fn is_for(self, row: Row) -> bool {
        self != Self::UdpTimed || row.is_podtap()
    }

    /// Measures one row. `half_rate` is half the requests a second that were
    /// possible untapped in the same round.
    pub(super) fn measure(
        self,
        row: Row,
        binaries: &Binaries,
        stage: &Stage,
        seconds: u32,
        half_rate: Option<f64>,
    ) -> Result<Measured> {
        let counting = match self {
            Self::UdpTimed => Some(Counting::start()?),
            _ => None,
        };
        let others = Others::watch()?;
        let tapping = Tapping::start(row, binaries, stage)?;
        let before = tapping
            .as_ref()
            .map(|tapping| look(tapping, counting.is_some()));
        let before = before.transpose()?;
        let traffic = self.send(stage, seconds, half_rate)?;
        let (mut cost, mut closing, mut kernel_time) = (None, None, None);
        if let (Some(tapping), Some((cost_before, time_before))) = (tapping, before) {
            cost = Some(tapping.settled_cost()?.since(cost_before));
            if let Some(before) = time_before {
                kernel_time = Some(KernelTime::of(tapping.pid())?.since(before));
            }
            closing = Some(tapping.stop()?);
        }
        Ok(Measured {
            traffic,
            cost,
            closing,
            kernel_time,
            others_share: others.share()?,
        })
    }

    fn send(self, stage: &Stage, seconds: u32, half_rate: Option<f64>) -> Result<Traffic> {
        let bulk = |streams, gigabits| Bulk {
            streams,
            pace_bits: gigabits * GIGABIT,
        };
        match self {
            Self::Tcp1 => bulk(1, 0).run(stage, seconds),
            Self::Tcp4 => bulk(4, 0).run(stage, seconds),
            Self::Paced3 => bulk(1, 3).run(stage, seconds),
            Self::Paced8 => bulk(1, 8).run(stage, seconds),
            Self::Udp | Self::UdpTimed => datagrams::flood(stage, seconds),
            Self::Http => requests::unpaced(stage, seconds),
            Self::HttpHalf => {
                let rate = half_rate.context("no rate of the untapped pod to take half of")?;
                requests::paced(stage, seconds, rate)
            }
        }
    }
}

fn look(tapping: &Tapping, timed: bool) -> Result<(Cost, Option<KernelTime>)> {
    let time = timed.then(|| KernelTime::of(tapping.pid())).transpose()?;
    Ok((Cost::of(tapping.pid())?, time))
}

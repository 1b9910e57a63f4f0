//! What is said of each row: the table's columns.

use super::phase::{Measured, Phase};
use super::row::Row;

/// How a column's value comes from what was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Divided by the untapped row's value of the same round: 1 is nothing
    /// lost, less is worse.
    Kept,
    /// The untapped row's value divided by it, for what should be small: again
    /// 1 is nothing lost and less is worse.
    KeptInverse,
    /// As it is.
    Absolute,
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// As on the command line and in the JSON.
    pub name: &'static str,
    /// As in the table.
    pub heading: &'static str,
    /// What has to be measured for it.
    pub phase: Phase,
    /// How it is to be read.
    pub kind: Kind,
    /// Digits after the point, in the table.
    pub decimals: usize,
    raw: fn(Row, &Measured) -> Option<f64>,
}

impl Column {
    /// The value before any ratio is taken; nothing where it says nothing.
    #[must_use]
    pub fn raw(&self, row: Row, measured: &Measured) -> Option<f64> {
        (self.raw)(row, measured).filter(|value| value.is_finite())
    }
}

/// In the order in which they are printed.
pub const COLUMNS: [Column; 18] = [
    kept("tcp1", "TCP kept, 1 stream", Phase::Tcp1, |_, m| {
        Some(m.traffic.gigabits())
    }),
    kept("tcp4", "TCP kept, 4 streams", Phase::Tcp4, |_, m| {
        Some(m.traffic.gigabits())
    }),
    kept("udp", "64 B UDP kept", Phase::Udp, |_, m| {
        Some(m.traffic.packet_rate())
    }),
    kept("requests", "HTTP rate kept", Phase::Http, |_, m| {
        Some(m.traffic.request_rate())
    }),
    inverse("p50", "p50 latency kept, half load", |_, m| {
        Some(m.traffic.latency_p50_ns)
    }),
    inverse("p99", "p99 latency kept, half load", |_, m| {
        Some(m.traffic.latency_p99_ns)
    }),
    lost("lost-tcp1", "lost, TCP 1 stream, %", Phase::Tcp1),
    lost("lost-tcp4", "lost, TCP 4 streams, %", Phase::Tcp4),
    lost("lost-3g", "lost, 3 Gbit/s, %", Phase::Paced3),
    lost("lost-8g", "lost, 8 Gbit/s, %", Phase::Paced8),
    lost("lost-udp", "lost, 64 B UDP, %", Phase::Udp),
    lost("lost-http", "lost, HTTP, %", Phase::Http),
    absolute("cpu-3g", "CPU-s a GB, 3 Gbit/s", Phase::Paced3, 3, cpu_a_gb),
    absolute("cpu-8g", "CPU-s a GB, 8 Gbit/s", Phase::Paced8, 3, cpu_a_gb),
    absolute(
        "frames-cpu",
        "M frames a datapath CPU-s, 64 B",
        Phase::Udp,
        2,
        |_, m| {
            let cost = m.cost?;
            Some(cost.tap_frames as f64 / cost.datapath_cpu_s / 1e6).filter(|rate| *rate > 0.0)
        },
    ),
    absolute(
        "gbit-cpu",
        "Gbit a datapath CPU-s, TCP",
        Phase::Tcp1,
        1,
        |_, m| {
            let cost = m.cost?;
            Some(cost.tap_bytes as f64 * 8.0 / 1e9 / cost.datapath_cpu_s).filter(|rate| *rate > 0.0)
        },
    ),
    absolute(
        "in-kernel",
        "in-kernel ns a packet, 64 B",
        Phase::UdpTimed,
        0,
        |_, m| {
            let time = m.kernel_time?;
            Some(time.run_time_ns as f64 / time.runs as f64)
        },
    ),
    absolute("memory", "peak RSS, MB", Phase::Tcp1, 1, |_, m| {
        Some(m.cost?.peak_rss_bytes as f64 / 1e6)
    }),
];

/// CPU time of the tapping process for each gigabyte of payload that it did
/// not lose: one that loses half would else look twice as good.
fn cpu_a_gb(row: Row, measured: &Measured) -> Option<f64> {
    let closing = measured.closing.filter(|_| row.copies())?;
    let kept = 1.0 - closing.lost as f64 / closing.seen.max(1) as f64;
    Some(measured.cost?.cpu_s / (measured.traffic.gigabytes() * kept))
}

type Raw = fn(Row, &Measured) -> Option<f64>;

const fn absolute(
    name: &'static str,
    heading: &'static str,
    phase: Phase,
    decimals: usize,
    raw: Raw,
) -> Column {
    Column {
        name,
        heading,
        phase,
        kind: Kind::Absolute,
        decimals,
        raw,
    }
}

const fn kept(name: &'static str, heading: &'static str, phase: Phase, raw: Raw) -> Column {
    Column {
        kind: Kind::Kept,
        ..absolute(name, heading, phase, 2, raw)
    }
}

const fn inverse(name: &'static str, heading: &'static str, raw: Raw) -> Column {
    Column {
        kind: Kind::KeptInverse,
        ..absolute(name, heading, Phase::HttpHalf, 2, raw)
    }
}

/// The share of what was seen that was lost, in percent.
const fn lost(name: &'static str, heading: &'static str, phase: Phase) -> Column {
    absolute(name, heading, phase, 2, |row, measured| {
        let closing = measured.closing.filter(|_| row.copies())?;
        Some(closing.lost as f64 * 100.0 / closing.seen.max(1) as f64)
    })
}

//! Many cases, one after the other.

use std::{collections::BTreeMap, fmt};

use tap_common::Metadata;

use tests::Random;

use crate::{
    case::Case,
    difference::hex,
    kind::Kind,
    stage::{Both, Stage, Way},
};

/// Cases of one run by one way; `ORACLE_CASES` wants more or fewer.
const CASES: u64 = 5000;
/// Differences after which a run gives up.
const MOST_DIFFERENCES: usize = 5;
/// How often a case is sent again whose frames the receiver had no room for.
const ATTEMPTS: u32 = 5;

/// What a run was made of.
#[derive(Debug, Default)]
struct Tally {
    /// Cases of each kind that both sides made the same frames of.
    same: BTreeMap<Kind, u64>,
    /// Cases of each kind that the kernel refused to make an skb of.
    refused: BTreeMap<Kind, u64>,
    /// Cases of each kind that came to neither side.
    dropped: BTreeMap<Kind, u64>,
    frames: u64,
    bytes: u64,
    again: u64,
}

/// Runs them; panics with the first differences, if there are any.
///
/// `SEED` repeats a run, `ORACLE_CASE` one case of it alone.
pub(crate) fn run(way: Way, metadata: Metadata) {
    let seed = Random::seed();
    let (first, cases) = match tests::number("ORACLE_CASE") {
        Some(case) => (case, 1),
        None => (0, tests::number("ORACLE_CASES").unwrap_or(CASES)),
    };
    let mut stage = Stage::any_length(way, metadata);
    let mut tally = Tally::default();
    let mut differences = Vec::new();
    for index in first..first + cases {
        let case = Case::any(&mut Random::of_case(seed, index), metadata);
        let Some(both) = send(&mut stage, &case, &mut tally) else {
            continue;
        };
        let Some(difference) = both.difference() else {
            tally.count(&case, &both);
            continue;
        };
        differences.push(format!(
            "SEED={seed} ORACLE_CASE={index}, {way:?}, {metadata:?}, {:?}, {:?}: {difference}\n     skb {}",
            case.kind,
            case.header,
            hex(&case.frame),
        ));
        if differences.len() == MOST_DIFFERENCES {
            break;
        }
    }
    let counts = stage.finish();
    eprintln!("{way:?}, {metadata:?}, SEED={seed}: {tally}\n{counts:?}");
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
    if cases >= CASES {
        tally.assert_broad(metadata);
    }
}

/// Sends a case until its frames are the same, or differ although all of them
/// arrived: other tests share the processor's backlog.
fn send(stage: &mut Stage, case: &Case, tally: &mut Tally) -> Option<Both> {
    for attempt in 1.. {
        let Ok(both) = stage.send(case.header, &case.frame) else {
            *tally.refused.entry(case.kind).or_default() += 1;
            return None;
        };
        let is_final = both.difference().is_none() || attempt == ATTEMPTS;
        if is_final || !stage.has_dropped() {
            return Some(both);
        }
        tally.again += 1;
    }
    None
}

impl Tally {
    fn count(&mut self, case: &Case, both: &Both) {
        let counts = if both.ours.is_empty() {
            &mut self.dropped
        } else {
            &mut self.same
        };
        *counts.entry(case.kind).or_default() += 1;
        self.frames += both.ours.len() as u64;
        self.bytes += both
            .ours
            .iter()
            .map(|frame| frame.len() as u64)
            .sum::<u64>();
    }

    /// Panics unless every kind came often, and hardly any skb was refused:
    /// or else the run proves less than it says.
    fn assert_broad(&self, metadata: Metadata) {
        let of_kind = |counts: &BTreeMap<Kind, u64>, kind| counts.get(&kind).copied().unwrap_or(0);
        for kind in Kind::all(metadata) {
            let same = of_kind(&self.same, kind);
            let mut lost = of_kind(&self.dropped, kind);
            // The kernel looks for the header itself, and often finds none.
            if kind != Kind::TcpSuperFrameNotPartial {
                lost += of_kind(&self.refused, kind);
            }
            assert!(same >= 50, "{same} of {kind:?}: {self}");
            assert!(
                lost * 20 <= same,
                "{lost} of {kind:?} came to nothing: {self}"
            );
        }
        let cases: u64 = self.same.values().sum();
        assert!(self.frames > 5 * cases, "few frames: {self}");
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cases: u64 = self.same.values().sum();
        write!(
            f,
            "{cases} skbs, {} frames, {} bytes the same",
            self.frames, self.bytes
        )?;
        write!(
            f,
            " {:?}, refused {:?}, dropped {:?}, {} sent again",
            self.same, self.refused, self.dropped, self.again
        )
    }
}

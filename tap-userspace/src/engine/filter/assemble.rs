//! Instructions with jumps to places that are not there yet.

use super::ebpf::{Ebpf, R};

/// A place to jump to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label(usize);

/// A jump that is longer than an instruction can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooFar;

/// What was written so far.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    code: Vec<Ebpf>,
    /// Where each label is, once it was placed.
    labels: Vec<Option<usize>>,
    /// Jumps, and where they go.
    jumps: Vec<(usize, Label)>,
}

impl Assembler {
    pub(super) fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// The label is before the next instruction.
    pub(super) fn place(&mut self, label: Label) {
        if let Some(place) = self.labels.get_mut(label.0) {
            *place = Some(self.code.len());
        }
    }

    pub(super) fn push(&mut self, instruction: Ebpf) {
        self.code.push(instruction);
    }

    pub(super) fn extend(&mut self, instructions: impl IntoIterator<Item = Ebpf>) {
        self.code.extend(instructions);
    }

    /// A jump, with or without a condition.
    pub(super) fn jump(&mut self, instruction: Ebpf, to: Label) {
        self.jumps.push((self.code.len(), to));
        self.code.push(instruction);
    }

    pub(super) fn go(&mut self, to: Label) {
        self.jump(Ebpf::jump(), to);
    }

    /// How many instructions there are.
    pub(super) fn len(&self) -> usize {
        self.code.len()
    }

    /// All of it that can be reached, with its jumps filled in: the verifier
    /// refuses what cannot (`check_cfg`, kernel/bpf/verifier.c).
    ///
    /// A jump to a label that was never placed leads nowhere: there is none.
    pub(super) fn finish(self) -> Result<Vec<Ebpf>, TooFar> {
        let mut targets = vec![None; self.code.len()];
        for (at, label) in &self.jumps {
            let place = self.labels.get(label.0).copied().flatten();
            if let Some(target) = targets.get_mut(*at) {
                *target = place;
            }
        }
        let kept = reachable(&self.code, &targets);
        // Where each instruction will be.
        let mut places = Vec::with_capacity(kept.len());
        let mut count = 0;
        for is_kept in &kept {
            places.push(count);
            count += usize::from(*is_kept);
        }
        let mut code = Vec::with_capacity(count);
        let all = self.code.into_iter().zip(targets).zip(kept);
        for ((mut instruction, target), _) in all.filter(|(_, is_kept)| *is_kept) {
            if let Some(target) = target {
                let distance = places
                    .get(target)
                    .and_then(|place| place.checked_sub(code.len() + 1))
                    .and_then(|distance| i16::try_from(distance).ok());
                instruction.offset = distance.ok_or(TooFar)?;
            }
            code.push(instruction);
        }
        Ok(code)
    }
}

/// Which instructions some way leads to. All jumps go forward.
fn reachable(code: &[Ebpf], targets: &[Option<usize>]) -> Vec<bool> {
    let mut reached = vec![false; code.len()];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    for (at, (instruction, target)) in code.iter().zip(targets).enumerate() {
        if reached.get(at) != Some(&true) {
            continue;
        }
        let next = (!instruction.is_end()).then_some(at + 1);
        for to in next.into_iter().chain(*target) {
            if let Some(reached) = reached.get_mut(to) {
                *reached = true;
            }
        }
    }
    reached
}

/// `to = value`, without sign.
pub(super) const fn constant(to: R, value: u32) -> Ebpf {
    Ebpf::alu(
        super::ebpf::Bits::B32,
        super::ebpf::Alu::Mov,
        to,
        value.cast_signed(),
    )
}

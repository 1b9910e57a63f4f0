//! Classic BPF that nobody compiled.
//!
//! An input is a number of instructions, these instructions in
//! little-endian order (`struct sock_filter`), and a frame.

use crate::{
    engine::filter::{Instruction, LinkHeader, Program},
    model::FrameBytes,
};

const INSTRUCTION_BYTES: usize = 8;

/// Panics unless instructions that are taken can be run, looked through and
/// translated, all jumps of which stay within the translation and go forward.
pub fn check(input: &[u8]) {
    let Some((count, rest)) = input.split_first() else {
        return;
    };
    let length = (usize::from(*count) * INSTRUCTION_BYTES).min(rest.len());
    let (code, frame) = rest.split_at(length);
    let instructions: Vec<_> = code.chunks_exact(INSTRUCTION_BYTES).map(parse).collect();
    let Ok(program) = Program::new(&instructions) else {
        return;
    };
    let bytes = |split: usize| {
        let (head, payload) = frame.split_at(split);
        FrameBytes { head, payload }
    };
    let (whole, halves) = (bytes(frame.len()), bytes(frame.len() / 2));
    assert_eq!(program.matches(whole), program.matches(halves));
    let _ = program.sensitivity();
    for link in [LinkHeader::Ethernet, LinkHeader::MadeUp([2; 12])] {
        // Too long is an answer.
        let code = program.translate(link).unwrap_or_default();
        for (at, instruction) in code.iter().enumerate() {
            let target = at + 1 + usize::try_from(instruction.offset).unwrap_or(0);
            // Jumps, but for calls and exits (BPF_JMP and BPF_JMP32).
            let is_jump =
                matches!(instruction.code & 7, 5 | 6) && !matches!(instruction.code, 0x85 | 0x95);
            assert!(!is_jump || instruction.offset >= 0, "{at} goes back");
            assert!(!is_jump || target < code.len(), "{at} leaves the program");
        }
    }
}

fn parse(bytes: &[u8]) -> Instruction {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
    Instruction {
        code: u16::from_le_bytes([byte(0), byte(1)]),
        jt: byte(2),
        jf: byte(3),
        k: u32::from_le_bytes([byte(4), byte(5), byte(6), byte(7)]),
    }
}

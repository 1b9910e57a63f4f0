//! Programs that no libpcap would write, and that are taken all the same.

use tap_userspace::engine::filter::Instruction;
use tests::Random;

/// Any mixture of what classic BPF has; jumps stay within it, and it ends.
pub(crate) fn any(random: &mut Random) -> Vec<Instruction> {
    let length = random.between(1, 40);
    let mut program: Vec<_> = (0..length).map(|at| step(random, length - at)).collect();
    program.push(answer(random));
    program
}

/// One instruction, with so many behind it.
fn step(random: &mut Random, behind: usize) -> Instruction {
    let (code, k) = match random.between(0, 9) {
        // ldw, ldh, ldb: absolute and indirect.
        0..=2 => (
            random.pick(&[0x20, 0x28, 0x30, 0x40, 0x48, 0x50]),
            offset(random),
        ),
        // ldx msh; len in both registers.
        3 => (random.pick(&[0xb1, 0x80, 0x81]), offset(random)),
        // Constants.
        4 => (random.pick(&[0x00, 0x01]), number(random)),
        // Scratch memory: ld, ldx, st, stx.
        5 => (
            random.pick(&[0x60, 0x61, 0x02, 0x03]),
            random.between(0, 15) as u32,
        ),
        // All operators, by a constant and by X.
        6 | 7 => arithmetic(random),
        // tax, txa.
        8 => (random.pick(&[0x07, 0x87]), 0),
        _ => return jump(random, behind),
    };
    Instruction {
        code,
        k,
        ..Instruction::default()
    }
}

fn arithmetic(random: &mut Random) -> (u16, u32) {
    let operator = random.pick(&[
        0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x80, 0x90, 0xa0,
    ]);
    if random.once_in(2) {
        let by_x = if operator == 0x80 { 0 } else { 0x08 };
        return (0x04 | operator | by_x, 0);
    }
    let k = match operator {
        0x60 | 0x70 => random.between(0, 31) as u32,
        _ => number(random).max(1),
    };
    (0x04 | operator, k)
}

fn jump(random: &mut Random, behind: usize) -> Instruction {
    let skip = |random: &mut Random| random.between(0, (behind - 1).min(255)) as u8;
    if random.once_in(8) {
        return Instruction {
            code: 0x05,
            k: skip(random).into(),
            ..Instruction::default()
        };
    }
    Instruction {
        code: 0x05 | random.pick(&[0x10, 0x20, 0x30, 0x40]) | random.pick(&[0, 0x08]),
        jt: skip(random),
        jf: skip(random),
        k: number(random),
    }
}

fn answer(random: &mut Random) -> Instruction {
    Instruction {
        code: random.pick(&[0x06, 0x16]),
        k: number(random),
        ..Instruction::default()
    }
}

/// Most of them within a packet.
fn offset(random: &mut Random) -> u32 {
    if random.once_in(10) {
        return number(random);
    }
    random.between(0, 50) as u32
}

fn number(random: &mut Random) -> u32 {
    match random.between(0, 3) {
        0 => random.pick(&[
            0,
            1,
            14,
            31,
            32,
            33,
            0xff,
            0xfffb,
            0xffff,
            0x7fff_ffff,
            0x8000_0000,
            0xffdf_ffff,
            0xffff_ffff,
        ]),
        1 => random.word32(),
        _ => random.between(0, 70) as u32,
    }
}

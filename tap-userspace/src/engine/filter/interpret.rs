//! A program run on a frame: what the user side asks where the kernel could not
//! know the frame, and the same answer as libpcap's own `bpf_filter`.

use super::{
    instruction::{Answer, Operand, Operation, Operator, Register, Size, Slot, Test},
    program::Program,
};
use crate::model::FrameBytes;

impl Program {
    /// Whether the frame is picked.
    #[must_use]
    pub fn matches(&self, frame: FrameBytes<'_>) -> bool {
        Machine::default()
            .run(self, frame)
            .is_some_and(|answer| answer != 0)
    }
}

#[derive(Default)]
struct Machine {
    a: u32,
    x: u32,
    scratch: [u32; Slot::COUNT as usize],
}

impl Machine {
    /// The answer; `None` where a load is out of range or a division is by 0,
    /// which both mean no match.
    fn run(&mut self, program: &Program, frame: FrameBytes<'_>) -> Option<u32> {
        let mut rest = program.operations();
        // Jumps go forward only: it ends.
        loop {
            let (operation, after) = rest.split_first()?;
            let skip = match *operation {
                Operation::LoadAbsolute { size, offset } => {
                    self.a = load(frame, size, offset)?;
                    0
                }
                Operation::LoadIndirect { size, offset } => {
                    self.a = load(frame, size, self.x.checked_add(offset)?)?;
                    0
                }
                Operation::LoadHeaderLength { offset } => {
                    self.x = (load(frame, Size::Byte, offset)? & 0x0f) << 2;
                    0
                }
                Operation::LoadLength(register) => {
                    *self.register(register) = u32::try_from(frame.len()).ok()?;
                    0
                }
                Operation::LoadConstant(register, k) => {
                    *self.register(register) = k;
                    0
                }
                Operation::LoadScratch(register, slot) => {
                    *self.register(register) = *self.scratch(slot)?;
                    0
                }
                Operation::Store(register, slot) => {
                    *self.scratch(slot)? = *self.register(register);
                    0
                }
                Operation::Arithmetic(operator, operand) => {
                    self.a = operator.apply(self.a, self.operand(operand))?;
                    0
                }
                Operation::Negate => {
                    self.a = self.a.wrapping_neg();
                    0
                }
                Operation::Jump(skip) => skip,
                Operation::Branch {
                    test,
                    operand,
                    then,
                    otherwise,
                } => {
                    let holds = test.holds(self.a, self.operand(operand));
                    u32::from(if holds { then } else { otherwise })
                }
                Operation::Return(Answer::Constant(k)) => return Some(k),
                Operation::Return(Answer::A) => return Some(self.a),
                Operation::AToX => {
                    self.x = self.a;
                    0
                }
                Operation::XToA => {
                    self.a = self.x;
                    0
                }
            };
            rest = after.get(usize::try_from(skip).ok()?..)?;
        }
    }

    fn register(&mut self, register: Register) -> &mut u32 {
        match register {
            Register::A => &mut self.a,
            Register::X => &mut self.x,
        }
    }

    fn scratch(&mut self, slot: Slot) -> Option<&mut u32> {
        self.scratch.get_mut(usize::from(slot.index()))
    }

    const fn operand(&self, operand: Operand) -> u32 {
        match operand {
            Operand::Constant(k) => k,
            Operand::X => self.x,
        }
    }
}

impl Operator {
    fn apply(self, a: u32, operand: u32) -> Option<u32> {
        Some(match self {
            Self::Add => a.wrapping_add(operand),
            Self::Subtract => a.wrapping_sub(operand),
            Self::Multiply => a.wrapping_mul(operand),
            Self::Divide => a.checked_div(operand)?,
            Self::Modulo => a.checked_rem(operand)?,
            Self::And => a & operand,
            Self::Or => a | operand,
            Self::Xor => a ^ operand,
            Self::ShiftLeft => a.checked_shl(operand).unwrap_or(0),
            Self::ShiftRight => a.checked_shr(operand).unwrap_or(0),
        })
    }
}

impl Test {
    const fn holds(self, a: u32, operand: u32) -> bool {
        match self {
            Self::Equal => a == operand,
            Self::Greater => a > operand,
            Self::GreaterOrEqual => a >= operand,
            Self::AnyBit => a & operand != 0,
        }
    }
}

fn load(frame: FrameBytes<'_>, size: Size, offset: u32) -> Option<u32> {
    let offset = usize::try_from(offset).ok()?;
    (offset..offset + size.bytes() as usize).try_fold(0, |value, at| {
        let byte = match at.checked_sub(frame.head.len()) {
            None => frame.head.get(at)?,
            Some(at) => frame.payload.get(at)?,
        };
        Some(value << 8 | u32::from(*byte))
    })
}

//! A classic BPF program that was looked at: whatever comes in, what is here
//! can be run and translated.

use super::instruction::{Instruction, Operand, Operation, Operator};

/// A program that ends, jumps only forward and within itself, and divides and
/// shifts by no constant that has no meaning.
///
/// An offset that is none of a frame is one behind its end, as to libpcap: the
/// kernel's ancillary data (`SKF_AD_OFF`, include/uapi/linux/filter.h), which
/// libpcap asks for in live captures alone, are not meant by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    operations: Vec<Operation>,
}

/// Why instructions are no program. Positions are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// Without an instruction there is no answer.
    #[error("the filter has no instruction")]
    Empty,
    /// More than a kernel takes (`BPF_MAXINSNS`).
    #[error(
        "the filter has {length} instructions, and at most {} are taken",
        Program::MOST
    )]
    TooLong {
        /// How many there are.
        length: usize,
    },
    /// Not of classic BPF.
    #[error("the filter's instruction {at} (code {code:#x}, {k:#x}) is none of classic BPF")]
    Unknown {
        /// Where.
        at: usize,
        /// Its code.
        code: u16,
        /// Its constant.
        k: u32,
    },
    /// A jump backward, as only `protochain` has it.
    #[error("the filter has a loop at instruction {at}: `protochain` is not supported")]
    Loop {
        /// Where.
        at: usize,
    },
    /// A jump behind the end, or an end without an answer.
    #[error("the filter leaves its own end at instruction {at}")]
    NoEnd {
        /// Where.
        at: usize,
    },
    /// A division or shift that has no result.
    #[error("the filter divides by 0, or shifts by 32 bits or more, at instruction {at}")]
    NoResult {
        /// Where.
        at: usize,
    },
}

impl Program {
    /// Most instructions (`BPF_MAXINSNS`, include/uapi/linux/bpf_common.h).
    pub const MOST: usize = 4096;

    /// Looks at instructions.
    ///
    /// # Errors
    /// When they are no program.
    pub fn new(instructions: &[Instruction]) -> Result<Self, ProgramError> {
        let length = instructions.len();
        if length == 0 {
            return Err(ProgramError::Empty);
        }
        if length > Self::MOST {
            return Err(ProgramError::TooLong { length });
        }
        let operations = instructions.iter().enumerate();
        let operations = operations
            .map(|(at, instruction)| checked(at, *instruction, length))
            .collect::<Result<_, _>>()?;
        Ok(Self { operations })
    }

    /// What it does, in order; never empty.
    pub(super) fn operations(&self) -> &[Operation] {
        &self.operations
    }
}

fn checked(at: usize, instruction: Instruction, length: usize) -> Result<Operation, ProgramError> {
    let unknown = ProgramError::Unknown {
        at,
        code: instruction.code,
        k: instruction.k,
    };
    let operation = instruction.operation().ok_or(unknown)?;
    // The instruction behind this one has to be there, and so many after it.
    let reaches = |skip: u32| match usize::try_from(skip) {
        Ok(skip) if skip < length - at - 1 => Ok(()),
        _ => Err(ProgramError::NoEnd { at }),
    };
    match operation {
        Operation::Jump(skip) if skip.cast_signed() < 0 => return Err(ProgramError::Loop { at }),
        Operation::Jump(skip) => reaches(skip)?,
        Operation::Branch {
            then, otherwise, ..
        } => {
            reaches(then.into())?;
            reaches(otherwise.into())?;
        }
        Operation::Return(_) => return Ok(operation),
        Operation::Arithmetic(operator, Operand::Constant(k)) => match operator {
            Operator::Divide | Operator::Modulo if k == 0 => {
                return Err(ProgramError::NoResult { at });
            }
            Operator::ShiftLeft | Operator::ShiftRight if k >= 32 => {
                return Err(ProgramError::NoResult { at });
            }
            _ => reaches(0)?,
        },
        _ => reaches(0)?,
    }
    Ok(operation)
}

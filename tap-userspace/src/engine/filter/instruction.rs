//! Classic BPF as it is written down (`struct sock_filter`,
//! include/uapi/linux/filter.h; the codes are in bpf_common.h and the same in
//! libpcap's pcap/bpf.h).

/// One instruction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// Class, size or operator, mode or operand.
    pub code: u16,
    /// Instructions to skip when the test holds.
    pub jt: u8,
    /// Instructions to skip when it does not.
    pub jf: u8,
    /// The constant.
    pub k: u32,
}

/// What an instruction does. `A` is the accumulator and `X` the index register,
/// both of 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `A = frame[offset]`, in network byte order.
    LoadAbsolute {
        /// How much.
        size: Size,
        /// From the frame's first byte, in bytes.
        offset: u32,
    },
    /// `A = frame[X + offset]`, likewise.
    LoadIndirect {
        /// How much.
        size: Size,
        /// Behind `X`, in bytes.
        offset: u32,
    },
    /// `X = 4 * (frame[offset] & 15)`: the length of an IPv4 header.
    LoadHeaderLength {
        /// From the frame's first byte, in bytes.
        offset: u32,
    },
    /// The frame's length in bytes.
    LoadLength(Register),
    /// A constant.
    LoadConstant(Register, u32),
    /// From scratch memory.
    LoadScratch(Register, Slot),
    /// Into scratch memory.
    Store(Register, Slot),
    /// `A = A operator operand`, without sign, in 32 bits.
    Arithmetic(Operator, Operand),
    /// `A = -A`
    Negate,
    /// Skips so many instructions.
    Jump(u32),
    /// Skips one number of instructions or another.
    Branch {
        /// What `A` and the operand are asked.
        test: Test,
        /// With what `A` is compared.
        operand: Operand,
        /// Instructions to skip when it holds.
        then: u8,
        /// Instructions to skip when it does not.
        otherwise: u8,
    },
    /// The frame matches unless this is 0.
    Return(Answer),
    /// `X = A`
    AToX,
    /// `A = X`
    XToA,
}

/// How much a load takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// 1 byte.
    Byte,
    /// 2 bytes.
    Half,
    /// 4 bytes.
    Word,
}

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// The accumulator.
    A,
    /// The index register.
    X,
}

/// A place in scratch memory, below [`Slot::COUNT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(u8);

/// What is done with `A` and an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`; by 0 there is no match.
    Divide,
    /// `%`; by 0 there is no match.
    Modulo,
    /// `&`
    And,
    /// `|`
    Or,
    /// `^`
    Xor,
    /// `<<`; by 32 and more the result is 0.
    ShiftLeft,
    /// `>>`, likewise.
    ShiftRight,
}

/// The other side of an operator or a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// The instruction's own constant.
    Constant(u32),
    /// The index register.
    X,
}

/// What is asked, without sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// `==`
    Equal,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// Whether they have a bit in common.
    AnyBit,
}

/// What a program answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A constant.
    Constant(u32),
    /// The accumulator.
    A,
}

impl Size {
    /// In bytes.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        match self {
            Self::Byte => 1,
            Self::Half => 2,
            Self::Word => 4,
        }
    }
}

impl Slot {
    /// How many there are (`BPF_MEMWORDS`).
    pub const COUNT: u8 = 16;

    /// The place with this number.
    #[must_use]
    pub fn new(number: u32) -> Option<Self> {
        let number = u8::try_from(number).ok()?;
        (number < Self::COUNT).then_some(Self(number))
    }

    /// Its number.
    #[must_use]
    pub const fn index(self) -> u8 {
        self.0
    }
}

/// `BPF_CLASS` and what is or-ed to it, as far as [`Instruction::operation`]
/// knows them.
mod code {
    pub(super) const LD: u16 = 0x00;
    pub(super) const LDX: u16 = 0x01;
    pub(super) const ST: u16 = 0x02;
    pub(super) const STX: u16 = 0x03;
    pub(super) const ALU: u16 = 0x04;
    pub(super) const JMP: u16 = 0x05;
    pub(super) const RET: u16 = 0x06;
    pub(super) const MISC: u16 = 0x07;

    pub(super) const IMM: u16 = 0x00;
    pub(super) const ABS: u16 = 0x20;
    pub(super) const IND: u16 = 0x40;
    pub(super) const MEM: u16 = 0x60;
    pub(super) const LEN: u16 = 0x80;
    pub(super) const MSH: u16 = 0xa0;
}

impl Instruction {
    /// What it does; `None` for a code that no classic BPF has. What the
    /// constant may be is not looked at, but for the number of a [`Slot`].
    #[must_use]
    pub fn operation(self) -> Option<Operation> {
        const SIZES: u16 = 0x18;
        let operand = || match self.code & 0x08 {
            0 => Operand::Constant(self.k),
            _ => Operand::X,
        };
        let size = || match self.code & SIZES {
            0x00 => Some(Size::Word),
            0x08 => Some(Size::Half),
            0x10 => Some(Size::Byte),
            _ => None,
        };
        let is_word = || size() == Some(Size::Word);
        let slot = || Slot::new(self.k);
        // The class, then the rest of the code.
        let (class, rest) = (self.code & 0x07, self.code & !0x07);
        let mode = rest & !SIZES;
        Some(match class {
            code::LD | code::LDX if mode == code::LEN && is_word() => {
                Operation::LoadLength(register(class))
            }
            code::LD | code::LDX if mode == code::IMM && is_word() => {
                Operation::LoadConstant(register(class), self.k)
            }
            code::LD | code::LDX if mode == code::MEM && is_word() => {
                Operation::LoadScratch(register(class), slot()?)
            }
            code::LD if mode == code::ABS => Operation::LoadAbsolute {
                size: size()?,
                offset: self.k,
            },
            code::LD if mode == code::IND => Operation::LoadIndirect {
                size: size()?,
                offset: self.k,
            },
            code::LDX if mode == code::MSH && size()? == Size::Byte => {
                Operation::LoadHeaderLength { offset: self.k }
            }
            code::ST if rest == 0 => Operation::Store(Register::A, slot()?),
            code::STX if rest == 0 => Operation::Store(Register::X, slot()?),
            code::ALU if rest == 0x80 => Operation::Negate,
            code::ALU => Operation::Arithmetic(operator(rest & !0x08)?, operand()),
            code::JMP if rest == 0 => Operation::Jump(self.k),
            code::JMP => Operation::Branch {
                test: test(rest & !0x08)?,
                operand: operand(),
                then: self.jt,
                otherwise: self.jf,
            },
            code::RET if rest == 0x00 => Operation::Return(Answer::Constant(self.k)),
            code::RET if rest == 0x10 => Operation::Return(Answer::A),
            code::MISC if rest == 0x00 => Operation::AToX,
            code::MISC if rest == 0x80 => Operation::XToA,
            _ => return None,
        })
    }
}

fn register(class: u16) -> Register {
    if class == code::LD {
        Register::A
    } else {
        Register::X
    }
}

fn operator(code: u16) -> Option<Operator> {
    Some(match code {
        0x00 => Operator::Add,
        0x10 => Operator::Subtract,
        0x20 => Operator::Multiply,
        0x30 => Operator::Divide,
        0x40 => Operator::Or,
        0x50 => Operator::And,
        0x60 => Operator::ShiftLeft,
        0x70 => Operator::ShiftRight,
        0x90 => Operator::Modulo,
        0xa0 => Operator::Xor,
        _ => return None,
    })
}

fn test(code: u16) -> Option<Test> {
    Some(match code {
        0x10 => Test::Equal,
        0x20 => Test::Greater,
        0x30 => Test::GreaterOrEqual,
        0x40 => Test::AnyBit,
        _ => return None,
    })
}

//! The instructions of the kernel's machine, as far as a translated filter needs
//! them (Documentation/bpf/standardization/instruction-set.rst in the kernel's
//! tree).

/// One instruction (`struct bpf_insn`, include/uapi/linux/bpf.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Ebpf {
    /// Class, operator or size, source or mode.
    pub code: u8,
    /// Destination in the low four bits, source in the high ones.
    pub registers: u8,
    /// Of a jump in instructions, of a load or store in bytes.
    pub offset: i16,
    /// The constant.
    pub immediate: i32,
}

const _: () = assert!(size_of::<Ebpf>() == 8);

/// One of the machine's registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum R {
    R0 = 0,
    R1 = 1,
    R2 = 2,
    R3 = 3,
    R4 = 4,
    R6 = 6,
    R7 = 7,
    R8 = 8,
    R9 = 9,
    /// The stack's end.
    R10 = 10,
}

/// What an arithmetic instruction does (`BPF_OP`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alu {
    Add = 0x00,
    Sub = 0x10,
    Mul = 0x20,
    Div = 0x30,
    Or = 0x40,
    And = 0x50,
    Lsh = 0x60,
    Rsh = 0x70,
    Neg = 0x80,
    Mod = 0x90,
    Xor = 0xa0,
    Mov = 0xb0,
}

/// When a jump is taken, without sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum If {
    Equal = 0x10,
    Greater = 0x20,
    GreaterOrEqual = 0x30,
    AnyBit = 0x40,
    NotEqual = 0x50,
}

/// Size of a load or store (`BPF_SIZE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    W = 0x00,
    H = 0x08,
    B = 0x10,
}

/// Width of a computation: 32 bits clear the upper half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bits {
    B32 = 0x04,
    B64 = 0x07,
}

const JMP: u8 = 0x05;
const JMP32: u8 = 0x06;
const CALL: u8 = 0x80;
const EXIT: u8 = 0x90;
const SOURCE_REGISTER: u8 = 0x08;

impl Ebpf {
    const fn new(code: u8, to: R, from: u8, offset: i16, immediate: i32) -> Self {
        Self {
            code,
            registers: to as u8 | from << 4,
            offset,
            immediate,
        }
    }

    pub(super) const fn alu(bits: Bits, operator: Alu, to: R, immediate: i32) -> Self {
        Self::new(bits as u8 | operator as u8, to, 0, 0, immediate)
    }

    pub(super) const fn alu_register(bits: Bits, operator: Alu, to: R, from: R) -> Self {
        let code = bits as u8 | operator as u8 | SOURCE_REGISTER;
        Self::new(code, to, from as u8, 0, 0)
    }

    /// `to = htobe(to)` of so many bits; clears the rest.
    pub(super) const fn to_big_endian(to: R, bits: i32) -> Self {
        Self::new(0xdc, to, 0, 0, bits)
    }

    /// `to = *(from + offset)`
    pub(super) const fn load(width: Width, to: R, from: R, offset: i16) -> Self {
        Self::new(0x61 | width as u8, to, from as u8, offset, 0)
    }

    /// `*(to + offset) = from`
    pub(super) const fn store(width: Width, to: R, offset: i16, from: R) -> Self {
        Self::new(0x63 | width as u8, to, from as u8, offset, 0)
    }

    /// `*(to + offset) = immediate`
    pub(super) const fn store_constant(width: Width, to: R, offset: i16, immediate: i32) -> Self {
        Self::new(0x62 | width as u8, to, 0, offset, immediate)
    }

    /// Compares 32 bits.
    pub(super) const fn jump_if(condition: If, left: R, right: i32) -> Self {
        Self::new(JMP32 | condition as u8, left, 0, 0, right)
    }

    pub(super) const fn jump_if_register(condition: If, left: R, right: R) -> Self {
        let code = JMP32 | condition as u8 | SOURCE_REGISTER;
        Self::new(code, left, right as u8, 0, 0)
    }

    /// Compares 64 bits, such as pointers.
    pub(super) const fn jump_if_beyond(left: R, right: R) -> Self {
        let code = JMP | If::Greater as u8 | SOURCE_REGISTER;
        Self::new(code, left, right as u8, 0, 0)
    }

    pub(super) const fn jump() -> Self {
        Self::new(JMP, R::R0, 0, 0, 0)
    }

    pub(super) const fn call(helper: i32) -> Self {
        Self::new(JMP | CALL, R::R0, 0, 0, helper)
    }

    /// Whether the next instruction is never the one that follows it.
    pub(super) const fn is_end(self) -> bool {
        self.code == JMP || self.code == JMP | EXIT
    }

    pub(super) const fn exit() -> Self {
        Self::new(JMP | EXIT, R::R0, 0, 0, 0)
    }
}

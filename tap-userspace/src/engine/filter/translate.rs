//! From classic BPF to the kernel's machine.
//!
//! The program sees the frame as it will be delivered, which the skb is not
//! where the kernel keeps a VLAN tag beside it, or where the device has no link
//! layer: bytes that the skb lacks are made up ([`Layout`]). The legacy loads
//! (`LD_ABS`, `LD_IND`) are not used: on a short packet they end the program
//! with 0, which is `TC_ACT_OK` and ends the chain of classifiers. Where the
//! bytes are in the linear part they are read directly, else by
//! `bpf_skb_load_bytes`.

use std::ops::Range;

use super::{
    assemble::{Assembler, Label, constant},
    ebpf::{Alu, Bits, Ebpf, If, R, Width},
    instruction::{Answer, Operand, Operation, Operator, Register, Size, Slot, Test},
    program::Program,
};
use crate::engine::headers::{ETHERNET_BYTES, VLAN_TAG_BYTES};

/// What the frames begin with that the skb lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkHeader {
    /// A VLAN tag, if the kernel keeps one beside the skb.
    Ethernet,
    /// All of it: these two addresses, destination first, and the EtherType
    /// that the skb says.
    MadeUp([u8; 12]),
}

/// Why a program cannot be translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TranslateError {
    /// A jump in it would be longer than the kernel's instructions can say.
    #[error("the filter is too long: {instructions} instructions in the kernel")]
    TooLong {
        /// How many it came to.
        instructions: usize,
    },
}

/// Where the answer is when a [`Program`]'s instructions end: 0 is no match.
pub(super) const ANSWER: R = R::R7;

/// The registers: the skb; `A`, which is also the answer; `X`; and what the skb
/// keeps beside itself.
const SKB: R = R::R6;
const A: R = R::R7;
const X: R = R::R8;
const BESIDE: R = R::R9;

/// Below the stack's end: where a load puts its bytes, then the scratch memory.
const BUFFER: i16 = -8;
const SCRATCH: i16 = BUFFER - 4 * Slot::COUNT as i16;

/// Offsets in `struct __sk_buff` (include/uapi/linux/bpf.h).
mod skb {
    pub(super) const LEN: i16 = 0;
    pub(super) const PROTOCOL: i16 = 16;
    pub(super) const VLAN_PRESENT: i16 = 20;
    pub(super) const VLAN_TCI: i16 = 24;
    pub(super) const VLAN_PROTO: i16 = 28;
    pub(super) const DATA: i16 = 76;
    pub(super) const DATA_END: i16 = 80;
}

/// `bpf_skb_load_bytes` (`___BPF_FUNC_MAPPER` in the same file).
const SKB_LOAD_BYTES: i32 = 26;

/// The largest offset that `bpf_skb_load_bytes` takes on 5.10
/// (`bpf_skb_load_bytes`, net/core/filter.c), and the verifier adds to a packet
/// pointer (`MAX_PACKET_OFF`, kernel/bpf/verifier.c), both with room for a
/// word.
const OFFSET_MAX: i32 = 0xffff - 4;

impl Program {
    /// The program as a classifier's, which ends with the answer: 0, or a value
    /// that is not 0 for a frame that matches.
    ///
    /// # Errors
    /// When it is too long.
    pub fn translate(&self, link: LinkHeader) -> Result<Vec<Ebpf>, TranslateError> {
        let mut assembler = Assembler::default();
        let end = assembler.label();
        self.body(&mut assembler, link, end);
        assembler.place(end);
        assembler.push(Ebpf::alu_register(Bits::B32, Alu::Mov, R::R0, ANSWER));
        assembler.push(Ebpf::exit());
        let instructions = assembler.len();
        assembler
            .finish()
            .map_err(|_| TranslateError::TooLong { instructions })
    }

    /// Everything up to the answer, which is in [`ANSWER`] at `end`.
    fn body(&self, assembler: &mut Assembler, link: LinkHeader, end: Label) {
        assembler.push(Ebpf::alu_register(Bits::B64, Alu::Mov, SKB, R::R1));
        for slot in self.slots() {
            assembler.push(Ebpf::store_constant(Width::W, R::R10, place(slot), 0));
        }
        match link {
            LinkHeader::Ethernet => {
                let untagged = assembler.label();
                assembler.push(Ebpf::load(Width::W, R::R1, SKB, skb::VLAN_PRESENT));
                assembler.jump(Ebpf::jump_if(If::Equal, R::R1, 0), untagged);
                assembler.extend(TAG_INTO_BESIDE);
                self.variant(assembler, Layout::Tagged, end);
                assembler.place(untagged);
                self.variant(assembler, Layout::AsIs, end);
            }
            LinkHeader::MadeUp(addresses) => {
                assembler.extend(TYPE_INTO_BESIDE);
                self.variant(assembler, Layout::MadeUp(addresses), end);
            }
        }
    }

    /// The program for skbs of one layout.
    fn variant(&self, assembler: &mut Assembler, layout: Layout, end: Label) {
        let no_match = assembler.label();
        let operations = self.operations();
        let labels: Vec<_> = operations.iter().map(|_| assembler.label()).collect();
        assembler.extend([constant(A, 0), constant(X, 0)]);
        for (at, operation) in operations.iter().enumerate() {
            if let Some(label) = labels.get(at) {
                assembler.place(*label);
            }
            // The program was looked at: there is a label for each.
            let after = |skip: u32| {
                let target = at + 1 + skip as usize;
                labels.get(target).copied().unwrap_or(no_match)
            };
            let mut to = Emitter {
                assembler,
                layout,
                no_match,
            };
            match *operation {
                Operation::LoadAbsolute { size, offset } => to.load_at(size, offset),
                Operation::LoadIndirect { size, offset } => to.load_indirect(size, offset),
                Operation::LoadHeaderLength { offset } => to.load_header_length(offset),
                Operation::LoadLength(register) => to.load_length(machines(register)),
                Operation::LoadConstant(register, k) => {
                    assembler.push(constant(machines(register), k));
                }
                Operation::LoadScratch(register, slot) => {
                    let load = Ebpf::load(Width::W, machines(register), R::R10, place(slot));
                    assembler.push(load);
                }
                Operation::Store(register, slot) => {
                    let store = Ebpf::store(Width::W, R::R10, place(slot), machines(register));
                    assembler.push(store);
                }
                Operation::Arithmetic(operator, operand) => to.arithmetic(operator, operand),
                Operation::Negate => assembler.push(Ebpf::alu(Bits::B32, Alu::Neg, A, 0)),
                Operation::Jump(0) => {}
                Operation::Jump(skip) => assembler.go(after(skip)),
                Operation::Branch {
                    test,
                    operand,
                    then,
                    otherwise,
                } => {
                    let otherwise = (otherwise > 0).then(|| after(otherwise.into()));
                    to.branch(test, operand, after(then.into()), otherwise);
                }
                Operation::Return(answer) => {
                    if let Answer::Constant(k) = answer {
                        assembler.push(constant(A, k));
                    }
                    assembler.go(end);
                }
                Operation::AToX => {
                    assembler.push(Ebpf::alu_register(Bits::B32, Alu::Mov, X, A));
                }
                Operation::XToA => {
                    assembler.push(Ebpf::alu_register(Bits::B32, Alu::Mov, A, X));
                }
            }
        }
        assembler.place(no_match);
        assembler.push(constant(A, 0));
        assembler.go(end);
    }

    /// Scratch memory that it loads from.
    fn slots(&self) -> Vec<Slot> {
        let mut slots: Vec<_> = self
            .operations()
            .iter()
            .filter_map(|operation| match operation {
                Operation::LoadScratch(_, slot) => Some(*slot),
                _ => None,
            })
            .collect();
        slots.sort_unstable_by_key(|slot| slot.index());
        slots.dedup();
        slots
    }
}

/// The tag as the wire has it: its EtherType in the upper half, its TCI in the
/// lower one. `vlan_proto` is in network byte order, `vlan_tci` is not.
const TAG_INTO_BESIDE: [Ebpf; 5] = [
    Ebpf::load(Width::W, BESIDE, SKB, skb::VLAN_PROTO),
    Ebpf::to_big_endian(BESIDE, 16),
    Ebpf::alu(Bits::B64, Alu::Lsh, BESIDE, 16),
    Ebpf::load(Width::W, R::R1, SKB, skb::VLAN_TCI),
    Ebpf::alu_register(Bits::B64, Alu::Or, BESIDE, R::R1),
];

/// `protocol` is in network byte order.
const TYPE_INTO_BESIDE: [Ebpf; 2] = [
    Ebpf::load(Width::W, BESIDE, SKB, skb::PROTOCOL),
    Ebpf::to_big_endian(BESIDE, 16),
];

fn place(slot: Slot) -> i16 {
    SCRATCH + 4 * i16::from(slot.index())
}

const fn machines(register: Register) -> R {
    match register {
        Register::A => A,
        Register::X => X,
    }
}

/// How the frame's bytes lie in the skb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// As they are.
    AsIs,
    /// A tag behind the addresses is not in it.
    Tagged,
    /// Its first header is not in it.
    MadeUp([u8; 12]),
}

/// A byte that the skb lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MadeUp {
    Constant(u8),
    /// Of what is beside the skb, so many bits from the right.
    Beside(i32),
}

/// Where the EtherType, or a tag, begins.
const TYPE_AT: u32 = 12;
const HEADER_BYTES: u32 = 14;
const TAG_BYTES: u32 = 4;

const _: () = assert!(HEADER_BYTES as usize == ETHERNET_BYTES);
const _: () = assert!(TAG_BYTES as usize == VLAN_TAG_BYTES);

impl Layout {
    /// Offsets of the bytes that the skb lacks: from here, and before there.
    const fn lacking(self) -> (u32, u32) {
        match self {
            Self::AsIs => (0, 0),
            Self::Tagged => (TYPE_AT, TYPE_AT + TAG_BYTES),
            Self::MadeUp(_) => (0, HEADER_BYTES),
        }
    }

    /// How many these are.
    const fn lacking_bytes(self) -> u32 {
        let (from, before) = self.lacking();
        before - from
    }

    /// The byte at this offset, where the skb lacks it.
    fn made_up(self, offset: u32) -> Option<MadeUp> {
        let (from, before) = self.lacking();
        if !(from..before).contains(&offset) {
            return None;
        }
        let from_right = |last: u32| MadeUp::Beside(8 * (last - offset).cast_signed());
        Some(match self {
            Self::AsIs => return None,
            Self::Tagged => from_right(before - 1),
            Self::MadeUp(addresses) => match addresses.get(offset as usize) {
                Some(byte) => MadeUp::Constant(*byte),
                None => from_right(before - 1),
            },
        })
    }

    /// Where a byte of the frame is in the skb, if it is there.
    fn in_skb(self, offset: u32) -> Option<u32> {
        let (from, before) = self.lacking();
        if offset < from {
            return Some(offset);
        }
        (offset >= before).then(|| offset - self.lacking_bytes())
    }
}

/// Writes what one operation becomes.
struct Emitter<'a> {
    assembler: &'a mut Assembler,
    layout: Layout,
    no_match: Label,
}

impl Emitter<'_> {
    fn push(&mut self, instruction: Ebpf) {
        self.assembler.push(instruction);
    }

    fn load_header_length(&mut self, offset: u32) {
        // Through A, which it does not change.
        self.push(Ebpf::alu_register(Bits::B32, Alu::Mov, X, A));
        self.load_at(Size::Byte, offset);
        self.push(Ebpf::alu_register(Bits::B32, Alu::Mov, R::R1, A));
        self.push(Ebpf::alu_register(Bits::B32, Alu::Mov, A, X));
        self.push(Ebpf::alu_register(Bits::B32, Alu::Mov, X, R::R1));
        self.push(Ebpf::alu(Bits::B32, Alu::And, X, 0x0f));
        self.push(Ebpf::alu(Bits::B32, Alu::Lsh, X, 2));
    }

    fn load_length(&mut self, to: R) {
        let lacking_bytes = self.layout.lacking_bytes().cast_signed();
        self.push(Ebpf::load(Width::W, to, SKB, skb::LEN));
        if lacking_bytes > 0 {
            self.push(Ebpf::alu(Bits::B32, Alu::Add, to, lacking_bytes));
        }
    }

    /// `A = frame[offset]`
    fn load_at(&mut self, size: Size, offset: u32) {
        let last = offset.checked_add(size.bytes() - 1);
        let ends = last.map(|last| (self.layout.in_skb(offset), self.layout.in_skb(last)));
        match ends {
            // No frame is as long.
            None => self.assembler.go(self.no_match),
            Some((Some(first), Some(last))) if last - first == size.bytes() - 1 => {
                match i32::try_from(first) {
                    Ok(first) if first <= OFFSET_MAX => {
                        self.push(Ebpf::alu(Bits::B64, Alu::Mov, R::R2, first));
                        self.load_from_skb(size, Some(first));
                    }
                    _ => self.assembler.go(self.no_match),
                }
            }
            // Some of it is in the skb, or none: byte by byte.
            Some(_) => {
                for (number, at) in (offset..offset + size.bytes()).enumerate() {
                    self.load_byte_at(at);
                    self.join(number, size);
                }
            }
        }
    }

    /// `A = frame[offset]`, one byte.
    fn load_byte_at(&mut self, offset: u32) {
        match (self.layout.made_up(offset), self.layout.in_skb(offset)) {
            (Some(made_up), _) => self.make_up(made_up),
            (None, Some(at)) => {
                self.push(Ebpf::alu(Bits::B64, Alu::Mov, R::R2, at.cast_signed()));
                self.load_from_skb(Size::Byte, Some(at.cast_signed()));
            }
            (None, None) => self.assembler.go(self.no_match),
        }
    }

    fn make_up(&mut self, byte: MadeUp) {
        match byte {
            MadeUp::Constant(byte) => self.push(constant(A, byte.into())),
            MadeUp::Beside(from_right) => {
                self.push(Ebpf::alu_register(Bits::B64, Alu::Mov, A, BESIDE));
                self.push(Ebpf::alu(Bits::B64, Alu::Rsh, A, from_right));
                self.push(Ebpf::alu(Bits::B32, Alu::And, A, 0xff));
            }
        }
    }

    /// Puts the byte in `A` behind those that were read before it, which are in
    /// the second half of the buffer; after the last one, all are in `A`.
    fn join(&mut self, number: usize, size: Size) {
        const JOINED: i16 = BUFFER + 4;
        if number > 0 {
            self.push(Ebpf::load(Width::W, R::R1, R::R10, JOINED));
            self.push(Ebpf::alu(Bits::B32, Alu::Lsh, R::R1, 8));
            self.push(Ebpf::alu_register(Bits::B32, Alu::Or, A, R::R1));
        }
        if number + 1 < size.bytes() as usize {
            self.push(Ebpf::store(Width::W, R::R10, JOINED, A));
        }
    }

    /// `A = frame[X + offset]`
    fn load_indirect(&mut self, size: Size, offset: u32) {
        let Ok(offset) = i32::try_from(offset) else {
            self.assembler.go(self.no_match);
            return;
        };
        let (from, before) = self.layout.lacking();
        // The index in R2, as 64 bits: X is 32 and the sum does not wrap.
        self.push(Ebpf::alu_register(Bits::B32, Alu::Mov, R::R2, X));
        self.push(Ebpf::alu(Bits::B64, Alu::Add, R::R2, offset));
        let is_beside = offset.cast_unsigned() < before;
        let limit = OFFSET_MAX + self.layout.lacking_bytes().cast_signed();
        self.push(constant(R::R1, limit.cast_unsigned()));
        self.assembler
            .jump(Ebpf::jump_if_beyond(R::R2, R::R1), self.no_match);
        if before == from {
            self.load_from_skb(size, None);
            return;
        }
        let done = self.assembler.label();
        if is_beside {
            // X may be small: where the load begins decides.
            let behind = self.assembler.label();
            let is_behind = Ebpf::jump_if(If::GreaterOrEqual, R::R2, before.cast_signed());
            self.assembler.jump(is_behind, behind);
            self.choose(size, offset.cast_unsigned()..before, done);
            self.assembler.place(behind);
        }
        let lacking_bytes = self.layout.lacking_bytes().cast_signed();
        self.push(Ebpf::alu(Bits::B64, Alu::Sub, R::R2, lacking_bytes));
        self.load_from_skb(size, None);
        self.assembler.place(done);
    }

    /// One load for each index that it may be, then on to `done`.
    fn choose(&mut self, size: Size, indices: Range<u32>, done: Label) {
        for at in indices {
            let next = self.assembler.label();
            let is_other = Ebpf::jump_if(If::NotEqual, R::R2, at.cast_signed());
            self.assembler.jump(is_other, next);
            self.load_at(size, at);
            self.assembler.go(done);
            self.assembler.place(next);
        }
        self.assembler.go(self.no_match);
    }

    /// `A = skb[R2]`, which is `at` if that is known, and [`OFFSET_MAX`] at
    /// most.
    fn load_from_skb(&mut self, size: Size, at: Option<i32>) {
        let bytes = size.bytes().cast_signed();
        let (slow, loaded) = (self.assembler.label(), self.assembler.label());
        let width = match size {
            Size::Byte => Width::B,
            Size::Half => Width::H,
            Size::Word => Width::W,
        };
        self.push(Ebpf::load(Width::W, R::R3, SKB, skb::DATA));
        self.push(Ebpf::load(Width::W, R::R4, SKB, skb::DATA_END));
        match at {
            // The verifier keeps constants exactly.
            Some(at) => self.push(Ebpf::alu(Bits::B64, Alu::Add, R::R3, at)),
            None => self.push(Ebpf::alu_register(Bits::B64, Alu::Add, R::R3, R::R2)),
        }
        self.push(Ebpf::alu_register(Bits::B64, Alu::Mov, R::R0, R::R3));
        self.push(Ebpf::alu(Bits::B64, Alu::Add, R::R0, bytes));
        self.assembler
            .jump(Ebpf::jump_if_beyond(R::R0, R::R4), slow);
        self.push(Ebpf::load(width, A, R::R3, 0));
        self.assembler.go(loaded);

        self.assembler.place(slow);
        self.push(Ebpf::alu_register(Bits::B64, Alu::Mov, R::R1, SKB));
        self.push(Ebpf::alu_register(Bits::B64, Alu::Mov, R::R3, R::R10));
        self.push(Ebpf::alu(Bits::B64, Alu::Add, R::R3, BUFFER.into()));
        self.push(constant(R::R4, bytes.cast_unsigned()));
        self.push(Ebpf::call(SKB_LOAD_BYTES));
        self.assembler
            .jump(Ebpf::jump_if(If::NotEqual, R::R0, 0), self.no_match);
        self.push(Ebpf::load(width, A, R::R10, BUFFER));
        self.assembler.place(loaded);
        match size {
            Size::Byte => {}
            Size::Half => self.push(Ebpf::to_big_endian(A, 16)),
            Size::Word => self.push(Ebpf::to_big_endian(A, 32)),
        }
    }

    fn arithmetic(&mut self, operator: Operator, operand: Operand) {
        let alu = match operator {
            Operator::Add => Alu::Add,
            Operator::Subtract => Alu::Sub,
            Operator::Multiply => Alu::Mul,
            Operator::Divide => Alu::Div,
            Operator::Modulo => Alu::Mod,
            Operator::And => Alu::And,
            Operator::Or => Alu::Or,
            Operator::Xor => Alu::Xor,
            Operator::ShiftLeft => Alu::Lsh,
            Operator::ShiftRight => Alu::Rsh,
        };
        let Operand::X = operand else {
            if let Operand::Constant(k) = operand {
                self.push(Ebpf::alu(Bits::B32, alu, A, k.cast_signed()));
            }
            return;
        };
        match operator {
            // The machine's own answer to it would be a number.
            Operator::Divide | Operator::Modulo => {
                self.assembler
                    .jump(Ebpf::jump_if(If::Equal, X, 0), self.no_match);
                self.push(Ebpf::alu_register(Bits::B32, alu, A, X));
            }
            // The machine takes the shift modulo 32.
            Operator::ShiftLeft | Operator::ShiftRight => {
                let (far, done) = (self.assembler.label(), self.assembler.label());
                self.assembler.jump(Ebpf::jump_if(If::Greater, X, 31), far);
                self.push(Ebpf::alu_register(Bits::B32, alu, A, X));
                self.assembler.go(done);
                self.assembler.place(far);
                self.push(constant(A, 0));
                self.assembler.place(done);
            }
            _ => self.push(Ebpf::alu_register(Bits::B32, alu, A, X)),
        }
    }

    fn branch(&mut self, test: Test, operand: Operand, then: Label, otherwise: Option<Label>) {
        let condition = match test {
            Test::Equal => If::Equal,
            Test::Greater => If::Greater,
            Test::GreaterOrEqual => If::GreaterOrEqual,
            Test::AnyBit => If::AnyBit,
        };
        let jump = match operand {
            Operand::Constant(k) => Ebpf::jump_if(condition, A, k.cast_signed()),
            Operand::X => Ebpf::jump_if_register(condition, A, X),
        };
        self.assembler.jump(jump, then);
        if let Some(otherwise) = otherwise {
            self.assembler.go(otherwise);
        }
    }
}

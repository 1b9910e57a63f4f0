//! What the loads of a classic program become.

use std::ops::Range;

use super::{
    assemble::{Assembler, Label, constant},
    ebpf::{Alu, Bits, Ebpf, If, R, Width},
    instruction::Size,
    layout::{Layout, MadeUp},
    registers::{A, BESIDE, BUFFER, SKB, X, skb},
};

/// `bpf_skb_load_bytes` (`___BPF_FUNC_MAPPER`, include/uapi/linux/bpf.h).
const SKB_LOAD_BYTES: i32 = 26;

/// The largest offset that `bpf_skb_load_bytes` takes on 5.10
/// (`bpf_skb_load_bytes`, net/core/filter.c), and the verifier adds to a packet
/// pointer (`MAX_PACKET_OFF`, kernel/bpf/verifier.c), both with room for a
/// word.
const OFFSET_MAX: i32 = 0xffff - 4;

/// Writes what one operation becomes.
pub(super) struct Emitter<'a> {
    pub(super) assembler: &'a mut Assembler,
    pub(super) layout: Layout,
    pub(super) no_match: Label,
}

impl Emitter<'_> {
    pub(super) fn push(&mut self, instruction: Ebpf) {
        self.assembler.push(instruction);
    }

    pub(super) fn load_header_length(&mut self, offset: u32) {
        // Through A, which it does not change.
        self.push(Ebpf::alu_register(Bits::B32, Alu::Mov, X, A));
        self.load_at(Size::Byte, offset);
        self.push(Ebpf::alu_register(Bits::B32, Alu::Mov, R::R1, A));
        self.push(Ebpf::alu_register(Bits::B32, Alu::Mov, A, X));
        self.push(Ebpf::alu_register(Bits::B32, Alu::Mov, X, R::R1));
        self.push(Ebpf::alu(Bits::B32, Alu::And, X, 0x0f));
        self.push(Ebpf::alu(Bits::B32, Alu::Lsh, X, 2));
    }

    pub(super) fn load_length(&mut self, to: R) {
        let lacking_bytes = self.layout.lacking_bytes().cast_signed();
        self.push(Ebpf::load(Width::W, to, SKB, skb::LEN));
        if lacking_bytes > 0 {
            self.push(Ebpf::alu(Bits::B32, Alu::Add, to, lacking_bytes));
        }
    }

    /// `A = frame[offset]`
    pub(super) fn load_at(&mut self, size: Size, offset: u32) {
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
    pub(super) fn load_indirect(&mut self, size: Size, offset: u32) {
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
}

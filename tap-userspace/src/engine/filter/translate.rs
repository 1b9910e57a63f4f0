//! From classic BPF to the kernel's machine.
//!
//! The program sees the frame as it will be delivered, which the skb is not
//! where the kernel keeps a VLAN tag beside it, or where the device has no link
//! layer: bytes that the skb lacks are made up ([`Layout`]). The legacy loads
//! (`LD_ABS`, `LD_IND`) are not used: on a short packet they end the program
//! with 0, which is `TC_ACT_OK` and ends the chain of classifiers. Where the
//! bytes are in the linear part they are read directly, else by
//! `bpf_skb_load_bytes`.

use super::{
    assemble::{Assembler, Label, constant},
    ebpf::{Alu, Bits, Ebpf, If, R, Width},
    instruction::{Answer, Operand, Operation, Operator, Register, Slot, Test},
    layout::{Layout, TAG_INTO_BESIDE, TYPE_INTO_BESIDE},
    load::Emitter,
    program::Program,
    registers::{A, SCRATCH, SKB, X, skb},
};

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
        assembler.push(Ebpf::alu_register(Bits::B32, Alu::Mov, R::R0, A));
        assembler.push(Ebpf::exit());
        let instructions = assembler.len();
        assembler
            .finish()
            .map_err(|_| TranslateError::TooLong { instructions })
    }

    /// Everything up to the answer, which is in [`A`] at `end`.
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

fn place(slot: Slot) -> i16 {
    SCRATCH + 4 * i16::from(slot.index())
}

const fn machines(register: Register) -> R {
    match register {
        Register::A => A,
        Register::X => X,
    }
}

impl Emitter<'_> {
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

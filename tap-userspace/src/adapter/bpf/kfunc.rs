//! Calls of kernel functions in the object, which aya does not link.
//!
//! The programs call helpers whose numbers no kernel has
//! ([`CALL_CAST_TO_KERN_CTX`]). Here each such instruction becomes the call of
//! the kfunc, by its BTF id on the running kernel; or, where there is none, an
//! instruction that any kernel takes, on a way that is then never gone.

use object::{Object as _, ObjectSection as _, SectionKind, read::elf::ElfFile64};
use tap_common::{CALL_CAST_TO_KERN_CTX, CALL_RDONLY_CAST};

/// BTF ids of the kernel functions that the programs call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kfuncs {
    /// `bpf_cast_to_kern_ctx`.
    pub(super) cast_to_kern_ctx: i32,
    /// `bpf_rdonly_cast`.
    pub(super) rdonly_cast: i32,
}

/// Bytes of an instruction: code, registers, a 16-bit offset, a 32-bit
/// immediate (Documentation/bpf/standardization/instruction-set.rst).
const INSTRUCTION_BYTES: usize = 8;
/// `BPF_JMP | BPF_CALL`.
const CALL: u8 = 0x85;
/// `BPF_PSEUDO_KFUNC_CALL` in the source register's half.
const SOURCE_KFUNC: u8 = 2 << 4;
/// `BPF_ALU64 | BPF_MOV | BPF_K`: with all else 0, `r0 = 0`.
const MOVE: u8 = 0xb7;

/// The object with its calls linked to `kfuncs`, or disarmed if there are
/// none.
///
/// # Errors
/// When it is no ELF file, which it was when it was built.
pub(super) fn link(object: &[u8], kfuncs: Option<Kfuncs>) -> Result<Vec<u8>, object::Error> {
    let elf: ElfFile64<'_> = ElfFile64::parse(object)?;
    let mut linked = object.to_vec();
    for section in elf.sections() {
        if section.kind() != SectionKind::Text {
            continue;
        }
        let Some((offset, size)) = section.file_range() else {
            continue;
        };
        let code = usize::try_from(offset)
            .ok()
            .zip(usize::try_from(size).ok())
            .and_then(|(offset, size)| linked.get_mut(offset..)?.get_mut(..size));
        let (instructions, _) = code
            .unwrap_or_default()
            .as_chunks_mut::<INSTRUCTION_BYTES>();
        for instruction in instructions {
            link_call(instruction, kfuncs);
        }
    }
    Ok(linked)
}

/// An instruction is in the byte order of the machine, as the object is.
fn link_call(instruction: &mut [u8; INSTRUCTION_BYTES], kfuncs: Option<Kfuncs>) {
    let [CALL, 0, _, _, a, b, c, d] = *instruction else {
        return;
    };
    let id = |kfunc: fn(Kfuncs) -> i32| kfuncs.map(kfunc);
    let id = match i32::from_ne_bytes([a, b, c, d]) {
        CALL_CAST_TO_KERN_CTX => id(|kfuncs| kfuncs.cast_to_kern_ctx),
        CALL_RDONLY_CAST => id(|kfuncs| kfuncs.rdonly_cast),
        _ => return,
    };
    let (code, registers) = match id {
        Some(_) => (CALL, SOURCE_KFUNC),
        None => (MOVE, 0),
    };
    let [a, b, c, d] = id.unwrap_or(0).to_ne_bytes();
    *instruction = [code, registers, 0, 0, a, b, c, d];
}

#[cfg(test)]
mod tests {
    use super::{CALL_CAST_TO_KERN_CTX, CALL_RDONLY_CAST, Kfuncs, link_call};

    const KFUNCS: Kfuncs = Kfuncs {
        cast_to_kern_ctx: 71_234,
        rdonly_cast: 5,
    };

    fn call(number: i32) -> [u8; 8] {
        let [a, b, c, d] = number.to_ne_bytes();
        [0x85, 0, 0, 0, a, b, c, d]
    }

    #[test]
    fn a_placeholder_becomes_the_kfunc_of_this_kernel() {
        for (number, id) in [(CALL_CAST_TO_KERN_CTX, 71_234), (CALL_RDONLY_CAST, 5)] {
            let mut instruction = call(number);
            link_call(&mut instruction, Some(KFUNCS));
            let [code, registers, .., a, b, c, d] = instruction;
            assert_eq!((code, registers), (0x85, 0x20));
            assert_eq!(i32::from_ne_bytes([a, b, c, d]), id);
        }
    }

    #[test]
    fn without_kfuncs_a_placeholder_calls_nothing() {
        let mut instruction = call(CALL_RDONLY_CAST);
        link_call(&mut instruction, None);
        assert_eq!(instruction, [0xb7, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn helper_calls_stay() {
        let mut instruction = call(5);
        link_call(&mut instruction, Some(KFUNCS));
        assert_eq!(instruction, call(5));
    }
}

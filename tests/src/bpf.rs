//! Programs that are written down instruction by instruction, as other tools
//! than podtap have them: loaded and attached without podtap's own code.

use std::{
    borrow::Cow,
    fs, io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use aya::programs::{
    LinkOrder, SchedClassifier, TcAttachType, loaded_programs,
    tc::{NlOptions, SchedClassifierLink, TcAttachOptions},
};
use aya_obj::generated::{bpf_attr, bpf_cmd, bpf_prog_type};
use nix::libc;

use crate::TestNetns;

/// Where in the chain a program is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Through TCX, before all that are there.
    First,
    /// Through TCX, behind all that are there.
    Last,
    /// Through a clsact qdisc, which is added, as its last filter.
    Clsact,
}

/// One instruction (Documentation/bpf/standardization/instruction-set.rst) in
/// the layout of a little-endian machine.
pub type Instruction = u64;

/// Answers of a classifier (include/uapi/linux/bpf.h `enum tcx_action_base`;
/// a clsact filter means the same by them).
pub mod answer {
    /// The next program in the chain is to decide.
    pub const NEXT: i32 = -1;
    /// The packet goes no further.
    pub const DROP: i32 = 2;
}

/// Registers by their number, for what reads better so.
const R0: u8 = 0;
const R1: u8 = 1;
const R2: u8 = 2;

/// Offsets in `struct __sk_buff`.
const MARK: i16 = 8;
const PROTOCOL: i16 = 16;

/// `bpf_redirect_peer` (include/uapi/linux/bpf.h `___BPF_FUNC_MAPPER`).
const FN_REDIRECT_PEER: i32 = 155;

/// Delivers each packet straight to the other end of the veth that has this
/// index in its namespace, as Cilium and Calico do. Only for ingress.
#[must_use]
pub fn redirect_to_peer(interface_index: u32) -> Vec<Instruction> {
    vec![
        assign(R1, interface_index.cast_signed()),
        assign(R2, 0),
        instruction(0x85, 0, 0, 0, FN_REDIRECT_PEER),
        EXIT,
    ]
}

/// Marks each packet, and leaves it to the next program.
#[must_use]
pub fn mark(value: i32) -> Vec<Instruction> {
    let mut code = vec![assign(R2, value), store(R1, MARK, R2)];
    code.extend(end(answer::NEXT));
    code
}

/// Drops each packet but those with this mark, and takes it off.
#[must_use]
pub fn only_marked(value: i32) -> Vec<Instruction> {
    let mut code = vec![
        load(R2, R1, MARK),
        // Over the two instructions of the drop.
        skip_if_equal(R2, value, 2),
    ];
    code.extend(end(answer::DROP));
    code.extend([assign(R2, 0), store(R1, MARK, R2)]);
    code.extend(end(answer::NEXT));
    code
}

/// Drops each packet of this EtherType, and leaves all others to the next
/// program.
#[must_use]
pub fn drop_protocol(ether_type: u16) -> Vec<Instruction> {
    let mut code = vec![
        load(R2, R1, PROTOCOL),
        skip_if_equal(R2, i32::from(ether_type.to_be()), 2),
    ];
    code.extend(end(answer::NEXT));
    code.extend(end(answer::DROP));
    code
}

const EXIT: Instruction = instruction(0x95, 0, 0, 0, 0);

fn end(answer: i32) -> [Instruction; 2] {
    [assign(R0, answer), EXIT]
}

/// `to = value`, sign-extended.
const fn assign(to: u8, value: i32) -> Instruction {
    instruction(0xb7, to, 0, 0, value)
}

/// `to = *(u32 *)(from + offset)`
const fn load(to: u8, from: u8, offset: i16) -> Instruction {
    instruction(0x61, to, from, offset, 0)
}

/// `*(u32 *)(to + offset) = from`
const fn store(to: u8, offset: i16, from: u8) -> Instruction {
    instruction(0x63, to, from, offset, 0)
}

/// `if register == value goto +count`, in 64 bits: loads leave the upper half
/// 0, and the values here are positive.
const fn skip_if_equal(register: u8, value: i32, count: i16) -> Instruction {
    instruction(0x15, register, 0, count, value)
}

const fn instruction(code: u8, to: u8, from: u8, offset: i16, value: i32) -> Instruction {
    let [offset_low, offset_high] = offset.to_le_bytes();
    let [a, b, c, d] = value.to_le_bytes();
    u64::from_le_bytes([code, to | from << 4, offset_low, offset_high, a, b, c, d])
}

/// A program on one side of one interface, until it is dropped.
pub struct Attached<'a> {
    netns: &'a TestNetns,
    link: Option<SchedClassifierLink>,
}

impl<'a> Attached<'a> {
    /// Loads a program by this name, of at most 15 bytes, and attaches it.
    #[must_use]
    pub fn new(
        (netns, interface): (&'a TestNetns, &str),
        side: TcAttachType,
        place: Place,
        (name, code): (&str, &[Instruction]),
    ) -> Self {
        let mut program = load_program(name, code);
        let options = match place {
            Place::First => TcAttachOptions::TcxOrder(LinkOrder::first()),
            Place::Last => TcAttachOptions::TcxOrder(LinkOrder::last()),
            Place::Clsact => TcAttachOptions::Netlink(NlOptions::default()),
        };
        let link = netns.inside(|| {
            let attached = program.attach_with_options(interface, side, options);
            program.take_link(attached.expect("to attach"))
        });
        Self {
            netns,
            link: Some(link.expect("its link")),
        }
    }
}

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        // A filter is removed from inside the namespace.
        let link = self.link.take();
        self.netns.inside(|| drop(link));
    }
}

fn load_program(name: &str, code: &[Instruction]) -> SchedClassifier {
    // SAFETY: integers and unions of integers, for which zeros are values.
    let mut attr = unsafe { std::mem::zeroed::<bpf_attr>() };
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    attr.__bindgen_anon_3.prog_type = bpf_prog_type::BPF_PROG_TYPE_SCHED_CLS as u32;
    attr.__bindgen_anon_3.prog_name = bytes.map(u8::cast_signed);
    attr.__bindgen_anon_3.insns = code.as_ptr() as u64;
    attr.__bindgen_anon_3.insn_cnt = u32::try_from(code.len()).expect("a short program");
    attr.__bindgen_anon_3.license = c"GPL".as_ptr() as u64;
    let descriptor = call(bpf_cmd::BPF_PROG_LOAD, &mut attr).expect("to load a program");
    // SAFETY: the kernel has just given this descriptor, to nobody else.
    let program = unsafe { OwnedFd::from_raw_fd(descriptor) };
    let path = format!("/proc/self/fdinfo/{}", program.as_raw_fd());
    let about = fs::read_to_string(path).expect("what the kernel says of it");
    let id = about
        .lines()
        .find_map(|line| line.strip_prefix("prog_id:")?.trim().parse::<u32>().ok())
        .expect("its id");
    let info = loaded_programs()
        // One that ends while we look is not ours.
        .filter_map(Result::ok)
        .find(|program| program.id() == id)
        .expect("the program");
    SchedClassifier::from_program_info(info, Cow::Owned(name.to_owned())).expect("a classifier")
}

/// The system call of that name.
///
/// # Errors
/// The kernel's answer.
pub fn call(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<i32> {
    // SAFETY: a whole bpf_attr of that size; what it points to outlives the
    // call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command as libc::c_int,
            std::ptr::from_mut(attr),
            size_of::<bpf_attr>(),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    i32::try_from(result).map_err(io::Error::other)
}

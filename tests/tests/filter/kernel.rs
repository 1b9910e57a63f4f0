//! A translated filter in the kernel, asked by test runs.

use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use aya_obj::generated::{bpf_attr, bpf_cmd, bpf_prog_type};
use nix::libc;
use tap_userspace::engine::filter::Ebpf;
use tests::bpf::call;

/// Instructions that give an skb a VLAN tag, and leave it where it was: a test run
/// takes none from outside. Without one, the kernel keeps it beside the skb
/// (`skb_vlan_push`, net/core/skbuff.c).
pub(crate) fn push_tag(tci: u16) -> [Ebpf; 6] {
    const VLAN_PUSH: i32 = 18;
    let move_register = |to, from: u8| instruction(0xbf, to | from << 4, 0);
    let constant = |to, value| instruction(0xb7, to, value);
    [
        move_register(6, 1),
        // In network byte order.
        constant(2, i32::from(0x8100_u16.to_be())),
        constant(3, i32::from(tci)),
        instruction(0x85, 0, VLAN_PUSH),
        move_register(1, 6),
        constant(0, 0),
    ]
}

const fn instruction(code: u8, registers: u8, immediate: i32) -> Ebpf {
    Ebpf {
        code,
        registers,
        offset: 0,
        immediate,
    }
}

/// A classifier that ends with the filter's answer.
pub(crate) struct Loaded(OwnedFd);

impl Loaded {
    /// With the verifier's last lines, if it refuses.
    pub(crate) fn new(code: &[Ebpf]) -> Result<Self, String> {
        let mut log = vec![0_u8; 1 << 20];
        // SAFETY: integers and unions of integers, for which zeros are values.
        let mut attr = unsafe { std::mem::zeroed::<bpf_attr>() };
        attr.__bindgen_anon_3.prog_type = bpf_prog_type::BPF_PROG_TYPE_SCHED_CLS as u32;
        attr.__bindgen_anon_3.insns = code.as_ptr() as u64;
        attr.__bindgen_anon_3.insn_cnt = u32::try_from(code.len()).expect("a count");
        attr.__bindgen_anon_3.license = c"GPL".as_ptr() as u64;
        let loaded = call(bpf_cmd::BPF_PROG_LOAD, &mut attr).or_else(|_| {
            // Once more, for its reasons.
            attr.__bindgen_anon_3.log_buf = log.as_mut_ptr() as u64;
            attr.__bindgen_anon_3.log_size = 1 << 20;
            attr.__bindgen_anon_3.log_level = 1;
            call(bpf_cmd::BPF_PROG_LOAD, &mut attr)
        });
        match loaded {
            // SAFETY: the kernel has just given this descriptor, to nobody else.
            Ok(descriptor) => Ok(Self(unsafe { OwnedFd::from_raw_fd(descriptor) })),
            Err(error) => Err(format!("{error}: {}", last_lines(&log))),
        }
    }

    /// What it answers of a frame in an skb; `None` for one that the kernel makes
    /// no skb of, such as a cut IP header (`bpf_prog_test_run_skb` in
    /// net/bpf/test_run.c).
    pub(crate) fn matches(&self, frame: &[u8]) -> Option<bool> {
        match self.answer(frame) {
            Ok(answer) => Some(answer != 0),
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => None,
            Err(error) => panic!("{error}: {frame:02x?}"),
        }
    }

    fn answer(&self, frame: &[u8]) -> io::Result<u32> {
        // SAFETY: as above.
        let mut attr = unsafe { std::mem::zeroed::<bpf_attr>() };
        attr.test.prog_fd = self.0.as_raw_fd().cast_unsigned();
        attr.test.data_in = frame.as_ptr() as u64;
        attr.test.data_size_in = u32::try_from(frame.len()).map_err(io::Error::other)?;
        attr.test.repeat = 1;
        call(bpf_cmd::BPF_PROG_TEST_RUN, &mut attr)?;
        // SAFETY: the kernel has written it; any bits are a number.
        Ok(unsafe { attr.test.retval })
    }
}

fn last_lines(log: &[u8]) -> String {
    let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
    let text = String::from_utf8_lossy(&log[..end]);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}

//! The verifier itself, asked for its statistics.

use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

use anyhow::{Context as _, Result};
use aya_obj::{
    EbpfSectionKind, Map,
    generated::{bpf_attr, bpf_cmd, bpf_insn, bpf_prog_type},
};
use tests::bpf;

/// `BPF_LOG_STATS` in include/linux/bpf_verifier.h.
const LOG_STATISTICS: u32 = 4;

/// Puts a section's data into its map, and freezes constants: the verifier
/// follows only the branches that they leave.
pub(crate) fn fill(map: BorrowedFd<'_>, contents: &Map) -> Result<()> {
    if contents.data().is_empty() {
        return Ok(());
    }
    let key = 0_u32;
    // SAFETY: integers and unions of integers, for which zeros are values.
    let mut attr = unsafe { std::mem::zeroed::<bpf_attr>() };
    attr.__bindgen_anon_2.map_fd = u32::try_from(map.as_raw_fd())?;
    attr.__bindgen_anon_2.key = (&raw const key) as u64;
    attr.__bindgen_anon_2.__bindgen_anon_1.value = contents.data().as_ptr() as u64;
    bpf::call(bpf_cmd::BPF_MAP_UPDATE_ELEM, &mut attr).context("filling a map")?;
    if contents.section_kind() == EbpfSectionKind::Rodata {
        // The kernel refuses this with any other field set.
        // SAFETY: as above.
        let mut attr = unsafe { std::mem::zeroed::<bpf_attr>() };
        attr.__bindgen_anon_2.map_fd = u32::try_from(map.as_raw_fd())?;
        bpf::call(bpf_cmd::BPF_MAP_FREEZE, &mut attr).context("freezing a map")?;
    }
    Ok(())
}

/// Loads one classifier and returns what the verifier wrote.
pub(crate) fn verify(instructions: &[bpf_insn]) -> Result<String> {
    let mut log = vec![0_u8; 1 << 20];
    // SAFETY: as in `fill`.
    let mut attr = unsafe { std::mem::zeroed::<bpf_attr>() };
    attr.__bindgen_anon_3.prog_type = bpf_prog_type::BPF_PROG_TYPE_SCHED_CLS as u32;
    attr.__bindgen_anon_3.insns = instructions.as_ptr() as u64;
    attr.__bindgen_anon_3.insn_cnt = u32::try_from(instructions.len())?;
    attr.__bindgen_anon_3.license = c"GPL".as_ptr() as u64;
    attr.__bindgen_anon_3.log_level = LOG_STATISTICS;
    attr.__bindgen_anon_3.log_buf = log.as_mut_ptr() as u64;
    attr.__bindgen_anon_3.log_size = u32::try_from(log.len())?;
    let loaded = bpf::call(bpf_cmd::BPF_PROG_LOAD, &mut attr);
    let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
    let log = String::from_utf8_lossy(&log[..end]).into_owned();
    let program = loaded.with_context(|| log.clone())?;
    // SAFETY: the kernel has just given this descriptor, to nobody else.
    drop(unsafe { OwnedFd::from_raw_fd(program) });
    Ok(log)
}

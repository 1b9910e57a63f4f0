//! Whether a network namespace can be entered and an interface in it attached
//! to: tried in one made for it, which nothing else lives in.

use super::Node;
use crate::{
    adapter::{
        bpf::{Hook, ProgramsError, TapDrop},
        netns::{Netns, NetnsError},
    },
    model::{
        capability::Capability::{Bpf, NetAdmin, SysAdmin},
        finding::Finding,
        kernel_release::KernelRelease,
    },
};

/// Of the namespace that is made here.
const LOOPBACK: &str = "lo";

pub(super) fn attach(node: &Node) -> Vec<Finding> {
    const NAME: &str = "network namespace";
    let netns = match Netns::new().and_then(|netns| netns.inside(|| ()).map(|()| netns)) {
        Ok(netns) => netns,
        Err(error) => {
            let advice = node.advice(&[SysAdmin]);
            let tried = "could not be tried without a network namespace";
            return vec![
                Finding::fail(NAME, error.to_string(), advice.clone()),
                Finding::fail("attach", tried, advice),
            ];
        }
    };
    vec![
        Finding::ok(NAME, "made one and entered it"),
        match try_hook(&netns, Hook::Tcx) {
            Ok(()) => Finding::ok("attach", "through tcx"),
            Err(tcx) => without_tcx(node, &netns, &tcx),
        },
    ]
}

fn without_tcx(node: &Node, netns: &Netns, tcx: &AttachError) -> Finding {
    const NAME: &str = "attach";
    match try_hook(netns, Hook::Clsact) {
        Ok(()) if node.is_before(KernelRelease::TCX) => Finding::ok(
            NAME,
            format!(
                "through clsact: TCX is from Linux {} on",
                KernelRelease::TCX
            ),
        ),
        Ok(()) => Finding::warn(
            NAME,
            format!("through clsact; not through TCX: {tcx}"),
            "nothing, if a killed agent's filters may stay until their pod goes; else look for a \
             seccomp profile that forbids it, or a kernel without CONFIG_NET_XGRESS",
        ),
        Err(clsact) => {
            let modules = "; the kernel modules are sch_ingress and cls_bpf";
            Finding::fail(
                NAME,
                format!("neither through TCX: {tcx}; nor through clsact: {clsact}"),
                node.advice(&[Bpf, NetAdmin, SysAdmin]) + modules,
            )
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum AttachError {
    #[error(transparent)]
    Netns(#[from] NetnsError),
    #[error(transparent)]
    Programs(#[from] ProgramsError),
}

/// Attaches in both directions and takes away again. What a removal should
/// leave goes with the namespace.
fn try_hook(netns: &Netns, hook: Hook) -> Result<(), AttachError> {
    netns.inside(|| -> Result<(), ProgramsError> {
        TapDrop::attach(LOOPBACK, hook)?.remove()?;
        Ok(())
    })??;
    Ok(())
}

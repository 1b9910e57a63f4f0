//! The checks, one concept a file.

mod agent_away;
mod capture;
mod detach;
mod dormant;
mod load;
mod metadata;
mod ring_full;
mod sctp;
mod tcp;
mod tunnel;
mod two_taps;
mod vlan;

use tap_userspace::adapter::bpf::Hook;

use crate::{
    check::{Check, Skipped},
    hooks,
};

/// All of them with their names, in order; those on attached programs once
/// with each way to attach.
pub(crate) fn all() -> Vec<(String, Check)> {
    let mut all: Vec<(String, Check)> = vec![
        ("programs load".into(), Box::new(load::check)),
        ("metadata by kfuncs".into(), Box::new(metadata::kfuncs)),
        (
            "metadata by probe reads".into(),
            Box::new(metadata::probe_reads),
        ),
        ("metadata by helpers".into(), Box::new(metadata::helpers)),
    ];
    for hook in [Hook::Clsact, Hook::Tcx] {
        let mut add = |name: &str, check: fn(Hook) -> String| {
            let guarded = move || {
                let veth = tests::Veth::new();
                if hook == Hook::Tcx && !hooks::has_tcx(&veth.pod) {
                    return Err(Skipped("this kernel has no TCX".into()));
                }
                drop(veth);
                Ok(check(hook))
            };
            all.push((format!("{hook}: {name}"), Box::new(guarded)));
        };
        add("TCP over IPv4", tcp::over_ipv4);
        add("TCP over IPv6", tcp::over_ipv6);
        add("VLAN tag received in band", vlan::in_band);
        add("VLAN tag of an 802.1Q device", vlan::device);
        add("dormant", dormant::check);
        add("ring full", ring_full::check);
        add("agent away", agent_away::check);
        add("two taps", two_taps::check);
        add("detach", detach::check);
        add("a foreign qdisc stays", detach::foreign_qdisc);
    }
    let mut add = |name: &str, check: Box<dyn FnOnce() -> String + Send>| {
        all.push((name.into(), Box::new(move || Ok(check()))));
    };
    for (name, tunnel) in tunnel::Tunnel::ALL {
        add(&format!("TCP in {name}"), Box::new(move || tunnel.check()));
    }
    add("SCTP over IPv4", Box::new(sctp::over_ipv4));
    add("SCTP over IPv6", Box::new(sctp::over_ipv6));
    all
}

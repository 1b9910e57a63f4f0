//! Where in the chain of clsact filters ours goes: first, since a filter may
//! end the chain.
//!
//! Left to itself, the kernel takes a priority before those that it chose
//! itself and behind all that were given by name (`tcf_auto_prio` in
//! net/sched/cls_api.c starts at 0xc000).

use std::io;

use aya::programs::TcAttachType;
use futures::TryStreamExt as _;
use nix::net::if_::if_nametoindex;
use rtnetlink::{Error, new_connection, packet_route::tc::TcMessage};

/// A priority before all filters that are there; 0, which lets the kernel
/// choose, if there are none. 1, which has none before it, if there is one:
/// of the same kind and protocol, the one that comes last is put first
/// (`cls_bpf_change` in net/sched/cls_bpf.c).
///
/// In the network namespace that the calling thread is in, and not from within
/// a tokio runtime.
pub(super) fn before_all(interface: &str, attach_type: TcAttachType) -> io::Result<u16> {
    let index = i32::try_from(if_nametoindex(interface)?).map_err(io::Error::other)?;
    let filters = list(index, attach_type)?;
    Ok(filters
        .iter()
        .map(|filter| priority(filter.header.info))
        .filter(|priority| *priority > 0)
        .min()
        .map_or(0, |first| (first - 1).max(1)))
}

/// The upper half of `tcm_info`.
fn priority(info: u32) -> u16 {
    u16::try_from(info >> 16).unwrap_or(0)
}

fn list(index: i32, attach_type: TcAttachType) -> io::Result<Vec<TcMessage>> {
    if tokio::runtime::Handle::try_current().is_ok() {
        return Err(io::Error::other("called from asynchronous code"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let (connection, handle, _) = {
        let _context = runtime.enter();
        new_connection()?
    };
    // It ends with the runtime.
    runtime.spawn(connection);
    let mut request = handle.traffic_filter(index).get();
    request = match attach_type {
        TcAttachType::Egress => request.egress(),
        _ => request.ingress(),
    };
    match runtime.block_on(request.execute().try_collect()) {
        Ok(filters) => Ok(filters),
        Err(Error::NetlinkError(error)) => Err(error.to_io()),
        Err(error) => Err(io::Error::other(error)),
    }
}

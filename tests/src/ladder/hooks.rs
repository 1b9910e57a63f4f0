//! What hangs on an interface, asked from the kernel itself.

use aya::programs::{SchedClassifier, TcAttachType, loaded_programs};
use futures::TryStreamExt as _;
use rtnetlink::{
    new_connection,
    packet_route::tc::{TcAttribute, TcHandle},
};
use tap_common::{PROGRAM_IN, PROGRAM_OUT};
use tests::VethEnd;

/// Everything tc has on an end's `eth0`, in words; empty if there is nothing.
pub(crate) fn present(end: &VethEnd) -> Vec<String> {
    let index = i32::try_from(end.link().index).expect("an index");
    end.netns.inside(|| {
        let mut present = netlink(index);
        for attach_type in [TcAttachType::Ingress, TcAttachType::Egress] {
            // Below 6.6 there is no such question.
            if let Ok((_, programs)) = SchedClassifier::query_tcx("eth0", attach_type) {
                present.extend(programs.iter().map(|_| format!("TCX {attach_type:?}")));
            }
        }
        present
    })
}

/// podtap's classifiers that the kernel still holds.
pub(crate) fn loaded() -> usize {
    loaded_programs()
        .filter_map(Result::ok)
        .filter(|program| {
            program
                .name_as_str()
                .is_some_and(|name| [PROGRAM_IN, PROGRAM_OUT].contains(&name))
        })
        .count()
}

/// Whether this kernel has TCX at all.
pub(crate) fn has_tcx(end: &VethEnd) -> bool {
    end.netns
        .inside(|| SchedClassifier::query_tcx("eth0", TcAttachType::Ingress).is_ok())
}

fn netlink(index: i32) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (connection, handle, _) = new_connection().expect("a rtnetlink socket");
        tokio::spawn(connection);
        let mut present = Vec::new();
        let qdiscs: Vec<_> = handle
            .qdisc()
            .get()
            .index(index)
            .execute()
            .try_collect()
            .await
            .expect("qdiscs");
        for qdisc in qdiscs.iter().filter(|qdisc| qdisc.header.index == index) {
            for attribute in &qdisc.attributes {
                // Every interface has this one while it has no other.
                match attribute {
                    TcAttribute::Kind(kind) if kind != "noqueue" => {
                        present.push(format!("qdisc {kind}"))
                    }
                    _ => {}
                }
            }
        }
        for (name, filters) in [
            ("ingress", handle.traffic_filter(index).get().ingress()),
            ("egress", handle.traffic_filter(index).get().egress()),
        ] {
            // Without the qdisc the kernel refuses the question.
            let filters: Vec<_> = filters.execute().try_collect().await.unwrap_or_default();
            // Each chain of filters is listed too, without a handle.
            let filters = filters
                .iter()
                .filter(|filter| filter.header.handle != TcHandle::default());
            present.extend(filters.map(|_| format!("filter {name}")));
        }
        present
    })
}

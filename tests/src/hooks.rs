//! What hangs on an interface, asked from the kernel itself.

use aya::programs::{SchedClassifier, TcAttachType};

use crate::TestNetns;

/// Everything that tc has on one interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// Names of the TCX programs at ingress, in the order in which they run.
    pub tcx_ingress: Vec<String>,
    /// The same at egress.
    pub tcx_egress: Vec<String>,
    /// Filters of a clsact qdisc at ingress as `tc` prints them, a line each,
    /// in the order in which they run.
    pub filters_ingress: Vec<String>,
    /// The same at egress.
    pub filters_egress: Vec<String>,
    /// Kinds of the queueing disciplines.
    pub qdiscs: Vec<String>,
}

impl Hooks {
    /// Asks. An interface that is not there has none.
    #[must_use]
    pub fn of(netns: &TestNetns, interface: &str) -> Self {
        let tcx = |attach_type| {
            netns.inside(|| {
                SchedClassifier::query_tcx(interface, attach_type)
                    .map(|(_, programs)| programs)
                    .unwrap_or_default()
                    .iter()
                    .map(|program| program.name_as_str().unwrap_or_default().to_owned())
                    .collect()
            })
        };
        let tc = |arguments: &[&str]| {
            let output = netns.output("tc", arguments);
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            // Without a clsact qdisc the question is refused: no filters.
            let lines = text.lines().map(|line| line.trim().to_owned());
            lines.filter(|line| !line.is_empty()).collect::<Vec<_>>()
        };
        let filters = |side| {
            let lines = tc(&["filter", "show", "dev", interface, side]);
            // Chains and hash tables have lines of their own, without a rule.
            let is_filter = |line: &String| line.contains(" handle ") || line.contains(" key ");
            lines.into_iter().filter(is_filter).collect()
        };
        let qdiscs = tc(&["qdisc", "show", "dev", interface]);
        Self {
            tcx_ingress: tcx(TcAttachType::Ingress),
            tcx_egress: tcx(TcAttachType::Egress),
            filters_ingress: filters("ingress"),
            filters_egress: filters("egress"),
            qdiscs: qdiscs
                .iter()
                .filter_map(|line| line.split_whitespace().nth(1))
                .map(ToOwned::to_owned)
                .collect(),
        }
    }

    /// Whether anything of podtap's hangs there.
    #[must_use]
    pub fn has_podtap(&self) -> bool {
        [
            &self.tcx_ingress,
            &self.tcx_egress,
            &self.filters_ingress,
            &self.filters_egress,
        ]
        .iter()
        .any(|names| names.iter().any(|name| name.contains("podtap")))
    }
}

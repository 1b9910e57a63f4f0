//! How exactly the programs can know an skb on the running kernel.

use std::{fmt, str::FromStr};

use tap_common::{Metadata, SkbLayout};

use super::{kernel_types::KernelTypes, kfunc::Kfuncs};
use crate::engine::offload::GsoTypes;

/// Which way of asking for metadata to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum MetadataWay {
    /// The most exact one that the kernel grants.
    #[default]
    Auto,
    /// This one or none.
    Only(Metadata),
}

/// One way of asking, ready to be loaded.
#[derive(Clone, Debug)]
pub(super) struct Rung {
    pub(super) layout: SkbLayout,
    pub(super) kfuncs: Option<Kfuncs>,
    pub(super) gso_types: GsoTypes,
}

/// All ways, most exact first.
const LADDER: [Metadata; 3] = [Metadata::Kfuncs, Metadata::ProbeReads, Metadata::Helpers];

/// The ways that may work on this kernel, most exact first. Whether one does,
/// the verifier says.
pub(super) fn rungs(way: MetadataWay) -> Vec<(Metadata, Rung)> {
    let types = match KernelTypes::read() {
        Ok(types) => Some(types),
        Err(error) => {
            tracing::debug!(%error, "the kernel's types are not known");
            None
        }
    };
    let wanted = |metadata: &Metadata| match way {
        MetadataWay::Auto => true,
        MetadataWay::Only(only) => only == *metadata,
    };
    LADDER
        .into_iter()
        .filter(wanted)
        .filter_map(|metadata| Some((metadata, rung(metadata, types.as_ref())?)))
        .collect()
}

fn rung(metadata: Metadata, types: Option<&KernelTypes>) -> Option<Rung> {
    let (layout, kfuncs, gso_types) = match (metadata, types) {
        (Metadata::Helpers, _) => <_>::default(),
        (Metadata::ProbeReads, Some(types)) if types.fits_window => {
            (types.layout, None, types.gso_types)
        }
        (Metadata::Kfuncs, Some(types)) => (types.layout, Some(types.kfuncs?), types.gso_types),
        (Metadata::ProbeReads | Metadata::Kfuncs, _) => return None,
    };
    Some(Rung {
        layout: SkbLayout {
            metadata: metadata as u32,
            ..layout
        },
        kfuncs,
        gso_types,
    })
}

/// As in `status` and on the command line.
#[must_use]
pub fn metadata_name(metadata: Metadata) -> &'static str {
    match metadata {
        Metadata::Helpers => "helpers",
        Metadata::ProbeReads => "probe-reads",
        Metadata::Kfuncs => "kfuncs",
    }
}

impl FromStr for MetadataWay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        LADDER
            .into_iter()
            .find(|metadata| metadata_name(*metadata) == text)
            .map(Self::Only)
            .ok_or_else(|| format!("`{text}` is none of auto, kfuncs, probe-reads, helpers"))
    }
}

impl fmt::Display for MetadataWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Only(metadata) => metadata_name(*metadata),
        })
    }
}

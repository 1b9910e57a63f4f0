//! What the running kernel's BTF says of the types that the kernel programs
//! look into.

use std::path::Path;

use btf_rs::{Btf, Struct, Type};
use fallible_iterator::FallibleIterator as _;
use tap_common::{SKB_WINDOW_BYTES, SkbLayout};

use super::kfunc::Kfuncs;
use crate::engine::offload::{GsoType, GsoTypes};

/// Where the kernel shows its own BTF.
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Bytes of a pointer, on every architecture that podtap runs on.
const POINTER_BYTES: u32 = 8;

/// What podtap wants to know of a kernel.
#[derive(Clone, Debug)]
pub(super) struct KernelTypes {
    /// Where the fields lie. Its `metadata` is to be set.
    pub(super) layout: SkbLayout,
    /// What the bits of `gso_type` mean.
    pub(super) gso_types: GsoTypes,
    /// What the kernel calls the kfuncs, if it has both.
    pub(super) kfuncs: Option<Kfuncs>,
    /// Whether all fields of `struct sk_buff` lie within one window of
    /// [`SKB_WINDOW_BYTES`].
    pub(super) fits_window: bool,
}

/// Why a kernel's types are not known.
#[derive(Debug, thiserror::Error)]
pub(super) enum KernelTypesError {
    /// The kernel has no BTF, or one that cannot be read.
    #[error("cannot read {VMLINUX}: {0}")]
    Btf(#[from] btf_rs::Error),
    /// A type or field that a kernel should have.
    #[error("the kernel's BTF has no {0}")]
    Missing(&'static str),
}

/// A field's place: in bits, since some are bitfields.
#[derive(Clone, Copy)]
struct Place {
    bit: u32,
}

impl KernelTypes {
    /// Of the running kernel.
    pub(super) fn read() -> Result<Self, KernelTypesError> {
        Self::of(&Btf::from_file(Path::new(VMLINUX))?)
    }

    fn of(btf: &Btf) -> Result<Self, KernelTypesError> {
        let (_, skb) = structure(btf, "sk_buff")?;
        let (shared_info_btf_id, shared_info) = structure(btf, "skb_shared_info")?;
        let of_skb = |name| field(btf, &skb, name);
        let (ip_summed, encapsulation) = (of_skb("ip_summed")?, of_skb("encapsulation")?);
        let mut layout = SkbLayout {
            metadata: 0,
            shared_info_btf_id,
            ip_summed_at: ip_summed.byte(),
            ip_summed_shift: ip_summed.shift(),
            encapsulation_at: encapsulation.byte(),
            encapsulation_shift: encapsulation.shift(),
            csum_start_at: of_skb("csum_start")?.byte(),
            csum_offset_at: of_skb("csum_offset")?.byte(),
            inner_network_header_at: of_skb("inner_network_header")?.byte(),
            head_at: of_skb("head")?.byte(),
            data_at: of_skb("data")?.byte(),
            end_at: of_skb("end")?.byte(),
            gso_type_at: field(btf, &shared_info, "gso_type")?.byte(),
            window_at: 0,
        };
        // Each field with the bytes that are read of it.
        let fields = [
            (layout.ip_summed_at, 1),
            (layout.encapsulation_at, 1),
            (layout.csum_start_at, 2),
            (layout.csum_offset_at, 2),
            (layout.inner_network_header_at, 2),
            (layout.head_at, POINTER_BYTES),
            (layout.data_at, POINTER_BYTES),
            (layout.end_at, 4),
        ];
        // Down to where a pointer may lie, so that what is aligned in the
        // structure is aligned in the window.
        let from = fields.iter().map(|(at, _)| *at).min().unwrap_or(0);
        let from = from - from % POINTER_BYTES;
        let to = fields.iter().map(|(at, len)| at + len).max().unwrap_or(0);
        layout.window_at = from;
        Ok(Self {
            layout,
            gso_types: gso_types(btf)?,
            kfuncs: kfuncs(btf),
            fits_window: usize::try_from(to - from).is_ok_and(|bytes| bytes <= SKB_WINDOW_BYTES),
        })
    }
}

impl Place {
    fn byte(self) -> u32 {
        self.bit / u8::BITS
    }

    fn shift(self) -> u32 {
        self.bit % u8::BITS
    }
}

fn structure(btf: &Btf, name: &'static str) -> Result<(u32, Struct), KernelTypesError> {
    for id in btf.resolve_ids_by_name(name)? {
        if let Type::Struct(found) = btf.resolve_type_by_id(id)? {
            return Ok((id, found));
        }
    }
    Err(KernelTypesError::Missing(name))
}

fn field(btf: &Btf, structure: &Struct, name: &'static str) -> Result<Place, KernelTypesError> {
    find_field(btf, structure, name)?.ok_or(KernelTypesError::Missing(name))
}

/// Looks into members without a name too: `struct sk_buff` is made of them.
fn find_field(btf: &Btf, structure: &Struct, name: &str) -> Result<Option<Place>, btf_rs::Error> {
    for member in &structure.members {
        let called = btf.resolve_name(member).unwrap_or_default();
        let bit = member.bit_offset();
        if called == name {
            return Ok(Some(Place { bit }));
        }
        if !called.is_empty() {
            continue;
        }
        if let Type::Struct(inner) | Type::Union(inner) = btf.resolve_chained_type(member)?
            && let Some(place) = find_field(btf, &inner, name)?
        {
            return Ok(Some(Place {
                bit: bit + place.bit,
            }));
        }
    }
    Ok(None)
}

/// The enumerators of `gso_type` stand in an enumeration without a name.
fn gso_types(btf: &Btf) -> Result<GsoTypes, KernelTypesError> {
    let mut types = btf.type_iter();
    while let Some(found) = types.next()? {
        let Type::Enum(enumeration) = found else {
            continue;
        };
        let first = enumeration.members.first();
        let is_it = first.is_some_and(|member| {
            btf.resolve_name(member)
                .is_ok_and(|name| name == "SKB_GSO_TCPV4")
        });
        if !is_it {
            continue;
        }
        let named = |member: &btf_rs::EnumMember| {
            let name = btf.resolve_name(member).ok()?;
            let (_, gso_type) = GsoType::ENUMERATORS
                .into_iter()
                .find(|(known, _)| *known == name)?;
            Some((member.val(), gso_type))
        };
        let enumerators: Vec<_> = enumeration.members.iter().filter_map(named).collect();
        return Ok(GsoTypes::new(&enumerators));
    }
    Err(KernelTypesError::Missing("SKB_GSO_TCPV4"))
}

fn kfuncs(btf: &Btf) -> Option<Kfuncs> {
    let id = |name| {
        let ids = btf.resolve_ids_by_name(name).ok()?;
        ids.into_iter().find_map(|id| {
            let is_function = matches!(btf.resolve_type_by_id(id), Ok(Type::Func(_)));
            is_function.then_some(i32::try_from(id).ok()).flatten()
        })
    };
    Some(Kfuncs {
        cast_to_kern_ctx: id("bpf_cast_to_kern_ctx")?,
        rdonly_cast: id("bpf_rdonly_cast")?,
    })
}

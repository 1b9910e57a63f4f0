//! One target's own instance of the kernel programs.

use aya::{
    Ebpf, EbpfError,
    maps::{Array, MapData, MapError, PerCpuArray},
    programs::{ProgramError, SchedClassifier},
};
use tap_common::{
    Direction, LedgerRow, LinkLayer, MAP_LEDGER, MAP_STATE, PROGRAM_IN, PROGRAM_OUT, TargetState,
};

use super::{
    Shared,
    attachment::Attachment,
    hook::{self, Hook, HookError},
    pins::TargetPins,
    pod::{LedgerPod, StatePod},
    shared::classifier,
};
use crate::model::{Ledger, TargetId, one_line};

/// A target's programs, loaded. Dormant until [`Programs::enable`].
pub struct Programs {
    // Holds the programs and those maps that nothing below holds.
    object: Ebpf,
    state: Array<MapData, StatePod>,
    ledger: PerCpuArray<MapData, LedgerPod>,
}

/// Why a target's programs could not be loaded, attached or read.
#[derive(Debug, thiserror::Error)]
pub enum ProgramsError {
    /// The object could not be loaded, or is of another ABI version.
    #[error("cannot load the kernel programs: {}", one_line(.0))]
    Load(#[source] EbpfError),
    /// The kernel refused a program.
    #[error("the kernel refused the program {name}: {}", one_line(.source))]
    Verify {
        /// Its name.
        name: &'static str,
        /// What the verifier said.
        source: ProgramError,
    },
    /// The object lacks a map.
    #[error("the kernel programs have no map {0}")]
    NoMap(&'static str),
    /// A map could not be read or written.
    #[error("cannot use the map {name}: {}", one_line(.source))]
    Map {
        /// Its name.
        name: &'static str,
        /// What the kernel said.
        source: MapError,
    },
    /// A program could not be attached or removed.
    #[error(transparent)]
    Hook(#[from] HookError),
}

impl Programs {
    /// Loads a target's programs, for the directions it taps. Their maps are
    /// those that are pinned, if there are some, with all that they have
    /// counted; else they are pinned there.
    ///
    /// # Errors
    /// When the kernel refuses; nothing stays behind but the pins.
    pub fn load(
        shared: &Shared,
        target: TargetId,
        link_layer: LinkLayer,
        directions: &[Direction],
        pins: Option<&TargetPins>,
    ) -> Result<Self, ProgramsError> {
        let mut object = shared
            .load(target, link_layer, pins)
            .map_err(ProgramsError::Load)?;
        for direction in directions {
            let name = program(*direction);
            classifier(&mut object, name)
                .and_then(SchedClassifier::load)
                .map_err(|source| ProgramsError::Verify { name, source })?;
        }
        Ok(Self {
            state: take(&mut object, MAP_STATE)?,
            ledger: take(&mut object, MAP_LEDGER)?,
            object,
        })
    }

    /// Attaches them to an interface of the network namespace that the calling
    /// thread is in. They count, and copy nothing until [`Programs::enable`];
    /// or go on, where they take over what is pinned.
    ///
    /// # Errors
    /// When the kernel refuses; nothing stays attached.
    pub fn attach(
        &mut self,
        interface: &str,
        directions: &[Direction],
        hook: Hook,
        pins: Option<&TargetPins>,
    ) -> Result<Attachment, ProgramsError> {
        Attachment::of(interface, directions, |direction| {
            let pin = pins.map(|pins| pins.link(direction));
            let name = program(direction);
            let program = classifier(&mut self.object, name)
                .map_err(|source| ProgramsError::Verify { name, source })?;
            Ok(hook::attach(
                program,
                interface,
                direction,
                hook,
                pin.as_deref(),
            )?)
        })
    }

    /// Starts or stops copying; counting goes on.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn enable(&mut self, enabled: bool) -> Result<(), ProgramsError> {
        let state = TargetState {
            enabled: enabled.into(),
        };
        self.state
            .set(0, StatePod(state), 0)
            .map_err(|source| map_error(MAP_STATE, source))
    }

    /// What became of every skb so far, in both directions.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn ledger(&self) -> Result<Ledger, ProgramsError> {
        let row = |direction: Direction| -> Result<LedgerRow, ProgramsError> {
            let rows = self
                .ledger
                .get(&direction.index(), 0)
                .map_err(|source| map_error(MAP_LEDGER, source))?;
            Ok(Ledger::sum(rows.iter().map(|row| row.0)))
        };
        Ok(Ledger {
            received: row(Direction::In)?,
            sent: row(Direction::Out)?,
        })
    }
}

impl std::fmt::Debug for Programs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Programs").finish_non_exhaustive()
    }
}

fn program(direction: Direction) -> &'static str {
    match direction {
        Direction::In => PROGRAM_IN,
        Direction::Out => PROGRAM_OUT,
    }
}

fn take<T>(object: &mut Ebpf, name: &'static str) -> Result<T, ProgramsError>
where
    T: TryFrom<aya::maps::Map, Error = MapError>,
{
    let map = object.take_map(name).ok_or(ProgramsError::NoMap(name))?;
    T::try_from(map).map_err(|source| map_error(name, source))
}

fn map_error(name: &'static str, source: MapError) -> ProgramsError {
    ProgramsError::Map { name, source }
}

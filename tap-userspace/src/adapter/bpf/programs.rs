//! One target's own instance of the kernel programs.

use aya::{
    Ebpf, EbpfError, EbpfLoader,
    maps::{Array, MapData, MapError, PerCpuArray},
    programs::{ProgramError, SchedClassifier},
};
use tap_common::{
    Direction, LedgerRow, MAP_LEDGER, MAP_STATE, PROGRAM_DROP, PROGRAM_IN, PROGRAM_OUT, TargetState,
};

use super::{
    Shared,
    hook::{self, Hook, HookError, Hooked},
    object,
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

/// Programs on an interface.
///
/// Dropped, a TCX attachment ends; one through clsact has to be ended by
/// [`Attachment::remove`] from inside its namespace, or goes with it.
#[derive(Debug)]
#[must_use = "dropping it ends the tap"]
pub struct Attachment {
    hooks: Vec<Hooked>,
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
    /// Loads a target's programs, for the directions it taps.
    ///
    /// # Errors
    /// When the kernel refuses; nothing stays behind.
    pub fn load(
        shared: &Shared,
        target: TargetId,
        directions: &[Direction],
    ) -> Result<Self, ProgramsError> {
        let mut object = shared.load(target).map_err(ProgramsError::Load)?;
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
    /// thread is in. They count, and copy nothing until [`Programs::enable`].
    ///
    /// # Errors
    /// When the kernel refuses; nothing stays attached.
    pub fn attach(
        &mut self,
        interface: &str,
        directions: &[Direction],
        hook: Hook,
    ) -> Result<Attachment, ProgramsError> {
        let mut attachment = Attachment { hooks: Vec::new() };
        for direction in directions {
            let name = program(*direction);
            let hooked = classifier(&mut self.object, name)
                .map_err(|source| ProgramsError::Verify { name, source })
                .and_then(|program| Ok(hook::attach(program, interface, *direction, hook)?));
            match hooked {
                Ok(hooked) => attachment.hooks.push(hooked),
                Err(error) => {
                    attachment.remove(interface)?;
                    return Err(error);
                }
            }
        }
        Ok(attachment)
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

impl Attachment {
    /// Ends it. The calling thread is in the interface's namespace, and the
    /// interface is still the one that was attached to. True if a clsact qdisc
    /// was added for it, which stays.
    ///
    /// # Errors
    /// When a clsact filter cannot be removed.
    pub fn remove(self, interface: &str) -> Result<bool, HookError> {
        self.hooks
            .into_iter()
            .try_fold(false, |added, hooked| Ok(hooked.remove(interface)? | added))
    }

    /// How it is attached: [`Hook::Tcx`] or [`Hook::Clsact`].
    #[must_use]
    pub fn hook(&self) -> Hook {
        if self.needs_namespace() {
            Hook::Clsact
        } else {
            Hook::Tcx
        }
    }

    /// Whether it has to be removed from inside its namespace.
    #[must_use]
    pub fn needs_namespace(&self) -> bool {
        self.hooks
            .iter()
            .any(|hooked| matches!(hooked, Hooked::Clsact { .. }))
    }
}

/// Keeps a tap's frames from the host that holds it.
#[derive(Debug)]
pub struct TapDrop {
    _object: Ebpf,
    attachment: Attachment,
    interface: String,
}

impl TapDrop {
    /// Drops, from now on, whatever arrives or leaves on the interface, after
    /// its packet sockets saw it. Attached in the network namespace that the
    /// calling thread is in.
    ///
    /// # Errors
    /// When the kernel refuses; nothing stays attached.
    pub fn attach(interface: &str, hook: Hook) -> Result<Self, ProgramsError> {
        let mut object = EbpfLoader::new()
            .load(object::DROP)
            .map_err(ProgramsError::Load)?;
        let name = PROGRAM_DROP;
        let verify = |source| ProgramsError::Verify { name, source };
        let program = classifier(&mut object, name).map_err(verify)?;
        program.load().map_err(verify)?;
        let mut attachment = Attachment { hooks: Vec::new() };
        for direction in Direction::ALL {
            match hook::attach(program, interface, direction, hook) {
                Ok(hooked) => attachment.hooks.push(hooked),
                Err(error) => {
                    attachment.remove(interface)?;
                    return Err(error.into());
                }
            }
        }
        Ok(Self {
            _object: object,
            attachment,
            interface: interface.into(),
        })
    }

    /// Ends it, from the namespace in which it was attached.
    ///
    /// # Errors
    /// When a clsact filter cannot be removed.
    pub fn remove(self) -> Result<bool, HookError> {
        self.attachment.remove(&self.interface)
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

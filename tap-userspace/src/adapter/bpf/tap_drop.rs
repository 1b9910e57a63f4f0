//! The program that keeps a tap's frames from the host that holds it.

use aya::{Ebpf, EbpfLoader};
use tap_common::{Direction, PROGRAM_DROP};

use super::{
    attachment::Attachment,
    hook::{self, Hook, HookError},
    object,
    programs::ProgramsError,
    shared::classifier,
};

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
        let attachment = Attachment::of(interface, &Direction::ALL, |direction| {
            hook::attach(program, interface, direction, hook, None)
        })?;
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

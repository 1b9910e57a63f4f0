//! Programs on one interface, both directions of it.

use tap_common::Direction;

use super::hook::{Hook, HookError, Hooked};

/// Programs on an interface.
///
/// Dropped, a TCX attachment ends; one through clsact has to be ended by
/// [`Attachment::remove`] from inside its namespace, or goes with it.
#[derive(Debug)]
#[must_use = "dropping it ends the tap"]
pub struct Attachment {
    hooks: Vec<Hooked>,
}

impl Attachment {
    /// Attaches in each direction; if one fails, none stays.
    pub(super) fn of<E: From<HookError>>(
        interface: &str,
        directions: &[Direction],
        mut attach: impl FnMut(Direction) -> Result<Hooked, E>,
    ) -> Result<Self, E> {
        let mut attachment = Self { hooks: Vec::new() };
        for direction in directions {
            match attach(*direction) {
                Ok(hooked) => attachment.hooks.push(hooked),
                Err(error) => {
                    attachment.remove(interface)?;
                    return Err(error);
                }
            }
        }
        Ok(attachment)
    }

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

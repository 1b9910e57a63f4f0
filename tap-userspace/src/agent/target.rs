//! One target's life: attach dormant, configure, enable; detach.

use tap_common::Direction;

use crate::{
    adapter::{
        bpf::{
            Attachment, Hook, HookError, PinsError, Programs, ProgramsError, Shared, TargetPins,
        },
        link::{Link, LinkError, Links},
        netns::{Netns, NetnsError},
    },
    model::{Directions, Ledger, TargetId},
};

/// A tapped interface.
#[derive(Debug)]
pub struct Target {
    /// Its identity in records.
    pub id: TargetId,
    /// The interface, as it was when it was attached to.
    pub link: Link,
    /// What is tapped of it.
    pub directions: Directions,
    /// Inode of its network namespace. The namespace itself is not held open.
    pub netns_inode: u64,
    is_enabled: bool,
    programs: Programs,
    attachment: Attachment,
    /// Dropped last: then nothing holds the links.
    pins: Option<TargetPins>,
}

/// How to tap an interface.
#[derive(Debug)]
pub struct TargetOptions {
    /// The target's identity in records: its pins', if there are some.
    pub id: TargetId,
    /// Which direction.
    pub directions: Directions,
    /// How to attach.
    pub hook: Hook,
    /// Whether it copies at once, or only counts until it is enabled.
    pub is_enabled: bool,
    /// By which the tap outlives this process, where the hook can be pinned.
    pub pins: Option<TargetPins>,
}

/// Why an interface could not be tapped, or a tap not be ended.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Its namespace cannot be entered.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// There is no such interface.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// Its packets begin with headers that podtap cannot read.
    #[error("the interface {0} is neither Ethernet nor one of bare IP packets")]
    LinkLayer(String),
    /// The kernel refused the programs.
    #[error(transparent)]
    Programs(#[from] ProgramsError),
    /// A filter could not be removed.
    #[error(transparent)]
    Hook(#[from] HookError),
    /// A pin could not be removed.
    #[error(transparent)]
    Pins(#[from] PinsError),
}

impl Target {
    /// Taps the interface of that name, until it is detached or dropped.
    ///
    /// # Errors
    /// When the interface is not there or the kernel refuses; nothing stays
    /// attached.
    pub fn attach(
        shared: &Shared,
        id: TargetId,
        netns: &Netns,
        interface: &str,
        directions: Directions,
        hook: Hook,
    ) -> Result<Self, TargetError> {
        let link = netns.inside(|| Links::open()?.by_name(interface))??;
        let options = TargetOptions {
            id,
            directions,
            hook,
            is_enabled: true,
            pins: None,
        };
        Self::attach_link(shared, netns, link, options)
    }

    /// Taps an interface of a namespace. When this returns, it is enabled, if
    /// it is to be. On loopback, where a packet is received as it was sent, one
    /// direction is enough. What a former process has pinned is taken over: its links, its
    /// ledger, and what is in the ring.
    ///
    /// # Errors
    /// When the interface is not there or the kernel refuses; nothing stays
    /// attached, pinned or not.
    pub fn attach_link(
        shared: &Shared,
        netns: &Netns,
        link: Link,
        options: TargetOptions,
    ) -> Result<Self, TargetError> {
        let TargetOptions {
            id,
            directions,
            hook,
            is_enabled,
            mut pins,
        } = options;
        let Some(link_layer) = link.link_layer else {
            return Err(TargetError::LinkLayer(link.name));
        };
        // On loopback what is sent is what is received.
        let directions = match directions {
            Directions::Both if link.is_loopback => Directions::Out,
            other => other,
        };
        let wanted = directions.list();
        let mut programs = Programs::load(shared, id, link_layer, wanted, pins.as_ref())?;
        let attachment =
            netns.inside(|| programs.attach(&link.name, wanted, hook, pins.as_ref()))??;
        if let Some(of_target) = &pins {
            for direction in Direction::ALL {
                if !wanted.contains(&direction) {
                    of_target.forget_link(direction)?;
                }
            }
        }
        if attachment.needs_namespace() {
            // A clsact filter is no link that could be pinned.
            pins = None;
        }
        let mut target = Self {
            id,
            link,
            directions,
            netns_inode: netns.inode(),
            is_enabled,
            programs,
            attachment,
            pins,
        };
        // What is taken over may be either.
        if let Err(error) = target.programs.enable(is_enabled) {
            target.detach(Some(netns))?;
            return Err(error.into());
        }
        Ok(target)
    }

    /// Copies, or only counts from now on.
    ///
    /// # Errors
    /// When the kernel refuses: then all is as before.
    pub fn enable(&mut self, enabled: bool) -> Result<(), TargetError> {
        if self.is_enabled != enabled {
            self.programs.enable(enabled)?;
            self.is_enabled = enabled;
        }
        Ok(())
    }

    /// Leaves the tap to the next process, if it is pinned: it goes on as
    /// long as the heartbeat beats, and counts after that. Gives it back if it
    /// is not.
    #[must_use]
    pub fn leave(mut self) -> Option<Self> {
        match self.pins.take() {
            Some(pins) => {
                pins.keep();
                None
            }
            None => Some(self),
        }
    }

    /// What became of every skb so far.
    ///
    /// # Errors
    /// When the kernel refuses to say.
    pub fn ledger(&self) -> Result<Ledger, TargetError> {
        Ok(self.programs.ledger()?)
    }

    /// Whether [`Target::detach`] has to enter the namespace.
    #[must_use]
    pub fn needs_namespace(&self) -> bool {
        self.attachment.needs_namespace()
    }

    /// Whether this is its namespace, and the interface that was attached to
    /// is still in it. What cannot be looked at counts as there. Blocks.
    #[must_use]
    pub fn is_in(&self, netns: &Netns) -> bool {
        if netns.inode() != self.netns_inode {
            return false;
        }
        let look = || match Links::open()?.by_name(&self.link.name) {
            Ok(present) => Ok(present.index == self.link.index),
            Err(LinkError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        };
        matches!(netns.inside(look), Ok(Ok(true) | Err(_)) | Err(_))
    }

    /// How it is attached.
    #[must_use]
    pub fn hook(&self) -> Hook {
        self.attachment.hook()
    }

    /// Ends the tap and returns its last ledger. `netns` is the target's
    /// namespace where [`Target::needs_namespace`]; `None`, or another one, if
    /// it is gone, and with it the interface and what was attached to it.
    ///
    /// # Errors
    /// When a filter cannot be removed.
    pub fn detach(self, netns: Option<&Netns>) -> Result<Ledger, TargetError> {
        let Self {
            link,
            netns_inode,
            mut programs,
            attachment,
            pins,
            ..
        } = self;
        programs.enable(false)?;
        match netns.filter(|netns| netns.inode() == netns_inode) {
            Some(netns) if attachment.needs_namespace() => {
                netns.inside(|| remove(attachment, &link))??;
            }
            _ => drop(attachment),
        }
        drop(pins);
        Ok(programs.ledger()?)
    }
}

/// Removes what was attached, and a qdisc that was added for it if nobody else
/// uses it by now.
fn remove(attachment: Attachment, link: &Link) -> Result<(), TargetError> {
    let links = Links::open()?;
    // Another interface may have taken the name: then ours is gone, and what
    // was attached to it.
    match links.by_name(&link.name) {
        Ok(present) if present.index == link.index => {}
        Ok(_) | Err(LinkError::NotFound { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    if attachment.remove(&link.name)? {
        links.remove_unused_clsact(link.index)?;
    }
    Ok(())
}

//! Which interfaces of a pod are tapped, now and as they come and go.

use super::{Standing, Tapped, Tapping};
use crate::{
    adapter::{
        link::{Link, LinkError, Links},
        netns::{Netns, NetnsError},
    },
    agent::datapath::Datapath,
    model::{
        pod::{Pod, PodUid},
        settings::Settings,
    },
};

/// Why a pod has no interface to tap.
#[derive(Debug, thiserror::Error)]
pub(in crate::agent) enum InterfacesError {
    /// Its namespace cannot be entered.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// Its interfaces cannot be listed.
    #[error(transparent)]
    Links(#[from] LinkError),
    /// None that is wanted is there and up.
    #[error("no interface to tap: {wanted}; there are {present}")]
    None {
        /// What was looked for.
        wanted: String,
        /// Those that there are.
        present: String,
    },
}

/// The interfaces to tap, as far as they are there: at least one. Blocks.
pub(in crate::agent) fn wanted_links(
    netns: &Netns,
    settings: &Settings,
) -> Result<Vec<Link>, InterfacesError> {
    let links = netns.inside(|| Links::open()?.list())??;
    let (wanted, others): (Vec<_>, Vec<_>) = links
        .into_iter()
        .partition(|link| is_wanted(link, settings));
    if !wanted.is_empty() {
        return Ok(wanted);
    }
    let present: Vec<_> = others.into_iter().map(|link| link.name).collect();
    Err(InterfacesError::None {
        wanted: match &settings.interfaces {
            Some(names) => format!("wanted is {}", names.as_slice().join(", ")),
            None => "all that are up are wanted, but lo".into(),
        },
        present: present.join(", "),
    })
}

/// By default all but loopback, and of those the ones that are up: a kernel
/// with tunnel modules puts devices into each namespace that nobody uses
/// (`net.core.fb_tunnels_only_for_init_net`).
fn is_wanted(link: &Link, settings: &Settings) -> bool {
    match &settings.interfaces {
        Some(names) => names.as_slice().contains(&link.name),
        None => link.is_up && !link.is_loopback && link.link_layer.is_some(),
    }
}

impl Tapping {
    /// Ends targets whose interface is gone, taps interfaces that have come, and
    /// looks whether the others see what they carry. A pod without any is
    /// planned anew. Blocks.
    pub fn check_interfaces(&mut self, datapath: &Datapath) {
        let uids: Vec<_> = self.targets.keys().cloned().collect();
        for uid in uids {
            self.check(&uid, datapath);
        }
    }

    fn check(&mut self, uid: &PodUid, datapath: &Datapath) {
        let Some(attached) = self.actual.attached.get(uid).cloned() else {
            return;
        };
        let Some(mut tapped) = self.targets.remove(uid) else {
            return;
        };
        let netns = self.reopen(uid, &tapped);
        let links = netns
            .as_ref()
            .map(|netns| netns.inside(|| Links::open()?.list()));
        let links = match links {
            None => Vec::new(),
            Some(Ok(Ok(links))) => links,
            // What cannot be looked at counts as there.
            Some(Ok(Err(_)) | Err(_)) => {
                self.targets.insert(uid.clone(), tapped);
                return;
            }
        };
        let pod = &attached.pod;
        let is_there = |standing: &Standing| {
            let target = &standing.target.link;
            links
                .iter()
                .any(|link| link.index == target.index && link.name == target.name)
        };
        let (there, gone): (Vec<_>, Vec<_>) = tapped.targets.into_iter().partition(is_there);
        tapped.targets = there;
        for standing in gone {
            tracing::info!(
                pod = %pod.key,
                interface = standing.target.link.name,
                "the interface is gone"
            );
            self.end(&pod.key.to_string(), standing, netns.as_ref(), datapath);
        }
        if let Some(netns) = &netns {
            let settings = &attached.settings;
            self.look_for_drift(pod, settings, netns, &links, &mut tapped, datapath);
            self.add(pod, settings, netns, &links, &mut tapped, datapath);
        }
        if let Some(attached) = self.actual.attached.get_mut(uid) {
            attached.interfaces = tapped.targets.len();
        }
        let none_left = tapped.targets.is_empty();
        self.targets.insert(uid.clone(), tapped);
        if none_left {
            self.detach(uid, "its interface is gone", datapath);
        }
    }

    /// Taps those that have come.
    fn add(
        &mut self,
        pod: &Pod,
        settings: &Settings,
        netns: &Netns,
        links: &[Link],
        tapped: &mut Tapped,
        datapath: &Datapath,
    ) {
        let is_there = |index| links.iter().any(|link| link.index == index);
        tapped.left_out.retain(|index, _| is_there(*index));
        for link in links.iter().filter(|link| is_wanted(link, settings)) {
            let stands = |standing: &Standing| standing.target.link.index == link.index;
            if tapped.targets.iter().any(stands) {
                continue;
            }
            if tapped.targets.len() >= self.room_beside_others(&pod.uid) {
                self.leave_out(pod, link, tapped);
                continue;
            }
            tapped.left_out.remove(&link.index);
            match self.attach_interface(pod, settings, netns, link.clone(), datapath) {
                Ok(standing) => {
                    tapped.targets.push(standing);
                    let last = tapped.targets.len() - 1;
                    self.say_tapped(pod, tapped.targets.get(last..).unwrap_or_default());
                }
                // Tried again with the next look.
                Err(error) => tracing::warn!(
                    pod = %pod.key,
                    interface = link.name,
                    %error,
                    "an interface that has come cannot be tapped"
                ),
            }
        }
    }

    /// Notes one that has come when there was no room, and says so once.
    fn leave_out(&self, pod: &Pod, link: &Link, tapped: &mut Tapped) {
        let before = tapped.left_out.insert(link.index, link.name.clone());
        if before.is_none() {
            tracing::warn!(
                pod = %pod.key,
                interface = link.name,
                max_targets = self.options.max_targets,
                "an interface that has come is not tapped: the node has as many targets as it may \
                 (--max-targets)"
            );
        }
    }
}

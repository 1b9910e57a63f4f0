//! What is said of a pod that is tapped, or of why it is not.

use std::{sync::Arc, time::Instant};

use super::{AttachError, Standing, Tapping};
use crate::{
    agent::pod_netns::PodNetnsError,
    engine::actual::Failed,
    model::{pod::Pod, refusal::Refusal},
};

impl Tapping {
    pub(super) fn say_tapped(&self, pod: &Pod, targets: &[Standing]) {
        let mut names = Vec::new();
        for standing in targets {
            let target = &standing.target;
            tracing::info!(
                pod = %pod.key,
                uid = %pod.uid,
                interface = target.link.name,
                hook = %target.hook(),
                taken_over = standing.is_taken_over,
                "tapped"
            );
            names.push(target.link.name.as_str());
        }
        // To the pod's owner nothing has changed.
        if targets.iter().all(|standing| standing.is_taken_over) {
            return;
        }
        let names = names.join(", ");
        self.events
            .tapped(pod, &format!("podtap mirrors the traffic of {names}"));
    }

    pub(super) fn fail(&mut self, pod: &Arc<Pod>, error: &AttachError) {
        self.failures += 1;
        let before = self.actual.failed.get(&pod.uid);
        let failed = Failed::again(before, Arc::clone(pod), Instant::now());
        let is_passing = matches!(
            error,
            AttachError::Netns(PodNetnsError::Process(error)) if error.is_passing()
        ) || matches!(error, AttachError::Interfaces(_));
        // Before, the pod may just not be there yet.
        let tell_now = failed.tries == Failed::TRIES_SOON || (!is_passing && failed.tries == 1);
        if tell_now {
            let refusal = match error {
                AttachError::Netns(PodNetnsError::Process(error)) => error.refusal(pod),
                other => Refusal::AttachFailed {
                    what: other.to_string(),
                },
            };
            self.refuse(pod, &refusal);
        } else {
            tracing::debug!(pod = %pod.key, tries = failed.tries, %error, "not tapped yet");
        }
        self.actual.failed.insert(pod.uid.clone(), failed);
    }
}

//! Says how two lists of frames differ, so that the case can be understood
//! and repeated.

use std::fmt::Write as _;

use crate::{fields, stage::Both};

impl Both {
    /// What differs first; `None` if both are the same in number, order and
    /// every byte.
    pub(crate) fn difference(&self) -> Option<String> {
        let at = self
            .ours
            .iter()
            .zip(&self.kernels)
            .position(|(ours, kernels)| ours != kernels);
        let counts = format!(
            "{} frames, the kernel's {}",
            self.ours.len(),
            self.kernels.len()
        );
        match at {
            None if self.ours.len() == self.kernels.len() => None,
            None => {
                let at = self.ours.len().min(self.kernels.len());
                let more = self.ours.get(at).or_else(|| self.kernels.get(at));
                let bytes = more.map(|frame| hex(frame)).unwrap_or_default();
                Some(format!(
                    "{counts}; frame {at} is on one side alone: {bytes}"
                ))
            }
            Some(at) => {
                let (ours, kernels) = (&self.ours[at], &self.kernels[at]);
                let offset = ours.iter().zip(kernels).position(|(a, b)| a != b);
                let offset = offset.unwrap_or_else(|| ours.len().min(kernels.len()));
                Some(format!(
                    "{counts}; frame {at} differs from offset {offset} on, {}:\n    ours {}\n  \
                     kernel {}",
                    fields::name(kernels, offset),
                    hex(ours),
                    hex(kernels),
                ))
            }
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("to write into a string");
        text
    })
}

//! How a pod is tapped: its annotations, read.

use super::refusal::Refusal;
use super::segment::Segment;

/// Annotation that says how super-frames are cut.
pub const SEGMENT_ANNOTATION: &str = "podtap.dev/segment";
/// Annotation that names the interfaces to tap, with commas between them.
pub const INTERFACES_ANNOTATION: &str = "podtap.dev/interfaces";

/// The longest name of an interface in bytes: `IFNAMSIZ` of
/// include/uapi/linux/if.h, less the zero at the end.
const INTERFACE_NAME_BYTES: usize = 15;

/// A pod's annotations that podtap heeds, as they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations {
    /// [`SEGMENT_ANNOTATION`].
    pub segment: Option<String>,
    /// [`INTERFACES_ANNOTATION`].
    pub interfaces: Option<String>,
}

/// What a pod's owner has chosen; `None` is the agent's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// How super-frames are cut.
    pub segment: Option<Segment>,
    /// Names of the interfaces to tap: not empty, each once, sorted. The
    /// default is every interface but `lo`.
    pub interfaces: Option<Vec<String>>,
}

impl Annotations {
    /// What they say.
    ///
    /// # Errors
    /// When one has a value that means nothing.
    pub fn settings(&self) -> Result<Settings, Refusal> {
        let segment = |text: &String| {
            text.parse()
                .map_err(|error| bad(SEGMENT_ANNOTATION, text, &error))
        };
        let interfaces = |text: &String| {
            interfaces(text).map_err(|what| bad(INTERFACES_ANNOTATION, text, &what))
        };
        Ok(Settings {
            segment: self.segment.as_ref().map(segment).transpose()?,
            interfaces: self.interfaces.as_ref().map(interfaces).transpose()?,
        })
    }
}

/// By the rules of `dev_valid_name` in net/core/dev.c.
fn interfaces(text: &str) -> Result<Vec<String>, &'static str> {
    let mut names: Vec<String> = text.split(',').map(|name| name.trim().into()).collect();
    let valid = |name: &String| {
        (1..=INTERFACE_NAME_BYTES).contains(&name.len())
            && !name.contains(|c: char| c.is_whitespace() || c.is_control() || "/:".contains(c))
    };
    if !names.iter().all(valid) {
        return Err("names of interfaces are wanted, with commas between them");
    }
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

fn bad(annotation: &'static str, value: &str, what: &impl ToString) -> Refusal {
    Refusal::BadAnnotation {
        annotation,
        value: value.chars().take(64).collect(),
        what: what.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Annotations, Segment, Settings};
    use crate::model::refusal::Refusal;

    fn settings(segment: Option<&str>, interfaces: Option<&str>) -> Result<Settings, Refusal> {
        let annotations = Annotations {
            segment: segment.map(Into::into),
            interfaces: interfaces.map(Into::into),
        };
        annotations.settings()
    }

    #[test]
    fn no_annotation_leaves_the_agents_default() {
        assert_eq!(settings(None, None), Ok(Settings::default()));
    }

    #[test]
    fn annotations_are_read() {
        let expected = Settings {
            segment: Some(Segment::Jumbo),
            interfaces: Some(vec!["eth0".into(), "lo".into(), "net1".into()]),
        };
        let read = settings(Some("jumbo"), Some("net1, eth0,lo,eth0"));
        assert_eq!(read, Ok(expected));
    }

    #[test]
    fn a_value_that_means_nothing_is_refused_with_its_annotation() {
        for (segment, interfaces, name) in [
            (Some("Jumbo"), None, "podtap.dev/segment"),
            (Some(""), None, "podtap.dev/segment"),
            (None, Some(""), "podtap.dev/interfaces"),
            (None, Some("eth0,,lo"), "podtap.dev/interfaces"),
            (None, Some("eth0 lo"), "podtap.dev/interfaces"),
            (
                None,
                Some("a-name-that-is-too-long"),
                "podtap.dev/interfaces",
            ),
        ] {
            let refusal = settings(segment, interfaces).expect_err(name);
            assert!(refusal.to_string().contains(name), "{refusal}");
        }
    }
}

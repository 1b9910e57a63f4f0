//! How a pod is tapped: the annotations of the pod and of its namespace, read.

use std::str::FromStr;

use super::directions::Directions;
use super::refusal::Refusal;
use super::segment::Segment;

/// Annotation that says which direction is tapped.
pub const DIRECTION_ANNOTATION: &str = "podtap.dev/direction";
/// Annotation that says how super-frames are cut.
pub const SEGMENT_ANNOTATION: &str = "podtap.dev/segment";
/// Annotation that names the interfaces to tap, with commas between them.
pub const INTERFACES_ANNOTATION: &str = "podtap.dev/interfaces";

/// The longest name of an interface in bytes: `IFNAMSIZ` of
/// include/uapi/linux/if.h, less the zero at the end.
const INTERFACE_NAME_BYTES: usize = 15;
/// How much of a value is repeated to its owner, in characters.
const QUOTED_CHARACTERS: usize = 64;

/// The annotations of a pod or a namespace that podtap heeds, as they are
/// written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations {
    /// [`DIRECTION_ANNOTATION`].
    pub direction: Option<String>,
    /// [`SEGMENT_ANNOTATION`].
    pub segment: Option<String>,
    /// [`INTERFACES_ANNOTATION`].
    pub interfaces: Option<String>,
}

/// What was chosen for a pod; `None` is the agent's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Which direction is tapped.
    pub directions: Option<Directions>,
    /// How super-frames are cut.
    pub segment: Option<Segment>,
    /// Names of the interfaces to tap.
    pub interfaces: Option<InterfaceNames>,
}

/// Names of interfaces: not empty, each once, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceNames(Vec<String>);

/// A text that names no interfaces.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("names of interfaces are wanted, with commas between them")]
pub struct InterfaceNamesError;

impl Settings {
    /// What the annotations of a pod say, and where they say nothing, those of
    /// its namespace.
    ///
    /// # Errors
    /// When the one that counts has a value that means nothing.
    pub fn of(
        pod: &Annotations,
        namespace: &Annotations,
        namespace_name: &str,
    ) -> Result<Self, Refusal> {
        let read = Reader { namespace_name };
        Ok(Self {
            directions: read.first(DIRECTION_ANNOTATION, &pod.direction, &namespace.direction)?,
            segment: read.first(SEGMENT_ANNOTATION, &pod.segment, &namespace.segment)?,
            interfaces: read.first(
                INTERFACES_ANNOTATION,
                &pod.interfaces,
                &namespace.interfaces,
            )?,
        })
    }

    /// What the annotations of a namespace say that enforces its tap. A value
    /// that means nothing counts as not there: what is enforced is tapped in
    /// any case.
    #[must_use]
    pub fn enforced(namespace: &Annotations) -> Self {
        Self {
            directions: known(&namespace.direction),
            segment: known(&namespace.segment),
            interfaces: known(&namespace.interfaces),
        }
    }
}

impl InterfaceNames {
    /// The names.
    #[must_use]
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl FromStr for InterfaceNames {
    type Err = InterfaceNamesError;

    /// By the rules of `dev_valid_name` in net/core/dev.c.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut names: Vec<String> = text.split(',').map(|name| name.trim().into()).collect();
        let valid = |name: &String| {
            (1..=INTERFACE_NAME_BYTES).contains(&name.len())
                && !name.contains(|c: char| c.is_whitespace() || c.is_control() || "/:".contains(c))
        };
        if !names.iter().all(valid) {
            return Err(InterfaceNamesError);
        }
        names.sort_unstable();
        names.dedup();
        Ok(Self(names))
    }
}

/// Reads what counts of two annotations of one name.
struct Reader<'a> {
    namespace_name: &'a str,
}

impl Reader<'_> {
    fn first<T: FromStr<Err: ToString>>(
        &self,
        annotation: &'static str,
        pod: &Option<String>,
        namespace: &Option<String>,
    ) -> Result<Option<T>, Refusal> {
        let (text, namespace) = match (pod, namespace) {
            (Some(text), _) => (text, None),
            (None, Some(text)) => (text, Some(self.namespace_name.to_owned())),
            (None, None) => return Ok(None),
        };
        text.parse().map(Some).map_err(|error: T::Err| {
            let value = text.chars().take(QUOTED_CHARACTERS).collect();
            let what = error.to_string();
            match namespace {
                None => Refusal::BadAnnotation {
                    annotation,
                    value,
                    what,
                },
                Some(namespace) => Refusal::BadNamespaceAnnotation {
                    namespace,
                    annotation,
                    value,
                    what,
                },
            }
        })
    }
}

fn known<T: FromStr>(text: &Option<String>) -> Option<T> {
    text.as_ref()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Annotations, Directions, Segment, Settings};
    use crate::model::refusal::Refusal;

    fn annotations(
        direction: Option<&str>,
        segment: Option<&str>,
        interfaces: Option<&str>,
    ) -> Annotations {
        Annotations {
            direction: direction.map(Into::into),
            segment: segment.map(Into::into),
            interfaces: interfaces.map(Into::into),
        }
    }

    fn of_pod(pod: &Annotations) -> Result<Settings, Refusal> {
        Settings::of(pod, &Annotations::default(), "shop")
    }

    #[test]
    fn no_annotation_leaves_the_agents_default() {
        assert_eq!(of_pod(&Annotations::default()), Ok(Settings::default()));
    }

    #[test]
    fn annotations_are_read() {
        let settings = of_pod(&annotations(
            Some("out"),
            Some("jumbo"),
            Some("net1, eth0,lo,eth0"),
        ))
        .expect("settings");
        assert_eq!(settings.directions, Some(Directions::Out));
        assert_eq!(settings.segment, Some(Segment::Jumbo));
        let names = settings.interfaces.expect("names");
        assert_eq!(names.as_slice(), ["eth0", "lo", "net1"]);
    }

    #[test]
    fn a_pods_annotation_goes_before_its_namespaces_one_by_one() {
        let namespace = annotations(Some("in"), Some("jumbo"), Some("nonsense,,"));
        let pod = annotations(None, Some("wire"), Some("eth0"));
        let settings = Settings::of(&pod, &namespace, "shop").expect("settings");
        assert_eq!(settings.directions, Some(Directions::In));
        assert_eq!(settings.segment, Some(Segment::Wire));
        assert!(settings.interfaces.is_some());
    }

    #[test]
    fn a_value_that_means_nothing_is_refused_with_its_annotation() {
        for (bad, name) in [
            (
                annotations(Some("ingress"), None, None),
                "podtap.dev/direction",
            ),
            (annotations(None, Some("Jumbo"), None), "podtap.dev/segment"),
            (annotations(None, Some(""), None), "podtap.dev/segment"),
            (annotations(None, None, Some("")), "podtap.dev/interfaces"),
            (
                annotations(None, None, Some("eth0,,lo")),
                "podtap.dev/interfaces",
            ),
            (
                annotations(None, None, Some("eth0 lo")),
                "podtap.dev/interfaces",
            ),
            (
                annotations(None, None, Some("a-name-that-is-too-long")),
                "podtap.dev/interfaces",
            ),
        ] {
            let refusal = of_pod(&bad).expect_err(name);
            assert_eq!(refusal.reason(), "BadAnnotation");
            assert!(refusal.to_string().contains(name), "{refusal}");
            let refusal = Settings::of(&Annotations::default(), &bad, "shop").expect_err(name);
            assert_eq!(refusal.reason(), "BadNamespaceAnnotation");
            let text = refusal.to_string();
            assert!(text.contains(name) && text.contains("shop"), "{text}");
        }
    }

    #[test]
    fn what_means_nothing_in_an_enforced_namespace_is_not_there() {
        let namespace = annotations(Some("out"), Some("Jumbo"), Some(""));
        let expected = Settings {
            directions: Some(Directions::Out),
            ..Settings::default()
        };
        assert_eq!(Settings::enforced(&namespace), expected);
    }
}

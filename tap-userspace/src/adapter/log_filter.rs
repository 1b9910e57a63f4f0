//! What is logged, and changing it while the program runs.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{EnvFilter, Registry, reload};

/// The filter of this process's log, to be changed. A clone changes the same.
#[derive(Clone, Debug)]
pub struct LogFilter {
    handle: reload::Handle<EnvFilter, Registry>,
    started_with: String,
}

/// Why the filter stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum LogFilterError {
    /// A text that is no filter.
    #[error("{directives:?} is no log filter: {what}")]
    Directives {
        /// The text.
        directives: String,
        /// What is wrong with it.
        what: String,
    },
    /// There is no log any more.
    #[error("the log's filter cannot be changed: {0}")]
    Reload(#[from] reload::Error),
}

impl LogFilter {
    /// As [`LogFilter::set`], and says so in the log. For a client: what is
    /// wrong is one line.
    ///
    /// # Errors
    /// As [`LogFilter::set`].
    pub fn change(&self, directives: Option<&str>) -> Result<String, String> {
        let directives = self.set(directives).map_err(|error| error.to_string())?;
        tracing::info!(directives, "the log's filter has changed");
        Ok(directives)
    }

    /// The layer that filters, and the handle that changes it.
    #[must_use]
    pub fn new(filter: EnvFilter) -> (reload::Layer<EnvFilter, Registry>, Self) {
        let started_with = filter.to_string();
        let (layer, handle) = reload::Layer::new(filter);
        let this = Self {
            handle,
            started_with,
        };
        (layer, this)
    }

    /// Logs by these directives from now on, or by those that the process was
    /// started with. Returns the directives in force.
    ///
    /// # Errors
    /// When they mean nothing; then all stays as it was.
    pub fn set(&self, directives: Option<&str>) -> Result<String, LogFilterError> {
        let directives = directives.unwrap_or(&self.started_with);
        let filter = parse(directives)?;
        let text = filter.to_string();
        self.handle.reload(filter)?;
        // What speaks through the `log` crate asks there first.
        log::set_max_level(match LevelFilter::current() {
            LevelFilter::OFF => log::LevelFilter::Off,
            LevelFilter::ERROR => log::LevelFilter::Error,
            LevelFilter::WARN => log::LevelFilter::Warn,
            LevelFilter::INFO => log::LevelFilter::Info,
            LevelFilter::DEBUG => log::LevelFilter::Debug,
            LevelFilter::TRACE => log::LevelFilter::Trace,
        });
        Ok(text)
    }
}

fn parse(directives: &str) -> Result<EnvFilter, LogFilterError> {
    let refuse = |what: String| LogFilterError::Directives {
        directives: directives.into(),
        what,
    };
    if directives.trim().is_empty() {
        return Err(refuse("it says nothing".into()));
    }
    // To tracing-subscriber a lone word is a target of which all is logged, and
    // nothing else is: never what a misspelt level was meant to be.
    let is_word = |piece: &&str| {
        let is_word_char = |c: char| c.is_ascii_alphanumeric() || c == '_';
        !piece.is_empty() && piece.chars().all(is_word_char)
    };
    let words = directives.split(',').map(str::trim).filter(is_word);
    for word in words {
        if word.parse::<LevelFilter>().is_err() {
            return Err(refuse(format!(
                "{word} is no level (error, warn, info, debug, trace, off); a target is said \
                 with one, as in {word}=debug"
            )));
        }
    }
    EnvFilter::try_new(directives).map_err(|error| refuse(error.to_string()))
}

#[cfg(test)]
mod tests {
    use tracing::Level;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// Through `log`, too, which the kernel programs' log comes by.
    #[test]
    fn a_change_holds_until_the_next_one() {
        let (layer, filter) = LogFilter::new(EnvFilter::new("info,quiet=off"));
        let subscriber = tracing_subscriber::registry().with(layer);
        let _log = tracing::subscriber::set_default(subscriber);
        let levels = || (tracing::enabled!(Level::DEBUG), log::max_level());
        let set = |directives| filter.set(directives).map_err(|error| error.to_string());
        assert_eq!(set(Some("debug")), Ok("debug".into()));
        assert_eq!(levels(), (true, log::LevelFilter::Debug));
        assert!(set(Some("dbug")).is_err());
        assert_eq!(levels(), (true, log::LevelFilter::Debug));
        assert_eq!(set(Some("error")), Ok("error".into()));
        assert_eq!(levels(), (false, log::LevelFilter::Error));
        let restored = set(None).unwrap_or_default();
        assert!(restored.contains("info") && restored.contains("quiet=off"));
        assert_eq!(levels(), (false, log::LevelFilter::Info));
    }

    #[test]
    fn what_means_nothing_is_refused_and_says_why() {
        for (directives, part) in [
            ("", "nothing"),
            ("  ", "nothing"),
            ("dbug", "dbug is no level"),
            ("info,tap_userspace", "tap_userspace is no level"),
            ("tap_userspace=loud", ""),
            ("info,[", ""),
        ] {
            let error = parse(directives).map(|filter| filter.to_string());
            let line = error.expect_err(directives).to_string();
            assert!(
                line.contains(&format!("{directives:?} is no log filter")),
                "{line}"
            );
            assert!(line.contains(part), "{line}");
            assert_eq!(line.lines().count(), 1, "{line}");
        }
    }

    #[test]
    fn levels_and_targets_are_taken() {
        for directives in [
            "debug",
            "WARN",
            "off",
            "3",
            "info,tap_userspace::agent=trace",
        ] {
            assert!(parse(directives).is_ok(), "{directives}");
        }
    }
}

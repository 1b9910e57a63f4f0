//! The Debian or Ubuntu mirror that this machine uses itself.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

/// Where packages come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// The archive's address.
    pub uri: String,
    /// A suite of it that has Suricata.
    pub suite: String,
    /// The components to use.
    pub components: &'static str,
}

/// Finds the mirror in apt's own configuration.
pub fn of_this_machine() -> Result<Mirror> {
    let release = fs::read_to_string("/etc/os-release")?;
    let value = |key: &str| {
        let line = release
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.map(|value| value.trim_matches('"').to_owned())
    };
    let codename = value("VERSION_CODENAME").context("/etc/os-release has no VERSION_CODENAME")?;
    let uri = source_files()?
        .iter()
        .find_map(|text| uri_for(text, &codename))
        .context("apt's sources name no archive of this system's release")?;
    Ok(match value("ID").as_deref() {
        Some("ubuntu") => Mirror {
            uri,
            suite: codename,
            components: "main,universe",
        },
        // bookworm itself has no Suricata.
        _ => Mirror {
            uri,
            suite: "trixie".to_owned(),
            components: "main",
        },
    })
}

fn source_files() -> Result<Vec<String>> {
    let mut paths = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(folder) = fs::read_dir("/etc/apt/sources.list.d") {
        paths.extend(folder.flatten().map(|entry| entry.path()));
    }
    // By name: the same machine gives the same answer.
    paths.sort();
    Ok(paths
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .collect())
}

/// The archive that a file of either format has for a suite.
fn uri_for(sources: &str, suite: &str) -> Option<String> {
    one_line(sources, suite).or_else(|| {
        sources
            .split("\n\n")
            .find_map(|stanza| deb822(stanza, suite))
    })
}

/// `deb [options] URI SUITE COMPONENTS`
fn one_line(sources: &str, suite: &str) -> Option<String> {
    sources.lines().find_map(|line| {
        let rest = line.trim().strip_prefix("deb ")?.trim();
        let rest = rest
            .strip_prefix('[')
            .map_or(Some(rest), |rest| Some(rest.split_once(']')?.1))?;
        let mut words = rest.split_whitespace();
        let uri = words.next()?;
        (words.next()? == suite).then(|| uri.to_owned())
    })
}

fn deb822(stanza: &str, suite: &str) -> Option<String> {
    let field = |name: &str| {
        stanza
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    };
    field("Types")?
        .split_whitespace()
        .find(|&kind| kind == "deb")?;
    field("Suites")?
        .split_whitespace()
        .find(|&one| one == suite)?;
    field("URIs")?.split_whitespace().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::uri_for;

    #[test]
    fn both_formats_of_apt_sources() {
        let list = "# deb http://old.test/debian bookworm main\n\
                    deb [signed-by=/k] https://mirror.test/debian bookworm main contrib\n\
                    deb http://mirror.test/security bookworm-security main\n";
        assert_eq!(
            uri_for(list, "bookworm").as_deref(),
            Some("https://mirror.test/debian")
        );
        let deb822 = "Types: deb\nURIs: http://other.test/x\nSuites: stable\n\n\
                      Types: deb deb-src\nURIs: http://mirror.test/debian\nSuites: bookworm bookworm-updates\n";
        assert_eq!(
            uri_for(deb822, "bookworm").as_deref(),
            Some("http://mirror.test/debian")
        );
        assert_eq!(uri_for(deb822, "trixie"), None);
    }
}

//! Modules depend strictly downward.
//!
//! If this fails, the frame engine can no longer be tested without a kernel,
//! and one adapter cannot be replaced without the others.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tests::source::{Reference, references};

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tap-userspace/src");

/// From the bottom up; each may use itself and those before it.
const LAYERS: [&str; 5] = ["model", "engine", "adapter", "agent", "cli"];

/// What the layers without I/O must not reach for: paths, by their beginning.
const INPUT_OUTPUT: [&str; 21] = [
    "std::env",
    "std::fs",
    "std::io",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::SystemTime",
    "std::time::Instant::now",
    "Instant::now",
    "SystemTime",
    "aya",
    "kube",
    "libc",
    "nix",
    "rtnetlink",
    "rustix",
    "tokio",
];

#[test]
fn every_module_keeps_to_its_layer() {
    let mut files = Vec::new();
    collect(Path::new(SOURCES), &mut files);
    assert!(files.len() > 50, "{} files in {SOURCES}", files.len());
    let wrong: Vec<_> = files
        .iter()
        .flat_map(|path| {
            let source = fs::read_to_string(path).expect("a source file");
            let module = module_of(path.strip_prefix(SOURCES).expect("a file below it"));
            violations(&module, &source)
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_layers_are_those_of_the_librarys_own_table() {
    let source = fs::read_to_string(Path::new(SOURCES).join("lib.rs")).expect("lib.rs");
    let table: Vec<_> = source
        .lines()
        .filter_map(|line| line.strip_prefix("//! | L"))
        .filter_map(|row| row.split_once("[`")?.1.split_once("`]"))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(table, LAYERS);
    let mut modules: Vec<_> = source
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    modules.sort_unstable();
    let mut layers = LAYERS;
    layers.sort_unstable();
    assert_eq!(modules, layers);
}

#[test]
fn a_planted_violation_is_found() {
    for (module, source) in [
        ("model::frame", "use crate::engine::decode::Record;"),
        ("model::frame", "use super::super::engine::decode::Record;"),
        ("engine::plan", "use crate::adapter::bpf::Ring;"),
        ("engine::plan", "use crate::{model::Frame, agent::capture};"),
        ("engine::plan", "fn f() { let x = crate::cli::run(); }"),
        ("engine::plan", "use std::fs;"),
        (
            "engine::plan",
            "use std::{collections::BTreeMap, fs::File};",
        ),
        ("engine::plan", "use std::{time::{Duration, SystemTime}};"),
        ("engine::plan", "use std::net::{IpAddr, UdpSocket};"),
        (
            "engine::plan",
            "fn f(now: Instant) -> Instant { Instant::now() }",
        ),
        (
            "engine::plan",
            "fn f() -> std::time::Instant { std::time::Instant::now() }",
        ),
        (
            "engine::plan",
            "async fn f() { tokio::time::sleep(D).await }",
        ),
        ("model::pod", "use std::io::{self, Read};"),
        ("adapter::sink::tap", "use crate::adapter::bpf::Hook;"),
        ("adapter::sink::tap", "use super::super::bpf::Hook;"),
        ("adapter::sink", "use super::{link::Links, netns::Netns};"),
        (
            "adapter::sink::tap",
            "use crate::{adapter::{sink::Sink, link::{Link, Links}}};",
        ),
        ("adapter::sink::tap", "use crate::agent::capture::TARGET;"),
        (
            "adapter::kube",
            "fn f() { crate::adapter::netns::Netns::current(); }",
        ),
        (
            "adapter::netns",
            "mod tests { use super::super::link::Links; }",
        ),
        ("agent::capture", "use crate::cli::run;"),
        ("agent", "pub use super::cli;"),
    ] {
        assert!(
            !violations(module, source).is_empty(),
            "not found in {module}: {source}"
        );
    }
}

#[test]
fn what_is_allowed_is_not_a_violation() {
    for (module, source) in [
        (
            "model::frame",
            "use super::TargetId; use std::net::IpAddr; use tap_common::Direction;",
        ),
        (
            "engine::plan",
            "use std::time::{Duration, Instant}; use crate::model::pod::Pod;",
        ),
        (
            "engine::plan",
            "// use crate::agent::capture;\nuse super::decode;",
        ),
        (
            "engine::plan",
            "/* std::fs /* and */ tokio */ const A: &str = \"crate::agent std::fs\";",
        ),
        (
            "engine::plan",
            "const Q: char = '\"'; use crate::model; const R: &str = r#\"\"tokio\"\"#;",
        ),
        (
            "engine::plan",
            "mod tests { use super::{Plan, super::clock::Clock}; }",
        ),
        ("engine::plan", "fn f(libc: u8, io: u8) -> u8 { libc + io }"),
        (
            "adapter::sink::tap",
            "use super::{Sink, SinkError}; use crate::model::Frame;",
        ),
        (
            "adapter::sink::tap",
            "use crate::{adapter::sink::Sink, engine::pcapng, model};",
        ),
        ("adapter::bpf", "use std::{io, fs}; use tokio::sync::mpsc;"),
        (
            "agent::capture",
            "use crate::adapter::{bpf::Hook, netns::Netns};",
        ),
        (
            "cli::capture",
            "use crate::{adapter::bpf::Hook, agent::capture::capture};",
        ),
    ] {
        assert_eq!(
            violations(module, source),
            Vec::<String>::new(),
            "in {module}: {source}"
        );
    }
}

/// What a module's source reaches for and must not, in words.
fn violations(module: &str, source: &str) -> Vec<String> {
    let Some(layer) = layer_of(module) else {
        return Vec::new();
    };
    references(module, source)
        .into_iter()
        .filter(|reference| match reference {
            Reference::Own(path) => {
                let above = layer_of(path).is_some_and(|used| used > layer);
                above || is_other_adapter(module, path)
            }
            Reference::Other(path) => is_pure(module) && is_input_output(path),
        })
        .map(|reference| format!("{module} reaches for {reference}"))
        .collect()
}

fn layer_of(module: &str) -> Option<usize> {
    let top = module.split("::").next()?;
    LAYERS.iter().position(|layer| *layer == top)
}

fn is_pure(module: &str) -> bool {
    matches!(module.split("::").next(), Some("model" | "engine"))
}

fn is_other_adapter(module: &str, path: &str) -> bool {
    let adapter = |path: &str| {
        let mut parts = path.split("::");
        let is_adapter = parts.next() == Some("adapter");
        parts.next().filter(|_| is_adapter).map(ToOwned::to_owned)
    };
    match (adapter(module), adapter(path)) {
        (Some(this), Some(other)) => this != other,
        _ => false,
    }
}

fn is_input_output(path: &str) -> bool {
    INPUT_OUTPUT.iter().any(|forbidden| {
        path.strip_prefix(forbidden)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    })
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// `engine/framer/counts.rs` is `engine::framer::counts`.
fn module_of(path: &Path) -> String {
    let mut parts: Vec<_> = path
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if parts
        .last()
        .is_some_and(|last| ["mod", "lib", "main"].contains(&&**last))
    {
        parts.pop();
    }
    parts.join("::")
}

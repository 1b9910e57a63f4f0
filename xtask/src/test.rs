//! `cargo xtask test`: everything, on a fresh machine.

use std::{
    ffi::OsStr,
    fs,
    path::Path,
    process::{Command, ExitCode},
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    build::{self, workspace},
    cluster::{self, Layout},
    demo,
    fuzz::{self, Fuzzed},
    helm, kernels,
    process::{interactive, step},
    prometheus,
    setup::{self, Tool},
};

/// Commands that the tests look with: dissectors, `tc` and `ip`; and libpcap,
/// which is right about filters.
const TOOLS: [Tool; 8] = [
    Tool {
        command: "pcap-config",
        package: "libpcap-dev",
    },
    Tool {
        command: "cc",
        package: "gcc",
    },
    Tool {
        command: "tshark",
        package: "tshark",
    },
    Tool {
        command: "capinfos",
        package: "wireshark-common",
    },
    Tool {
        command: "ethtool",
        package: "ethtool",
    },
    Tool {
        command: "ip",
        package: "iproute2",
    },
    Tool {
        command: "tc",
        package: "iproute2",
    },
    Tool {
        command: "script",
        package: "bsdutils",
    },
];

/// Runs all tests; `quick` leaves out fuzzing, the cluster and the virtual
/// machines.
pub fn test(quick: bool) -> Result<()> {
    let started = Instant::now();
    setup::require_root("testing a tap")?;
    setup::need(&TOOLS)?;
    let binary = build::build()?;
    check_sources()?;
    let podtap = [("PODTAP_BIN", binary.as_path())];
    let promtool = prometheus::tool("promtool");
    let mut programs = podtap.to_vec();
    programs.extend(
        promtool
            .as_ref()
            .ok()
            .map(|tool| ("PODTAP_PROMTOOL", tool.as_path())),
    );
    cargo_test(&["--workspace", "--exclude", "tests"], &programs)?;
    fuzz::corpus()?;
    // Those of them that make namespaces; the rest of the ignored ones want
    // an API server, which the cluster's tests have.
    let root = ["--package", "tap-userspace", "--", "--ignored", "root_"];
    cargo_test(&root, &podtap)?;
    integration_tests(&podtap)?;
    manifests()?;
    let mut fuzzed = Fuzzed::Clean;
    if quick {
        eprintln!("left out, since --quick: fuzzing, the kernel ladder, the cluster");
    } else {
        fuzzed = fuzz::fuzz(None, fuzz::SECONDS)?;
        ensure!(
            kernels::run(&[])? == ExitCode::SUCCESS,
            "the kernel ladder failed"
        );
        cluster_tests(&podtap)?;
    }
    // At the end, where it is seen: what did not run has not passed.
    if let Fuzzed::Skipped(why) = fuzzed {
        eprintln!("skipped: fuzzing: {why}");
    }
    if let Err(why) = promtool {
        eprintln!("skipped: what promtool and Prometheus test: {why:#}");
    }
    eprintln!("all of it took {} s", started.elapsed().as_secs());
    Ok(())
}

/// Formatting and lints, of the kernel programs too.
fn check_sources() -> Result<()> {
    let run = |folder: &Path, arguments: &[&str]| {
        let status = interactive(
            Command::new(env!("CARGO"))
                .current_dir(folder)
                .args(arguments),
        )?;
        ensure!(status.success(), "cargo {} failed", arguments.join(" "));
        Ok(())
    };
    let root = workspace();
    step("cargo fmt --check", || {
        run(&root, &["fmt", "--all", "--check"])?;
        run(&root.join("tap-ebpf"), &["fmt", "--check"])?;
        run(&root.join("tests/fuzz"), &["fmt", "--check"])
    })?;
    step("cargo clippy", || {
        let arguments = [
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ];
        run(&root, &arguments)
    })
}

/// The tests that need the kernel of this machine, but no cluster, and the
/// harness's own. One at a time: they count packets, and one's load would be
/// the other's loss.
fn integration_tests(podtap: &[(&str, &Path)]) -> Result<()> {
    let mut arguments = vec!["--package", "tests", "--lib"];
    let names = test_names()?;
    let others = [CLUSTER_TEST, MANIFESTS_TEST];
    for name in names.iter().filter(|name| !others.contains(&name.as_str())) {
        arguments.extend(["--test", name]);
    }
    arguments.extend(["--", "--include-ignored", "--test-threads", "1"]);
    cargo_test(&arguments, podtap)
}

/// The test file that renders what is in `manifests`.
const MANIFESTS_TEST: &str = "manifests";

/// What the manifests render to, by `kubectl kustomize` and by Helm, which are
/// built for it.
pub fn manifests() -> Result<()> {
    let kubectl = cluster::build_only(&Layout::of_this_workspace(), "kubectl")?;
    let helm = helm::build()?;
    cargo_test(
        &["--package", "tests", "--test", MANIFESTS_TEST],
        &[
            ("PODTAP_KUBECTL", kubectl.as_path()),
            ("PODTAP_HELM", helm.as_path()),
        ],
    )
}

/// The test file that needs the cluster of [`demo::prepare`].
const CLUSTER_TEST: &str = "cluster";

/// The demo, which checks what it shows; then the tests in its cluster; then
/// that nothing of it is left.
fn cluster_tests(podtap: &[(&str, &Path)]) -> Result<()> {
    let tested = demo::demo(true, demo::TRIES).and_then(|()| {
        let arguments = ["--package", "tests", "--test", CLUSTER_TEST, "--"];
        let flags = ["--include-ignored", "--test-threads", "1"];
        cargo_test(&[&arguments[..], &flags[..]].concat(), podtap)
    });
    let cleaned = step("taking the cluster down", cluster::down);
    tested?;
    cleaned?;
    let residue = cluster::residue(&Layout::of_this_workspace());
    ensure!(residue.is_empty(), "left behind:\n{}", residue.join("\n"));
    Ok(())
}

/// Runs a test command on the caller's own terminal, so that the runners'
/// closing lines are seen. `environment` has the programs that it is to use,
/// each by the name of the variable that says where it is.
pub(crate) fn cargo_test(
    arguments: &[&str],
    environment: &[(&str, impl AsRef<OsStr>)],
) -> Result<()> {
    let status = interactive(
        Command::new(env!("CARGO"))
            .current_dir(workspace())
            // All that fails is to be known after one run.
            .args(["test", "--locked", "--no-fail-fast"])
            .args(arguments)
            .envs(environment.iter().map(|(name, value)| (name, value))),
    )?;
    ensure!(
        status.success(),
        "cargo test {} failed",
        arguments.join(" ")
    );
    Ok(())
}

/// The names of the integration tests: files in `tests/tests`, and folders
/// there with a `main.rs`.
fn test_names() -> Result<Vec<String>> {
    let folder = workspace().join("tests/tests");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let is_file = path.extension().is_some_and(|extension| extension == "rs");
        if is_file || path.join("main.rs").is_file() {
            let name = path.file_stem().context("a file without a name")?;
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

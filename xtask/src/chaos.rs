//! `cargo xtask chaos`: an agent's worst days, one after the other.

use anyhow::{Result, ensure};

use crate::{build, setup, test};

/// The test file that it runs.
const CHAOS_TEST: &str = "chaos";

/// Runs the chaos test for so long; the seed repeats a run.
pub fn run(minutes: u64, seed: Option<u64>) -> Result<()> {
    ensure!(minutes > 0, "no time at all: --minutes 1 or more");
    setup::require_root("tapping")?;
    let binary = build::build()?;
    let seconds = (minutes * 60).to_string();
    let seed = seed.map(|seed| seed.to_string());
    let mut environment = vec![
        ("PODTAP_BIN", binary.as_os_str()),
        ("PODTAP_CHAOS_SECONDS", seconds.as_ref()),
    ];
    environment.extend(seed.as_ref().map(|seed| ("SEED", seed.as_ref())));
    let arguments = [
        "--package",
        "tests",
        "--test",
        CHAOS_TEST,
        "--",
        "--include-ignored",
        "--nocapture",
    ];
    test::cargo_test(&arguments, &environment)
}

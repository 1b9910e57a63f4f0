//! The kernel ladder: the datapath's checks on one kernel.
//!
//! `cargo xtask kernels` boots a kernel in a virtual machine with this program
//! as its first and only process. It says one line a check on the console,
//! prefixed so that the kernel's own lines are told apart, and turns the
//! machine off.

mod boot;
mod check;
mod checks;
mod hooks;
mod quiet;
mod threads;
mod verified;
mod verifier;

use std::process::ExitCode;

use check::Outcome;

fn main() -> ExitCode {
    if std::process::id() != 1 {
        eprintln!("the kernel ladder runs as the init of a virtual machine: cargo xtask kernels");
        return ExitCode::FAILURE;
    }
    let failed = match boot::prepare() {
        Ok(release) => {
            check::say("kernel", &release);
            all()
        }
        Err(error) => {
            check::say("check", &format!("boot: FAILED {error:#}"));
            1
        }
    };
    check::say("done", &format!("{failed} failed"));
    boot::power_off()
}

/// Runs every check; returns how many failed.
fn all() -> usize {
    check::silence_panics();
    let mut failed = 0;
    for (name, check) in checks::all() {
        let outcome = check::run(check);
        failed += usize::from(matches!(outcome, Outcome::Failed(_)));
        check::say("check", &format!("{name}: {outcome}"));
    }
    match verified::programs() {
        Ok(programs) => programs
            .iter()
            .for_each(|program| check::say("program", &program.to_string())),
        Err(error) => {
            failed += 1;
            check::say("check", &format!("verifier's figures: FAILED {error:#}"));
        }
    }
    failed
}

//! The binary `podtap`.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    tap_userspace::cli::run()
}

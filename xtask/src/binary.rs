//! The `killer` that tests, demo, benchmark and guests use.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::run::{cargo, root};
use crate::tools;

/// The target of static binaries for this kind of machine.
pub const STATIC: &str =
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-musl" } else { "x86_64-unknown-linux-musl" };

/// Builds it (release) and says where it is. `KILLER_BIN` names a finished one instead.
pub fn build() -> Result<PathBuf> {
    named().unwrap_or_else(|| made(&["--release"]))
}

/// The one that guests have, static and quick to build, so that tests here, guests and the guard need one build.
/// `KILLER_BIN` names a finished one instead. Where the target of static programs cannot be had it is the released one.
pub fn for_tests() -> Result<PathBuf> {
    named().unwrap_or_else(|| {
        tools::target(STATIC).map_or_else(
            |error| {
                println!("the tests use the dynamic killer: {error:#}");
                made(&["--release"])
            },
            |()| for_guests(),
        )
    })
}

/// The one that guests of this kind of machine have.
pub fn for_guests() -> Result<PathBuf> {
    tools::target(STATIC)?;
    made(&["--profile", "guest", "--target", STATIC])
}

fn named() -> Option<Result<PathBuf>> {
    let path = std::env::var_os("KILLER_BIN")?;
    Some(PathBuf::from(path).canonicalize().context("KILLER_BIN"))
}

/// As it is packaged: static, one file, also for machines without a libc.
pub fn build_static(target: &str) -> Result<PathBuf> {
    tools::target(target)?;
    // What is packaged tells nothing of where it was built, so that its bytes are the same everywhere.
    let at = |from: &std::path::Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    let flags = [at(&tools::cargo_home()?, "/cargo"), at(&root(), "/killer")].join("\u{1f}");
    // As distributions want it; names of functions are of no use where a panic aborts.
    let env = [("CARGO_ENCODED_RUSTFLAGS", flags.as_str()), ("CARGO_PROFILE_RELEASE_STRIP", "symbols")];
    made_with(&["--release", "--target", target], &env)
}

fn made(options: &[&str]) -> Result<PathBuf> {
    made_with(options, &[])
}

fn made_with(options: &[&str], env: &[(&str, &str)]) -> Result<PathBuf> {
    let mut build = cargo();
    build.args(["build", "--locked", "-p", "killer-user", "--bin", "killer"]).args(options);
    build.args(["--message-format", "json-render-diagnostics"]).current_dir(root());
    // The linker of this host makes programs of its own kind only; rustc's own does both.
    build.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER", "rust-lld").envs(env.iter().copied());
    let out = build.stderr(std::process::Stdio::inherit()).output().context("cannot run cargo")?;
    anyhow::ensure!(out.status.success(), "killer does not build");
    let lines = String::from_utf8_lossy(&out.stdout);
    let messages = lines.lines().filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok());
    let mut programs = messages.filter(|m| m["target"]["name"] == "killer");
    programs.find_map(|m| m["executable"].as_str().map(PathBuf::from)).context("cargo built no killer")
}

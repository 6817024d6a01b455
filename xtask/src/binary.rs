//! The `killer` that tests, demo and benchmark use.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::run::{cargo, root};
use crate::tools;

/// The target of static binaries for this kind of machine.
pub const STATIC: &str =
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-musl" } else { "x86_64-unknown-linux-musl" };

/// Builds it (release) and says where it is. `KILLER_BIN` names a finished one instead.
pub fn build() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("KILLER_BIN") {
        return PathBuf::from(path).canonicalize().context("KILLER_BIN");
    }
    made(&[])
}

/// As it is packaged: static, one file, also for machines without a libc.
pub fn build_static(target: &str) -> Result<PathBuf> {
    tools::target(target)?;
    made(&["--target", target])
}

fn made(options: &[&str]) -> Result<PathBuf> {
    let mut build = cargo();
    build.args(["build", "--release", "--locked", "-p", "killer-user"]).args(options);
    build.args(["--message-format", "json-render-diagnostics"]).current_dir(root());
    // The linker of this host makes programs of its own kind only; rustc's own does both.
    build.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER", "rust-lld");
    // What is packaged tells nothing of where it was built, so that its bytes are the same everywhere.
    if !options.is_empty() {
        let at = |from: &std::path::Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
        let flags = [at(&tools::cargo_home()?, "/cargo"), at(&root(), "/killer")];
        build.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
        // As distributions want it; names of functions are of no use where a panic aborts.
        build.env("CARGO_PROFILE_RELEASE_STRIP", "symbols");
    }
    let out = build.stderr(std::process::Stdio::inherit()).output().context("cannot run cargo")?;
    anyhow::ensure!(out.status.success(), "killer does not build");
    let lines = String::from_utf8_lossy(&out.stdout);
    let messages = lines.lines().filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok());
    let mut programs = messages.filter(|m| m["target"]["name"] == "killer");
    programs.find_map(|m| m["executable"].as_str().map(PathBuf::from)).context("cargo built no killer")
}

//! `cargo xtask miri`: the tests of killer-common under miri, which is part of nightly toolchains only.

use std::process::{Command, Stdio};

use anyhow::Result;

use crate::run::{have, root, shown};
use crate::tally::Tally;

/// Runs them where a nightly has miri and rust-src, else says how to get it. Nothing is installed for it.
pub fn run() -> Result<Tally> {
    let Err(why) = there() else {
        let mut tally = Tally::default();
        let mut miri = nightly(&["miri", "test", "--quiet", "--locked", "-p", "killer-common"]);
        // A folder of its own: the pinned toolchain's artifacts stay fresh.
        miri.env("CARGO_TARGET_DIR", root().join("target/miri"));
        tally.check("miri on killer-common", shown(&mut miri));
        return Ok(tally);
    };
    println!("SKIP: miri on killer-common: {why}");
    println!("get it: rustup toolchain install nightly --component miri --component rust-src");
    Ok(Tally::SKIPPED)
}

fn there() -> Result<(), &'static str> {
    if !have("rustup") {
        return Err("no rustup, and the pinned stable toolchain has no miri");
    }
    let probe = nightly(&["miri", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !probe.is_ok_and(|s| s.success()) {
        return Err("no nightly toolchain with miri is installed");
    }
    Ok(())
}

fn nightly(args: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo"]).args(args).current_dir(root());
    // What cargo told us about the pinned toolchain is not for this one.
    for name in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN", "RUSTFLAGS"] {
        command.env_remove(name);
    }
    command
}

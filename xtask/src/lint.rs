//! Format, clippy, the one-way dependencies of the rooms, and what else keeps the checkout tidy.

use std::path::Path;

use anyhow::{Result, bail};

use crate::run::{cargo, root, shown};
use crate::tally::Tally;
use crate::{package, rooms, tidy, tools};

/// All checks; each counts as one.
pub fn run() -> Result<Tally> {
    tools::components(&["rustfmt", "clippy"])?;
    let mut tally = Tally::default();
    let here = root();
    tally.check("fmt", shown(cargo().args(["fmt", "--all", "--check"]).current_dir(&here)));
    let ebpf = here.join("killer-ebpf");
    tally.check("fmt of killer-ebpf", shown(cargo().args(["fmt", "--check"]).current_dir(ebpf)));
    let mut clippy = cargo();
    clippy.args(["clippy", "--quiet", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]);
    tally.check("clippy", shown(clippy.current_dir(&here)));
    tally.check("clippy of killer-ebpf", ebpf_clippy(&here));
    tally.check("packages", package::outside(&here));
    tally.check("features", package::features(&here));
    tally.check("rooms", rooms(&here.join("killer-user/src")));
    tally.check("tidy", tidy(&here));
    Ok(tally)
}

/// For its own target, which has no ready-made `core`.
fn ebpf_clippy(root: &Path) -> Result<()> {
    tools::components(&["rust-src"])?;
    let mut clippy = cargo();
    clippy.args(["clippy", "--quiet", "--locked", "-Z", "build-std=core", "--target", "bpfel-unknown-none"]);
    clippy.arg("--target-dir").arg(root.join("target/clippy-ebpf")).args(["--", "-D", "warnings"]);
    clippy.env("RUSTC_BOOTSTRAP", "1").env("RUSTUP_TOOLCHAIN", tools::channel()?);
    shown(clippy.current_dir(root.join("killer-ebpf")))
}

fn rooms(source: &Path) -> Result<()> {
    let wrong = rooms::check(source)?;
    match wrong.len() {
        0 => Ok(()),
        n => bail!("{n} lines break the rules of the rooms (xtask/src/rooms.rs)\n{}", wrong.join("\n")),
    }
}

fn tidy(root: &Path) -> Result<()> {
    let wrong = tidy::check(root)?;
    match wrong.len() {
        0 => Ok(()),
        n => bail!("{n} things are not tidy (xtask/src/tidy)\n{}", wrong.join("\n")),
    }
}

//! `cargo xtask dist`: the static binaries for packagers, with their checksums.

use std::path::PathBuf;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::run::root;
use crate::{binary, sources::hex};

/// What is built for.
const TARGETS: [&str; 2] = ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"];

/// Builds them into `target/dist/`.
pub fn main() -> Result<()> {
    let dir = root().join("target/dist");
    std::fs::create_dir_all(&dir).context("target/dist")?;
    let mut sums = String::new();
    for target in TARGETS {
        let built = binary::build_static(target)?;
        let name = format!("killer-{}-linux", target.split('-').next().unwrap_or(target));
        let to: PathBuf = dir.join(&name);
        let bytes = std::fs::read(&built).with_context(|| built.display().to_string())?;
        std::fs::copy(&built, &to).with_context(|| to.display().to_string())?;
        let sum = hex(&Sha256::digest(&bytes));
        println!("{sum}  {name}  {:.1} MiB", bytes.len() as f64 / 1048576.0);
        sums += &format!("{sum}  {name}\n");
    }
    std::fs::write(dir.join("SHA256SUMS"), sums).context("SHA256SUMS")
}

//! Tools that a clean machine lacks: asked for by name, installed where we may, else named with the command to run.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{cargo, have, quiet, root};

/// The bpf-linker that goes with rustc's LLVM.
pub const BPF_LINKER: &str = "0.13.0";
/// Debian's LLVM for it.
const LLVM: &str = "22";

/// A program of cargo's that makes packages.
#[derive(Debug)]
pub struct Packer {
    name: &'static str,
    version: &'static str,
    /// What it is built with.
    options: &'static [&'static str],
}

/// Makes `.deb`; without liblzma, for it has to be called as `xz` in any case to give the same bytes everywhere.
pub const CARGO_DEB: Packer =
    Packer { name: "cargo-deb", version: "3.8.0", options: &["--no-default-features"] };
/// Makes `.rpm`.
pub const CARGO_RPM: Packer = Packer { name: "cargo-generate-rpm", version: "0.21.1", options: &[] };

/// Where a packer is; it is built once, and kept outside target/.
pub fn packer(packer: &Packer) -> Result<PathBuf> {
    let Packer { name, version, options } = packer;
    let to = cache()?.join(format!("{name}-{version}"));
    let program = to.join("bin").join(name);
    if !program.exists() {
        println!("installing {name} {version} (some minutes, once)");
        let mut install = cargo();
        install.args(["install", name, "--version", version, "--locked", "--root"]).arg(&to).args(*options);
        // Quick to build: it runs for a moment.
        for (key, value) in [("OPT_LEVEL", "1"), ("LTO", "off"), ("CODEGEN_UNITS", "16"), ("DEBUG", "0")] {
            install.env(format!("CARGO_PROFILE_RELEASE_{key}"), value);
        }
        install.env_remove("RUSTFLAGS").env("CARGO_TARGET_DIR", to.join("build")).current_dir(root());
        quiet(&mut install)?;
        let _ = std::fs::remove_dir_all(to.join("build"));
    }
    Ok(program)
}

/// What makes an eBPF object.
#[derive(Debug)]
pub struct Ebpf {
    /// Folder of bpf-linker.
    pub linker: PathBuf,
    /// Folder of LLVM's programs.
    pub llvm: PathBuf,
    /// rustc's own folder.
    pub sysroot: PathBuf,
    /// `1.95.0 (59807616e 2026-04-14)`.
    pub rustc_version: String,
    /// `22.1.8`.
    pub llvm_version: String,
}

/// Tools of ours that no package manager has.
pub fn cache() -> Result<PathBuf> {
    Ok(home()?.join(".cache/killer-dev"))
}

/// `$HOME`.
pub fn home() -> Result<PathBuf> {
    std::env::var_os("HOME").map(PathBuf::from).context("HOME is not set")
}

/// `$CARGO_HOME`.
pub fn cargo_home() -> Result<PathBuf> {
    match std::env::var_os("CARGO_HOME") {
        Some(path) => Ok(path.into()),
        None => Ok(home()?.join(".cargo")),
    }
}

/// The channel of rust-toolchain.toml.
pub fn channel() -> Result<String> {
    let text = std::fs::read_to_string(root().join("rust-toolchain.toml")).context("rust-toolchain.toml")?;
    let channel =
        crate::sources::manifest_value(&text, "channel").context("rust-toolchain.toml has no channel")?;
    Ok(channel.to_owned())
}

/// rustc of the pinned toolchain.
fn rustc() -> Command {
    let mut command = Command::new("rustc");
    command.current_dir(root());
    command
}

/// Adds what is missing of the pinned toolchain's components; without rustup says what to install.
pub fn components(names: &[&str]) -> Result<()> {
    let missing: Vec<&str> = names.iter().copied().filter(|n| !component_there(n)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    let channel = channel()?;
    let hint = format!(
        "missing: {list} of Rust {channel}; get it: rustup component add --toolchain {channel} {list}"
    );
    if !have("rustup") {
        bail!("{hint} (and rustup itself is missing)");
    }
    println!("installing {list} for Rust {channel}");
    let mut add = Command::new("rustup");
    add.args(["component", "add", "--toolchain", &channel]).args(&missing);
    quiet(&mut add).context(hint).map(drop)
}

/// Adds Rust's standard library for a target, or says how.
pub fn target(target: &str) -> Result<()> {
    if sysroot()?.join("lib/rustlib").join(target).join("lib").is_dir() {
        return Ok(());
    }
    let channel = channel()?;
    let hint = format!("missing: Rust's {target}; get it: rustup target add --toolchain {channel} {target}");
    if !have("rustup") {
        bail!("{hint} (and rustup itself is missing)");
    }
    println!("installing Rust's {target}");
    let mut add = Command::new("rustup");
    quiet(add.args(["target", "add", "--toolchain", &channel, target])).context(hint).map(drop)
}

fn component_there(name: &str) -> bool {
    let Ok(sysroot) = sysroot() else { return false };
    match name {
        "rust-src" => sysroot.join("lib/rustlib/src/rust/library/core/src/lib.rs").exists(),
        "clippy" => sysroot.join("bin/cargo-clippy").exists() || have("clippy-driver") && !have("rustup"),
        name => sysroot.join("bin").join(name).exists() || have(name) && !have("rustup"),
    }
}

fn sysroot() -> Result<PathBuf> {
    Ok(quiet(rustc().args(["--print", "sysroot"]))?.trim().into())
}

/// Installs Debian packages, or says how; `why` goes into the message.
pub fn packages(names: &[&str], why: &str) -> Result<()> {
    let missing: Vec<&str> = names.iter().copied().filter(|n| !package_there(n)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    let hint = format!("missing for {why}: {list}; get it: apt-get install {list}");
    if !nix::unistd::geteuid().is_root() || !have("apt-get") {
        bail!(hint);
    }
    println!("installing for {why}: {list}");
    // The lists of a fresh image are empty or old; a working one is tried first, it is much quicker.
    if apt(&["install", "-y", "--no-install-recommends"], &missing).is_err() {
        apt(&["update", "-q"], &[]).context(hint.clone())?;
        apt(&["install", "-y", "--no-install-recommends"], &missing).context(hint)?;
    }
    Ok(())
}

fn apt(verb: &[&str], names: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command
        .args(["-q", "-o", "DPkg::Lock::Timeout=300"])
        .args(verb)
        .args(names)
        .env("DEBIAN_FRONTEND", "noninteractive");
    let out = command.output().context("cannot run apt-get")?;
    if !out.status.success() {
        bail!("apt-get {}: {}", verb[0], String::from_utf8_lossy(&out.stderr).trim());
    }
    Ok(())
}

/// Is the Debian package installed?
pub fn package_there(name: &str) -> bool {
    let query = Command::new("dpkg-query").args(["-W", "-f", "${db:Status-Status}", name]).output();
    query.is_ok_and(|o| o.stdout == b"installed")
}

/// Everything for an eBPF object.
pub fn ebpf() -> Result<Ebpf> {
    components(&["rust-src"])?;
    let prefix = PathBuf::from(format!("/usr/lib/llvm-{LLVM}"));
    let llvm = prefix.join("bin");
    if !llvm.join("llvm-objcopy").exists() || !llvm.join("llvm-config").exists() {
        packages(&[&format!("llvm-{LLVM}-dev")], "the eBPF object")?;
    }
    let linker = cache()?.join(format!("bpf-linker-{BPF_LINKER}-llvm{LLVM}"));
    if !linker.join("bin/bpf-linker").exists() {
        install_linker(&linker, &prefix)?;
    }
    let rustc_version = quiet(rustc().arg("--version"))?;
    let rustc_version = rustc_version.trim().trim_start_matches("rustc ").to_owned();
    let text = quiet(Command::new(llvm.join("llvm-config")).arg("--version"))?;
    Ok(Ebpf {
        linker: linker.join("bin"),
        llvm,
        sysroot: sysroot()?,
        rustc_version,
        llvm_version: text.trim().into(),
    })
}

fn install_linker(to: &Path, prefix: &Path) -> Result<()> {
    println!("installing bpf-linker {BPF_LINKER} (about two minutes, once)");
    // Its link line wants these beside LLVM itself.
    packages(&["zlib1g-dev", "libzstd-dev"], "bpf-linker")?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(prefix.join("bin")).chain(std::env::split_paths(&path)))?;
    let mut install = cargo();
    install.args(["install", "bpf-linker", "--version", BPF_LINKER, "--no-default-features", "--locked"]);
    install.args(["--features", &format!("llvm-{LLVM}"), "--root"]).arg(to);
    install.env("LLVM_PREFIX", prefix).env("PATH", path).env_remove("RUSTFLAGS");
    // A target directory of its own: ours may be locked by the cargo that runs us.
    install.env("CARGO_TARGET_DIR", to.join("build")).current_dir(root());
    quiet(&mut install)?;
    let _ = std::fs::remove_dir_all(to.join("build"));
    Ok(())
}

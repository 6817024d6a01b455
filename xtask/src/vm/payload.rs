//! What lies in a guest: the static `killer`, the static tests with their adversary, the init, a busybox.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};

use super::apt::{self, Apt};
use super::cpio::Cpio;
use super::kernel::Arch;
use crate::run::{cargo, root};

/// Users that tests and services ask for.
pub const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/:/bin/false\nnobody:x:65534:65534:nobody:/:/bin/false\n";
/// Their groups.
pub const GROUP: &str = "root:x:0:\ndaemon:x:1:\nadm:x:4:\ntty:x:5:\nnogroup:x:65534:\n";

/// The static programs of a checkout.
#[derive(Debug)]
pub struct Programs {
    /// `killer`.
    pub killer: PathBuf,
    /// PID 1.
    pub init: PathBuf,
    /// The adversary of the tests.
    pub adversary: PathBuf,
    /// Its long runs.
    pub ordeal: PathBuf,
    /// Test binaries by name.
    pub tests: Vec<(String, PathBuf)>,
}

/// Builds them; of the test binaries only those that are named, all when none is.
pub fn build(arch: Arch, release: bool, tests: &[String]) -> Result<Programs> {
    let profile = if release { "release" } else { "guest" };
    crate::tools::target(arch.target())?;
    let killer = executables(arch, profile, &["build", "-p", "killer-user", "--bin", "killer"])?;
    let mut wanted = vec!["test", "--no-run", "-p", "killer-tests", "--features", "guest"];
    if !tests.is_empty() {
        wanted.push("--bins");
        wanted.extend(tests.iter().flat_map(|test| ["--test", test.as_str()]));
    }
    let tests = executables(arch, "guest", &wanted)?;
    let bin = |list: &[Built], name: &str| {
        let found = list.iter().find(|b| b.name == name && !b.test).map(|b| b.path.clone());
        found.with_context(|| format!("cargo built no {name}"))
    };
    let harness = tests.iter().filter(|b| b.test && b.integration);
    Ok(Programs {
        killer: bin(&killer, "killer")?,
        init: bin(&tests, "guest")?,
        adversary: bin(&tests, "adversary")?,
        ordeal: bin(&tests, "ordeal")?,
        tests: harness.map(|b| (b.name.clone(), b.path.clone())).collect(),
    })
}

/// Whether `killer` builds and links for that kind of machine: without optimisation, which takes longest.
pub fn links(arch: Arch) -> Result<()> {
    crate::tools::target(arch.target())?;
    executables(arch, "dev", &["build", "-p", "killer-user", "--bin", "killer"]).map(drop)
}

struct Built {
    name: String,
    test: bool,
    integration: bool,
    path: PathBuf,
}

fn executables(arch: Arch, profile: &str, args: &[&str]) -> Result<Vec<Built>> {
    let mut command = cargo();
    command.args(args).args(["--locked", "--profile", profile, "--target", arch.target()]);
    command.args(["--message-format", "json-render-diagnostics"]).current_dir(root());
    // The linker of this host makes no ARM programs; rustc's own does.
    command.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER", "rust-lld");
    let out = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    ensure!(out.status.success(), "the programs for guests do not build (target {})", arch.target());
    let text = String::from_utf8_lossy(&out.stdout);
    let messages = text.lines().filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok());
    let built = messages.filter_map(|m| {
        Some(Built {
            name: m["target"]["name"].as_str()?.into(),
            test: m["profile"]["test"].as_bool()?,
            integration: m["target"]["kind"][0] == "test",
            path: m["executable"].as_str()?.into(),
        })
    });
    Ok(built.collect())
}

/// The initramfs that all guests of an architecture share.
pub fn initramfs(programs: &Programs, busybox: Option<&Path>) -> Result<Vec<u8>> {
    let mut cpio = Cpio::default();
    for dir in
        ["proc", "sys", "dev", "tmp", "run", "etc", "root", "bin", "sbin", "usr/bin", "usr/sbin", "var/run"]
    {
        cpio.dir(dir);
    }
    cpio.device("dev/console", 5, 1);
    cpio.device("dev/null", 1, 3);
    cpio.copy("init", &programs.init)?;
    cpio.copy("t/killer", &programs.killer)?;
    cpio.copy("t/adversary", &programs.adversary)?;
    cpio.copy("t/ordeal", &programs.ordeal)?;
    for (name, path) in &programs.tests {
        cpio.copy(&format!("t/tests/{name}"), path)?;
    }
    if let Some(busybox) = busybox {
        cpio.copy("bin/busybox", busybox)?;
    }
    cpio.link("usr/bin/env", "/bin/env");
    cpio.file("etc/passwd", 0o644, PASSWD.as_bytes());
    cpio.file("etc/group", 0o644, GROUP.as_bytes());
    // Tests look for their golden texts where they were built.
    let golden = root().join("tests/golden");
    for entry in std::fs::read_dir(&golden).into_iter().flatten().flatten() {
        cpio.file(&entry.path().display().to_string(), 0o644, &std::fs::read(entry.path())?);
    }
    Ok(cpio.finish())
}

/// Nothing but PID 1 and `killer`.
pub fn alone(programs: &Programs) -> Result<Vec<u8>> {
    let mut cpio = Cpio::default();
    cpio.dir("proc");
    cpio.dir("sys");
    cpio.copy("init", &programs.init)?;
    cpio.copy("killer", &programs.killer)?;
    Ok(cpio.finish())
}

/// A static busybox of the architecture, from the cache or the archive.
pub fn busybox(apt: &Result<Apt>, cache: &Path, arch: Arch) -> Result<PathBuf> {
    let kept = cache.join(format!("busybox-{}", arch.debian()));
    if kept.is_file() {
        return Ok(kept);
    }
    let apt = apt.as_ref().map_err(|e| anyhow::anyhow!("busybox-static: {e:#}"))?;
    let scratch = tempfile::Builder::new().prefix("busybox-").tempdir_in(cache)?;
    for file in apt.download(&["busybox-static".into()], "", scratch.path())? {
        apt::unpack(&file, &["./bin/busybox", "./usr/bin/busybox"], scratch.path())?;
    }
    let places = ["usr/bin/busybox", "bin/busybox"].map(|p| scratch.path().join(p));
    let found = places.iter().find(|p| p.is_file()).context("no busybox in Debian's busybox-static")?;
    std::fs::rename(found, &kept)?;
    Ok(kept)
}

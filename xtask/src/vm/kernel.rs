//! Debian kernels for guests: found by series, fetched and unpacked once, never installed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::apt::{self, Apt, Package};
use crate::run::have;
use crate::tools;

/// The matrix: oldest, long-term ones, a fully preemptible one, newest.
pub const MATRIX: [&str; 6] = ["5.10", "6.1", "6.12", "6.12-rt", "6.18", "7.x"];

/// Where modules are kept.
const MODULES: &str = "modules";
/// Directories of FUSE, of the NFS client and of what that needs.
const NEEDED: [&str; 7] =
    ["fs/fuse", "fs/nfs", "fs/nfs_common", "fs/lockd", "fs/fscache", "fs/netfs", "net/sunrpc"];

/// Kinds of machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Arch {
    /// Intel and AMD.
    #[value(name = "x86_64")]
    X86,
    /// ARM, 64 bit.
    #[value(name = "aarch64")]
    Arm,
}

impl Arch {
    /// This machine's.
    pub const HOST: Arch = if cfg!(target_arch = "aarch64") { Arch::Arm } else { Arch::X86 };

    /// The kernel's and Rust's word.
    pub fn name(self) -> &'static str {
        match self {
            Arch::X86 => "x86_64",
            Arch::Arm => "aarch64",
        }
    }

    /// Debian's word.
    pub fn debian(self) -> &'static str {
        match self {
            Arch::X86 => "amd64",
            Arch::Arm => "arm64",
        }
    }

    /// Rust's target for static programs.
    pub fn target(self) -> &'static str {
        match self {
            Arch::X86 => "x86_64-unknown-linux-musl",
            Arch::Arm => "aarch64-unknown-linux-musl",
        }
    }
}

/// `6.12`, `6.12-rt`, `7.x`, `6.1-generic`: a series and a flavour, cloud when none is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// `6.12`.
    pub number: String,
    /// `cloud`, `rt` or `generic`.
    pub flavour: String,
}

impl Series {
    /// From the command line.
    pub fn parse(text: &str) -> Result<Series> {
        let (number, flavour) = text.split_once(['-', '/']).unwrap_or((text, "cloud"));
        ensure!(
            ["cloud", "rt", "generic"].contains(&flavour),
            "no such flavour of kernel: {flavour:?} (cloud, rt, generic)"
        );
        let parts: Vec<&str> = number.split('.').collect();
        let digits = |p: &str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit());
        ensure!(
            matches!(parts[..], [a, b] if digits(a) && (digits(b) || b == "x")),
            "not a series of kernels: {number:?} (like 6.12, 6.12-rt, 7.x)"
        );
        Ok(Series { number: number.into(), flavour: flavour.into() })
    }

    /// For tables and file names.
    pub fn name(&self) -> String {
        match self.flavour.as_str() {
            "cloud" => self.number.clone(),
            other => format!("{}-{other}", self.number),
        }
    }

    /// Is `linux-image-…` a real kernel of this series and flavour?
    fn matches(&self, package: &str, arch: Arch) -> bool {
        let suffix = match self.flavour.as_str() {
            "generic" => format!("-{}", arch.debian()),
            flavour => format!("-{flavour}-{}", arch.debian()),
        };
        let Some(rest) = package.strip_prefix("linux-image-").and_then(|p| p.strip_suffix(&suffix)) else {
            return false;
        };
        if self.flavour == "generic" && (rest.ends_with("-cloud") || rest.ends_with("-rt")) {
            return false;
        }
        let numbers: Vec<&str> = rest.split(['.', '-', '+']).collect();
        let digits = |p: &&str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit());
        let (major, minor) = self.number.split_once('.').unwrap_or_default();
        // A metapackage (linux-image-6.12-cloud-amd64) has two numbers only.
        numbers.len() >= 3
            && numbers[0] == major
            && digits(&numbers[1])
            && digits(&numbers[2])
            && (minor == "x" || numbers[1] == minor)
    }
}

/// An unpacked kernel.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// What was asked for.
    pub series: Series,
    /// `6.12.117+deb13-cloud-amd64`.
    pub release: String,
    /// Debian's version.
    pub version: String,
    /// The image that QEMU boots.
    pub image: PathBuf,
    /// Its modules that some variant loads.
    pub modules: PathBuf,
}

impl Kernel {
    /// Major and minor number.
    pub fn number(&self) -> (u32, u32) {
        let mut parts = self.release.split(['.', '-', '+']).map(|p| p.parse().unwrap_or(0));
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
    }
}

/// The newest kernel of a series, from the cache or from the archive.
pub fn get(apt: &Result<Apt>, cache: &Path, series: &Series, arch: Arch) -> Result<Kernel> {
    let dir = cache.join(format!("kernels-{}", arch.debian())).join(series.name());
    let kept = kept(&dir, series);
    let apt = match (apt, kept) {
        (Ok(apt), _) => apt,
        (Err(_), Some(kernel)) => return Ok(kernel),
        (Err(error), None) => bail!("kernel {}: {error:#}", series.name()),
    };
    let found = apt.find("linux-image-", |n| series.matches(n, arch))?;
    ensure!(!found.is_empty(), "no kernel {} in the archive that this host uses", series.name());
    let mut last = None;
    // A mirror can list a version that it no longer holds: then the next one is taken.
    for package in found.iter().take(4) {
        let release = package.name.trim_start_matches("linux-image-");
        if let Some(kernel) = &kept_as(&dir, series, release, &package.version) {
            return Ok(kernel.clone());
        }
        match fetch(apt, package, &dir) {
            Ok(()) => return self::kept(&dir, series).context("a kernel that was just unpacked"),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| anyhow::anyhow!("nothing")).context(format!("kernel {}", series.name())))
}

fn kept(dir: &Path, series: &Series) -> Option<Kernel> {
    let text = std::fs::read_to_string(dir.join("release")).ok()?;
    let (release, version) = text.trim().split_once(' ')?;
    let image = dir.join("vmlinuz");
    image.is_file().then(|| Kernel {
        series: series.clone(),
        release: release.into(),
        version: version.into(),
        image,
        modules: dir.join(MODULES),
    })
}

fn kept_as(dir: &Path, series: &Series, release: &str, version: &str) -> Option<Kernel> {
    let is = |k: &Kernel| k.release == release && k.version == version && k.modules.is_dir();
    kept(dir, series).filter(is)
}

fn fetch(apt: &Apt, package: &Package, dir: &Path) -> Result<()> {
    let release = package.name.trim_start_matches("linux-image-");
    println!("vm: fetching {} {}", package.name, package.version);
    let _ = std::fs::remove_dir_all(dir);
    std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    let scratch = tempfile::Builder::new().prefix("fetch-").tempdir_in(dir)?;
    // From 6.19 on image and modules lie in packages of their own.
    let split = [format!("linux-binary-{release}"), format!("linux-modules-{release}")];
    let names =
        if apt.show(package)?.contains(&split[0]) { split.to_vec() } else { vec![package.name.clone()] };
    let files = apt.download(&names, &package.version, scratch.path())?;
    let mut wanted: Vec<String> =
        ["./boot/vmlinuz*", "./usr/lib/*vmlinuz*", "./lib/*vmlinuz*"].map(String::from).to_vec();
    wanted.extend(
        NEEDED.iter().flat_map(|d| ["", "usr/"].map(|usr| format!("./{usr}lib/modules/*/kernel/{d}/*.ko*"))),
    );
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    for file in &files {
        apt::unpack(file, &wanted, scratch.path())?;
    }
    let image = find(scratch.path(), "vmlinuz").context("no vmlinuz in the package")?;
    std::fs::rename(image, dir.join("vmlinuz"))?;
    keep_modules(scratch.path(), &dir.join(MODULES))?;
    std::fs::write(dir.join("release"), format!("{release} {}\n", package.version))?;
    Ok(())
}

/// Puts the modules below `from` side by side, as the kernel takes them.
fn keep_modules(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    let mut dirs = vec![from.to_owned()];
    while let Some(dir) = dirs.pop() {
        for path in std::fs::read_dir(&dir)?.flatten().map(|e| e.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some((module, packed)) = name.split_once(".ko") else {
                dirs.extend(Some(path).filter(|p| p.is_dir() && !p.is_symlink()));
                continue;
            };
            let to = to.join(format!("{module}.ko"));
            if packed.is_empty() {
                std::fs::copy(&path, &to)?;
                continue;
            }
            let (program, package) = if packed == ".zst" { ("zstd", "zstd") } else { ("xz", "xz-utils") };
            if !have(program) {
                tools::packages(&[package], "modules of guests' kernels")?;
            }
            let unpacked = Command::new(program).arg("-dc").arg(&path).stdout(File::create(&to)?).status();
            ensure!(
                unpacked.with_context(|| program.to_owned())?.success(),
                "{program} cannot unpack {name}"
            );
        }
    }
    Ok(())
}

fn find(dir: &Path, prefix: &str) -> Option<PathBuf> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(dir).ok()?.flatten().map(|e| e.path()).collect();
    entries.sort();
    let named =
        |p: &PathBuf| p.is_file() && p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(prefix));
    let here = entries.iter().find(|p| named(p)).cloned();
    here.or_else(|| entries.iter().filter(|p| p.is_dir() && !p.is_symlink()).find_map(|d| find(d, prefix)))
}

#[cfg(test)]
mod tests {
    use super::{Arch, Series};

    #[test]
    fn a_series_takes_its_own_kernels_only() {
        let takes = |series: &str, package: &str| {
            Series::parse(series).is_ok_and(|s| s.matches(&format!("linux-image-{package}"), Arch::X86))
        };
        assert!(takes("5.10", "5.10.0-46-cloud-amd64"));
        assert!(takes("6.1", "6.1.0-56-cloud-amd64"));
        assert!(takes("6.12-rt", "6.12.117+deb13-rt-amd64"));
        assert!(takes("7.x", "7.3.4+deb13-cloud-amd64"));
        assert!(takes("6.1-generic", "6.1.0-56-amd64"));
        assert!(!takes("6.1", "6.12.117+deb13-cloud-amd64"));
        assert!(!takes("6.12", "6.12-cloud-amd64"));
        assert!(!takes("6.12", "6.12.117+deb13-rt-amd64"));
        assert!(!takes("6.1-generic", "6.1.0-56-cloud-amd64"));
        assert!(!takes("7.x", "7.3.4+deb13-cloud-arm64"));
    }

    #[test]
    fn other_words_are_refused() {
        assert!(Series::parse("6").is_err());
        assert!(Series::parse("six.one").is_err());
        assert!(Series::parse("6.1-tiny").is_err());
    }
}

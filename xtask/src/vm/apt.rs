//! Debian packages of other suites and architectures, without touching the host's: an apt root of our own in the cache,
//! which asks the host's own sources for the other suites.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};

use crate::run::quiet;

/// Where kernels are looked for, with the kind of archive.
const SUITES: [(&str, Archive); 9] = [
    ("bullseye", Archive::Main),
    ("bullseye-security", Archive::Security),
    ("bookworm", Archive::Main),
    ("bookworm-backports", Archive::Main),
    ("bookworm-security", Archive::Security),
    ("trixie", Archive::Main),
    ("trixie-backports", Archive::Main),
    ("forky", Archive::Main),
    ("sid", Archive::Main),
];
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Lists older than this are fetched anew.
const STALE: Duration = Duration::from_secs(3 * 24 * 3600);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Archive {
    Main,
    Security,
}

/// A private apt root.
#[derive(Debug)]
pub struct Apt {
    dir: PathBuf,
}

/// A package that can be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// The version that apt would take.
    pub version: String,
}

impl Apt {
    /// The root for a Debian architecture in `dir`, with lists that are not too old. Without a network old ones do.
    pub fn open(dir: &Path, architecture: &str) -> Result<Apt> {
        ensure!(
            crate::run::have("apt-get"),
            "kernels come from Debian's archive by way of apt-get, which is missing"
        );
        let apt = Apt { dir: dir.to_owned() };
        let made = dir.join("updated");
        let age = std::fs::metadata(&made).and_then(|m| m.modified()).ok();
        let age = age.and_then(|t| SystemTime::now().duration_since(t).ok());
        if age.is_some_and(|age| age < STALE) {
            return Ok(apt);
        }
        apt.lay_out(architecture)?;
        match quiet(apt.command("apt-get").args(["-q", "update"])) {
            Ok(_) => std::fs::write(&made, "").context("lists of packages")?,
            Err(_) if age.is_some() => println!("vm: no fresh lists of packages; those of before are used"),
            Err(error) => return Err(error.context("lists of packages for kernels of other suites")),
        }
        Ok(apt)
    }

    fn lay_out(&self, architecture: &str) -> Result<()> {
        for part in ["lists/partial", "cache/archives/partial", "preferences.d", "sources.list.d"] {
            std::fs::create_dir_all(self.dir.join(part)).with_context(|| self.dir.display().to_string())?;
        }
        std::fs::write(self.dir.join("status"), "")?;
        let (main, security) = archives()?;
        let mut sources = String::new();
        for (suite, archive) in SUITES {
            let place = if archive == Archive::Main { Some(&main) } else { security.as_ref() };
            let Some(place) = place else { continue };
            sources += &format!("deb [signed-by={KEYRING}] {place} {suite} main\n");
        }
        std::fs::write(self.dir.join("sources.list"), sources)?;
        let dir = self.dir.display();
        // Read after the host's own files, so that these win over an image's docker-clean.
        let conf = format!(
            "Dir::Etc::sourcelist \"{dir}/sources.list\";\nDir::Etc::sourceparts \"{dir}/sources.list.d\";\n\
             Dir::Etc::preferences \"{dir}/preferences\";\nDir::Etc::preferencesparts \"{dir}/preferences.d\";\n\
             Dir::State \"{dir}\";\nDir::State::lists \"{dir}/lists\";\nDir::State::status \"{dir}/status\";\n\
             Dir::Cache \"{dir}/cache\";\nDir::Cache::archives \"{dir}/cache/archives\";\n\
             Dir::Cache::pkgcache \"{dir}/cache/pkgcache.bin\";\nDir::Cache::srcpkgcache \"{dir}/cache/srcpkgcache.bin\";\n\
             Acquire::Languages \"none\";\nAcquire::IndexTargets::deb::Contents-deb::DefaultEnabled \"false\";\n\
             Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\nAPT::Sandbox::User \"root\";\n\
             APT::Architecture \"{architecture}\";\nAPT::Architectures {{ \"{architecture}\"; }};\n"
        );
        std::fs::write(self.dir.join("apt.conf"), conf)?;
        Ok(())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("-c").arg(self.dir.join("apt.conf"));
        command
    }

    /// Packages whose name begins like this and for which `wanted` holds, newest version first.
    pub fn find(&self, prefix: &str, wanted: impl Fn(&str) -> bool) -> Result<Vec<Package>> {
        let names = quiet(self.command("apt-cache").args(["pkgnames", prefix]))?;
        let names: Vec<&str> = names.lines().filter(|n| wanted(n)).collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let policy = quiet(self.command("apt-cache").arg("policy").args(names))?;
        let mut found: Vec<Package> = Vec::new();
        let mut name = "";
        for line in policy.lines() {
            if let Some(package) = line.strip_suffix(':').filter(|l| !l.starts_with(' ')) {
                name = package;
            } else if let Some(version) = line.trim().strip_prefix("Candidate: ").filter(|v| *v != "(none)") {
                let package = Package { name: name.into(), version: version.into() };
                let at =
                    found.iter().position(|f| newer(&package.version, &f.version)).unwrap_or(found.len());
                found.insert(at, package);
            }
        }
        Ok(found)
    }

    /// What apt says of it.
    pub fn show(&self, package: &Package) -> Result<String> {
        quiet(self.command("apt-cache").args(["show", &format!("{}={}", package.name, package.version)]))
    }

    /// Fetches packages of one version into `to` and gives back the files.
    pub fn download(&self, names: &[String], version: &str, to: &Path) -> Result<Vec<PathBuf>> {
        let wanted =
            names.iter().map(|n| if version.is_empty() { n.clone() } else { format!("{n}={version}") });
        let mut command = self.command("apt-get");
        quiet(command.args(["-q", "-o", "Acquire::Retries=2", "download"]).args(wanted).current_dir(to))?;
        let mut files: Vec<PathBuf> = std::fs::read_dir(to)?.flatten().map(|e| e.path()).collect();
        files.sort();
        Ok(files)
    }
}

impl Apt {
    /// Packages of a suite with all that they depend on, as for an empty machine: a name and a version on each line.
    pub fn versions(&self, suite: &str, names: &[&str]) -> Result<String> {
        let mut command = self.command("apt-get");
        command.args(["-q", "-t", suite, "--no-install-recommends", "--simulate", "install"]);
        let said = quiet(command.args(names))?;
        let mut lines: Vec<&str> = said.lines().filter_map(|l| l.strip_prefix("Inst ")).collect();
        lines.sort_unstable();
        Ok(lines.join("\n"))
    }

    /// Fetches packages of a suite with all that they depend on, as for an empty machine, and gives back the files.
    pub fn closure(&self, suite: &str, names: &[&str]) -> Result<Vec<PathBuf>> {
        let archives = self.dir.join("cache/archives");
        for old in std::fs::read_dir(&archives).into_iter().flatten().flatten() {
            if old.path().extension().is_some_and(|e| e == "deb") {
                std::fs::remove_file(old.path())?;
            }
        }
        let mut command = self.command("apt-get");
        command.args(["-q", "-y", "-t", suite, "--no-install-recommends", "--download-only", "install"]);
        quiet(command.args(names))?;
        let files = std::fs::read_dir(&archives)?.flatten().map(|e| e.path());
        Ok(files.filter(|p| p.extension().is_some_and(|e| e == "deb")).collect())
    }
}

/// Is the first version higher, by Debian's rules?
pub fn newer(a: &str, b: &str) -> bool {
    Command::new("dpkg").args(["--compare-versions", a, "gt", b]).status().is_ok_and(|s| s.success())
}

/// The host's archive and its security archive.
fn archives() -> Result<(String, Option<String>)> {
    let format = "$(REPO_URI)";
    let text =
        quiet(Command::new("apt-get").args(["indextargets", "--format", format, "Created-By: Packages"]))?;
    let mut all: Vec<&str> = text.lines().map(|l| l.trim_end_matches('/')).collect();
    all.sort_unstable();
    all.dedup();
    let main = all.iter().find(|u| u.contains("debian") && !u.contains("security"));
    let security = all.iter().find(|u| u.contains("debian-security"));
    match main {
        Some(main) => Ok(((*main).to_owned(), security.map(|s| (*s).to_owned()))),
        None => bail!("no Debian archive among this host's apt sources, and kernels come from there"),
    }
}

/// Unpacks the members of a package that `wanted` names (as in `./boot/*`) into `to`.
pub fn unpack(package: &Path, wanted: &[&str], to: &Path) -> Result<()> {
    let tar = std::process::Stdio::piped();
    let mut from = Command::new("dpkg-deb").arg("--fsys-tarfile").arg(package).stdout(tar).spawn()?;
    let pipe = from.stdout.take().context("pipe")?;
    let mut tar = Command::new("tar");
    tar.args(["-x", "--keep-directory-symlink", "--wildcards", "-C"]).arg(to).args(wanted).stdin(pipe);
    let out = tar.stderr(std::process::Stdio::null()).status();
    let _ = from.wait();
    // A pattern without a match is an error to tar: what has to be there is looked for by the caller.
    out.context("tar").map(drop)
}

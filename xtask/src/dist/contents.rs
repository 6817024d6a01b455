//! What is in a package, file by file with permissions and owners, held against the lists in `packaging/check/contents/`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{Dist, Machine, NAME, VERSION};
use crate::run::{have, quiet};

/// All that is made for a machine, and the recipes.
pub fn all(dist: &Dist, machine: &Machine) -> Result<()> {
    let file = |name: String| dist.dir.join(name).display().to_string();
    let deb = quiet(Command::new("dpkg-deb").arg("--contents").arg(file(machine.deb_file())))?;
    same(dist, "deb", &of_tar(&deb))?;
    let tar =
        |name| quiet(Command::new("tar").args(["--list", "--verbose", "--gzip", "--file"]).arg(file(name)));
    same(dist, "tarball", &of_tar(&tar(machine.tar_file())?))?;
    same(dist, "recipes", &of_tar(&tar(format!("{NAME}-{VERSION}-recipes.tar.gz"))?))?;
    if !have("rpm") {
        println!("SKIP the contents of the .rpm: rpm is not installed (Debian: apt-get install rpm)");
        return Ok(());
    }
    let format = "[%{FILEMODES:perms} %{FILEUSERNAME}/%{FILEGROUPNAME} %{FILENAMES}\n]";
    let mut ask = Command::new("rpm");
    ask.args(["--query", "--nosignature", "--queryformat", format, "--package"])
        .arg(file(machine.rpm_file()));
    let mut lines: Vec<String> = quiet(&mut ask)?.lines().map(general).collect();
    lines.sort();
    same(dist, "rpm", &lines)
}

/// `-rwxr-xr-x root/root ./usr/bin/killer` of each line of a listing of tar's, sorted.
fn of_tar(listing: &str) -> Vec<String> {
    let line = |l: &str| {
        let words: Vec<&str> = l.split_whitespace().collect();
        general(&format!("{} {} {}", words[0], words[1], words[5..].join(" ")))
    };
    let mut lines: Vec<String> = listing.lines().filter(|l| !l.trim().is_empty()).map(line).collect();
    lines.sort();
    lines
}

/// Without the version, and with a name for the owner.
fn general(line: &str) -> String {
    line.replace(VERSION, "VERSION").replace(" 0/0 ", " root/root ")
}

/// Is it what the list says? `SNAPSHOTS=overwrite` writes the list.
fn same(dist: &Dist, kind: &str, found: &[String]) -> Result<()> {
    let path = dist.root.join("packaging/check/contents").join(kind);
    if std::env::var_os("SNAPSHOTS").is_some_and(|v| v == "overwrite") {
        return write(&path, found);
    }
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let wanted: Vec<&str> = text.lines().collect();
    let missing = wanted.iter().filter(|w| !found.iter().any(|f| f == *w)).map(|w| format!("- {w}"));
    let new = found.iter().filter(|f| !wanted.contains(&f.as_str())).map(|f| format!("+ {f}"));
    let other: Vec<String> = missing.chain(new).collect();
    if !other.is_empty() {
        bail!(
            "the {kind} is not as {} lists it (SNAPSHOTS=overwrite writes it anew):\n{}",
            path.display(),
            other.join("\n")
        );
    }
    println!("ok the {kind} holds {} files and directories, as listed", found.len());
    Ok(())
}

fn write(path: &Path, lines: &[String]) -> Result<()> {
    std::fs::write(path, lines.join("\n") + "\n").with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::of_tar;

    #[test]
    fn a_listing_is_read_whoever_made_it() {
        let tar = "-rwxr-xr-x 0/0  8643616 2026-11-29 20:10 ebpf-killer-0.1.0/bin/killer\ndrwxr-xr-x root/root 0 2026-11-29 20:10 ./\n";
        let wanted = ["-rwxr-xr-x root/root ebpf-killer-VERSION/bin/killer", "drwxr-xr-x root/root ./"];
        assert_eq!(of_tar(tar), wanted);
    }
}

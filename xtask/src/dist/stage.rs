//! What all packages have in common: man page, completions, documents, and the recipes for those who make packages themselves.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Dist, NAME, VERSION};
use crate::run::quiet;

/// Where completions go, by shell.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "bash-completion/completions/killer"),
    ("zsh", "zsh/site-functions/_killer"),
    ("fish", "fish/vendor_completions.d/killer.fish"),
];

/// Makes `stage/`; `killer` is the program for this machine, which says for all of them what its options are.
pub fn make(dist: &Dist, killer: &Path) -> Result<()> {
    let share = dist.dir.join("stage/share");
    let say = |words: &[&str]| quiet(Command::new(killer).arg("generate").args(words));
    write(&share.join("man/man8/killer.8"), &say(&["man"])?)?;
    for (shell, at) in COMPLETIONS {
        write(&share.join(at), &say(&["completions", shell])?)?;
    }
    let mut gzip = Command::new("gzip");
    gzip.args(["-9", "-n", "-k"]).arg(share.join("man/man8/killer.8"));
    quiet(&mut gzip)?;
    let doc = share.join("doc").join(NAME);
    for (file, at) in [
        ("README.md", doc.join("README.md")),
        ("LICENSE-MIT", share.join("licenses").join(NAME).join("LICENSE-MIT")),
        ("LICENSE-APACHE", share.join("licenses").join(NAME).join("LICENSE-APACHE")),
        ("packaging/rules.d-README", dist.dir.join("stage/rules.d-README")),
    ] {
        copy(&dist.root.join(file), &at)?;
    }
    copy(&dist.root.join("CHANGELOG.md"), &doc.join("docs/CHANGELOG.md"))?;
    for entry in std::fs::read_dir(dist.root.join("docs"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "md") {
            copy(&path, &doc.join("docs").join(path.file_name().unwrap_or_default()))?;
        }
    }
    write(&dist.dir.join("stage/debian-changelog"), &changelog(dist)?)
}

/// Debian wants one of its own form; what is new stands in ours.
fn changelog(dist: &Dist) -> Result<String> {
    let mut date = Command::new("date");
    let date = quiet(date.args(["-u", "-R", "-d", &format!("@{}", dist.epoch)]).env("LC_ALL", "C"))?;
    Ok(format!(
        "{NAME} ({VERSION}-1) unstable; urgency=medium\n\n  * /usr/share/doc/{NAME}/docs/CHANGELOG.md says what is new.\n\n \
         -- The maintainers of killer <maintainers@killer.invalid>  {}\n",
        date.trim()
    ))
}

/// Makes `ebpf-killer-VERSION-recipes.tar.gz`.
pub fn recipes(dist: &Dist) -> Result<()> {
    let top = format!("{NAME}-{VERSION}-recipes");
    let to = dist.dir.join("stage").join(&top);
    let from = dist.root.join("packaging");
    for (file, at) in [
        ("alpine/APKBUILD", "alpine/APKBUILD"),
        ("alpine/ebpf-killer.post-install", "alpine/ebpf-killer.post-install"),
        ("alpine/ebpf-killer.pre-deinstall", "alpine/ebpf-killer.pre-deinstall"),
        ("gentoo/ebpf-killer.ebuild", &format!("gentoo/sys-process/{NAME}/{NAME}-{VERSION}.ebuild")),
        ("buildroot/Config.in", "buildroot/ebpf-killer/Config.in"),
        ("buildroot/ebpf-killer.mk", "buildroot/ebpf-killer/ebpf-killer.mk"),
        ("buildroot/S00killer", "buildroot/ebpf-killer/S00killer"),
    ] {
        let text = std::fs::read_to_string(from.join(file)).with_context(|| file.to_owned())?;
        write(&to.join(at), &text.replace("@VERSION@", VERSION))?;
    }
    archive(dist, &top)
}

/// Packs `stage/TOP` as `TOP.tar.gz`: sorted, of one time, of nobody, with permissions that no umask has a say in.
pub fn archive(dist: &Dist, top: &str) -> Result<()> {
    let tar = dist.dir.join(format!("{top}.tar"));
    let mut pack = Command::new("tar");
    pack.args(["--create", "--format=gnu", "--sort=name", "--owner=0", "--group=0", "--numeric-owner"]);
    pack.arg(format!("--mtime=@{}", dist.epoch)).arg("--mode=u=rwX,go=rX").arg("--file").arg(&tar);
    quiet(pack.arg("-C").arg(dist.dir.join("stage")).arg(top).env("LC_ALL", "C"))?;
    quiet(Command::new("gzip").args(["-9", "-n", "-f"]).arg(&tar)).map(drop)
}

/// Gives everything in the stage the one time: a package may have the time of a file, when it is older.
pub fn of_one_time(dist: &Dist) -> Result<()> {
    let mut touch = Command::new("find");
    touch.arg(dist.dir.join("stage")).args([
        "-exec",
        "touch",
        "-h",
        "-d",
        &format!("@{}", dist.epoch),
        "{}",
        "+",
    ]);
    quiet(&mut touch).map(drop)
}

/// Writes a file with the directories above it.
pub fn write(path: &Path, text: &str) -> Result<()> {
    let shown = || path.display().to_string();
    std::fs::create_dir_all(path.parent().unwrap_or(path)).with_context(shown)?;
    std::fs::write(path, text).with_context(shown)
}

/// Copies a file, with its permissions, and makes the directories above it.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to.parent().unwrap_or(to)).with_context(|| to.display().to_string())?;
    std::fs::copy(from, to).with_context(|| format!("{} to {}", from.display(), to.display())).map(drop)
}

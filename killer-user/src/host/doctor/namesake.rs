//! Another program that is called `killer`: Debian has a package of this name, whose /usr/sbin/killer ends background jobs, once an
//! hour. Which of two a command line runs is decided by PATH.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::checks::check;
use crate::report::model::Check;

/// Where it lies.
const OTHER: &str = "/usr/sbin/killer";

/// What to know of it; nothing where there is none.
pub fn namesake() -> Option<Check> {
    of(Path::new("/proc/self/exe"), Path::new(OTHER))
}

fn of(own: &Path, other: &Path) -> Option<Check> {
    let key = |p: &Path| std::fs::metadata(p).map(|m| (m.dev(), m.ino())).ok();
    key(other).filter(|k| Some(*k) != key(own))?;
    let mut begin = [0; 2];
    let script = File::open(other).and_then(|mut f| f.read_exact(&mut begin)).is_ok() && begin == *b"#!";
    let shown = other.display();
    Some(match script {
        true => check(
            "other killer",
            "warn",
            format!(
                "{shown} is another program: that of Debian's package 'killer', which ends users' background jobs every hour"
            ),
            Some("'dpkg --remove killer' takes it away; until then the full path says which one is meant"),
        ),
        false => check(
            "other killer",
            "warn",
            format!("{shown} is another file than this program, perhaps another version of it"),
            Some("PATH decides which one runs; remove the one that is not meant"),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_one_is_told_from_ourselves() {
        let dir = std::env::temp_dir().join(format!("killer-namesake-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let [own, script, elf, link] = ["own", "script", "elf", "link"].map(|n| dir.join(n));
        std::fs::write(&own, b"\x7fELF").unwrap();
        std::fs::write(&script, b"#!/usr/bin/perl\n").unwrap();
        std::fs::write(&elf, b"\x7fELF").unwrap();
        std::os::unix::fs::symlink(&own, &link).unwrap();
        let text = |other: &Path| of(&own, other).map(|c| c.text);
        assert!(text(&script).unwrap().contains("Debian's package"));
        assert!(text(&elf).unwrap().contains("another version"));
        assert_eq!((text(&link), text(&own), text(&dir.join("none"))), (None, None, None));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}

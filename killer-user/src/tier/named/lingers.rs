//! What keeps a hierarchy in the kernel that was unmounted: dead processes that are not reaped, and other mount
//! namespaces.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::keep::KeepError;
use crate::sys::entry::{self, Entry};
use crate::sys::proc_text;

/// How many are named.
const MOST: usize = 3;

fn named(pid: u32) -> String {
    format!("{pid} ({})", proc_text::shown(&proc_text::name(pid)))
}

/// Words for some, with the number of the others.
fn some(of: &[u32]) -> String {
    let mut words: Vec<String> = of.iter().take(MOST).map(|&p| named(p)).collect();
    if of.len() > MOST {
        words.push(format!("and {} more", of.len() - MOST));
    }
    words.join(", ")
}

/// The error for a hierarchy of this name that the kernel has kept for so long.
pub fn kept(tag: &str, time: Duration) -> KeepError {
    let (dead, mounts) = holders(tag);
    let what = format!("the cgroup hierarchy name={tag}");
    // Of a dead one the kernel does not say where it was (`kernel/cgroup/cgroup.c:proc_cgroup_show`), so each of the
    // host may be it.
    for (parent, children) in &dead {
        let children: Vec<String> = children.iter().map(|&p| named(p)).collect();
        log::info!("not waited for by {}: {}", named(*parent), children.join(", "));
    }
    let zombies: Vec<String> = dead
        .iter()
        .take(MOST)
        .map(|(parent, children)| format!("{} of {}", some(children), named(*parent)))
        .collect();
    let parents: Vec<u32> = dead.keys().copied().collect();
    let (why, next) = match (mounts.is_empty(), zombies.is_empty()) {
        (false, _) => (
            format!("it is mounted in another mount namespace: that of {}", some(&mounts)),
            "unmount it there ('nsenter -t PID -m umount'), or end those, then give 'killer down' again"
                .to_owned(),
        ),
        (true, false) => (
            format!(
                "it stays until the parents of the dead processes in it have waited for them; not waited for yet: {}",
                zombies.join("; ")
            ),
            format!(
                "give 'killer down' again when {} has waited for them, or has ended ('-vv' names all); until then every process has a line for \
                 it in /proc/PID/cgroup, and nothing else comes of it",
                some(&parents)
            ),
        ),
        (true, true) => (
            format!("it was not let go within {} s, and no process is seen that holds it", time.as_secs()),
            "give 'killer down' again; processes of another PID namespace cannot be seen from here"
                .to_owned(),
        ),
    };
    KeepError::Kept { what, why, next }
}

/// The error for one that cannot be unmounted: the processes that have a directory of it as working directory, or a
/// file open.
pub fn open(tag: &str, mount: &Path) -> KeepError {
    let here = |path: std::io::Result<PathBuf>| path.is_ok_and(|p| p.starts_with(mount));
    let holds = |pid: &u32| {
        let files = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let Ok(e) = Entry::open(*pid) else { return false };
        here(e.link("cwd")) || here(e.link("root")) || files.map(|f| std::fs::read_link(f.path())).any(here)
    };
    let who: Vec<u32> = entry::everybody().unwrap_or_default().into_iter().filter(holds).collect();
    KeepError::Kept {
        what: format!("the cgroup hierarchy name={tag}"),
        why: match who.is_empty() {
            true => format!("{} is in use, and no process is seen that uses it", mount.display()),
            false => format!("{} is in use by {}", mount.display(), some(&who)),
        },
        next: "give 'killer down' again when no process has a file or a directory of it open".into(),
    }
}

/// Dead processes by their parents, and processes of other mount namespaces that have a mount of it, one for each.
fn holders(tag: &str) -> (BTreeMap<u32, Vec<u32>>, Vec<u32>) {
    let (mut dead, mut mounts) = (BTreeMap::<u32, Vec<u32>>::new(), BTreeMap::new());
    let ours = std::fs::read_link("/proc/self/ns/mnt").ok();
    for pid in entry::everybody().unwrap_or_default() {
        let Ok(e) = Entry::open(pid) else { continue };
        match e.stat() {
            Ok(s) if matches!(s.state, 'Z' | 'X') && s.num_threads <= 1 => {
                dead.entry(s.ppid as u32).or_default().push(pid);
            }
            _ => {
                let Ok(namespace) = e.link("ns/mnt") else { continue };
                if Some(&namespace) != ours.as_ref()
                    && !mounts.contains_key(&namespace)
                    && e.text("mountinfo").is_ok_and(|t| t.lines().any(|l| is_of(l, tag)))
                {
                    mounts.insert(namespace, pid);
                }
            }
        }
    }
    (dead, mounts.into_values().collect())
}

/// True for a line of `mountinfo` that is a mount of the hierarchy.
fn is_of(line: &str, tag: &str) -> bool {
    let Some((_, end)) = line.split_once(" - cgroup ") else { return false };
    let options = end.rsplit(' ').next().unwrap_or_default();
    options.split(',').any(|o| o.strip_prefix("name=") == Some(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_of_it() {
        let line = "51 40 0:44 / /run/killer/named/mnt rw,nosuid - cgroup killer rw,name=killer-12";
        assert!(is_of(line, "killer-12"));
        assert!(!is_of(line, "killer"));
        assert!(!is_of("51 40 0:44 / /x rw - tmpfs none rw,name=killer", "killer"));
    }
}

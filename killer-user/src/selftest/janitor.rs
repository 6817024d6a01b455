//! Cleaning up, by a process of its own: whatever becomes of the tester, victims, pins and programs go.
//!
//! A self-test has a place of its own beside the caller's (`…-selftest-PID`). The tester enters it by executing itself
//! again with another environment, so that nothing here can reach the caller's services by mistake.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ctx::{PREFIX, hung_up};
use crate::sys::launch::{self, Launch};
use crate::sys::{child, offspring, proc, start};
use crate::tier::Paths;

/// The janitor's name in the place of a victim's.
pub const NAME: &str = "janitor";

const INFIX: &str = "-selftest-";
/// Variables that say where a tracker is. The second one matters only when it is set.
const PLACES: [&str; 2] = ["KILLER_PIN_ROOT", "KILLER_RUN_ROOT"];

/// The pid in the name of a self-test's place.
fn owner(root: &Path) -> Option<u32> {
    root.file_name()?.to_str()?.rsplit_once(INFIX)?.1.parse().ok()
}

fn beside(root: &OsStr, pid: u32) -> OsString {
    let mut root = root.to_owned();
    root.push(format!("{INFIX}{pid}"));
    root
}

fn words(words: impl IntoIterator<Item = OsString>) -> Vec<CString> {
    words.into_iter().filter_map(|w| CString::new(w.into_vec()).ok()).collect()
}

/// The environment with these variables.
fn environment(with: &[(&str, OsString)]) -> Vec<CString> {
    let kept = std::env::vars_os().filter(|(k, _)| !with.iter().any(|(w, _)| k == w));
    let new = with.iter().map(|(k, v)| (OsString::from(k), v.clone()));
    words(kept.chain(new).map(|(mut k, v)| {
        k.push("=");
        k.push(v);
        k
    }))
}

/// Makes sure that this process is at a place of its own: executes itself again unless it is.
pub fn apart() -> io::Result<()> {
    let here = Paths::default();
    let pid = std::process::id();
    if owner(&here.root) == Some(pid) {
        return Ok(());
    }
    sweep(&here);
    let mut with = vec![(PLACES[0], beside(here.root.as_os_str(), pid))];
    if let Some(run) = std::env::var_os(PLACES[1]).filter(|r| !r.is_empty()) {
        with.push((PLACES[1], beside(&run, pid)));
    }
    if !here.chosen {
        with.push((MAY_FALL, "1".into()));
    }
    again(&with)
}

/// Set when the caller has chosen no place, so that a tier which needs no bpffs will do.
const MAY_FALL: &str = "KILLER_SELFTEST_FALLS";

/// Goes on with the next tier that needs no bpffs, where that is allowed.
pub fn fall() -> io::Result<()> {
    let next = match std::env::var("KILLER_TIER").ok().as_deref() {
        None | Some("") => "named",
        Some("named") => "scan",
        Some(_) => return Ok(()),
    };
    match std::env::var_os(MAY_FALL) {
        Some(_) => again(&[("KILLER_TIER", next.into())]),
        None => Ok(()),
    }
}

fn again(with: &[(&str, OsString)]) -> io::Result<()> {
    let argv = words(start::args());
    Err(nix::unistd::execve(c"/proc/self/exe", &argv, &environment(with))
        .map_or_else(io::Error::from, |e| match e {}))
}

/// Starts the janitor of this process's place; its number.
pub fn start(leash: i32) -> io::Result<i32> {
    let argv = words(["/proc/self/exe".into(), format!("{PREFIX}{NAME}").into(), leash.to_string().into()]);
    let launch = Launch { argv, env: environment(&[]), ..Launch::default() };
    launch::spawn(&launch, || Ok(()), |_| Ok(()))?.map_err(|(_, e)| e)
}

/// The process: waits until the leash hangs up, then cleans. Exit code 0 when all is clean.
pub fn main(args: &[OsString]) -> i32 {
    let leash = args.first().and_then(|a| a.to_str()?.parse().ok()).and_then(offspring::inherited);
    let root = Paths::default().root;
    let (Some(leash), Some(_)) = (leash, owner(&root)) else { return 2 };
    // What ends the tester (a terminal, a supervisor, a timeout) is not for us.
    let _ = nix::unistd::setsid();
    offspring::ignore([libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGPIPE]);
    while !hung_up(leash, Duration::from_secs(3600)) {}
    i32::from(!clean(&root))
}

/// Ends whatever the tracker at a self-test's place has, and the tracker. False: something is left.
fn clean(root: &Path) -> bool {
    if owner(root).is_none() {
        return false;
    }
    let verb = |args: &[&str]| -> Option<i32> {
        let argv = words(std::iter::once("/proc/self/exe".into()).chain(args.iter().map(OsString::from)));
        let env = environment(&[(PLACES[0], root.into())]);
        let pid =
            launch::spawn(&Launch { argv, env, ..Launch::default() }, || Ok(()), |_| Ok(())).ok()?.ok()?;
        let status = child::wait(pid).ok()?;
        libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status))
    };
    // 4: nobody is there.
    if !matches!(verb(&["-q", "-s", "KILL", "*"]), Some(0 | 4)) {
        // Somebody is: the pins stay, so that he can be ended by name.
        return false;
    }
    let down = verb(&["-q", "down", "--force"]) == Some(0);
    // Of a loader that was killed, and the directory itself.
    let _ = std::fs::remove_dir_all(root);
    if let Some(run) = std::env::var_os(PLACES[1]).map(PathBuf::from).filter(|r| owner(r).is_some()) {
        let _ = std::fs::remove_dir(run);
    }
    down && !root.exists()
}

/// Cleans after self-tests that were killed together with their janitors.
fn sweep(here: &Paths) {
    let (Some(dir), Some(name)) = (here.root.parent(), here.root.file_name().map(OsStr::as_bytes)) else {
        return;
    };
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let ours =
            entry.file_name().as_bytes().strip_prefix(name).is_some_and(|r| r.starts_with(INFIX.as_bytes()));
        if ours && owner(&path).is_some_and(|p| !proc::exists(p)) {
            clean(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_beside_the_callers() {
        let ours = beside(OsStr::new("/sys/fs/bpf/killer"), 77);
        assert_eq!(ours, "/sys/fs/bpf/killer-selftest-77");
        assert_eq!(owner(Path::new(&ours)), Some(77));
    }

    #[test]
    fn nothing_else_is_cleaned() {
        for root in
            ["/sys/fs/bpf/killer", "/sys/fs/bpf/killer-selftest-", "/sys/fs/bpf/killer-selftest-x", "/"]
        {
            assert_eq!(owner(Path::new(root)), None, "{root}");
            assert!(!clean(Path::new(root)));
        }
        assert_eq!(main(&["0".into()]), 2, "a janitor at the caller's place does nothing");
    }
}

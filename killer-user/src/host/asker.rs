//! Who asked, and what did it: only what the kernel says, and what it does not say is named.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use crate::report::model::{AskedBy, AskingProcess, Program};
use crate::sys::clock::TICK;
use crate::sys::entry::{self, Entry};
use crate::sys::{clock, pidfd_info, proc_text};

/// No line of ancestors is followed further.
const MOST: usize = 64;
/// How the kernel says that nobody has logged in (`AUDIT_UID_UNSET`, `AUDIT_SID_UNSET`: `include/linux/audit.h`).
const UNSET: u32 = u32::MAX;

/// The caller. `before`: its line of ancestors as the guard saw it before the first signal.
pub fn asked_by(before: &[u32]) -> AskedBy {
    let mut unread = Vec::new();
    let mut number = |file: &str| match entry::record(&format!("self/{file}")) {
        Ok(text) => {
            let n = String::from_utf8_lossy(&text).trim().parse::<u32>();
            n.inspect_err(|_| unread.push(format!("{file}: no number"))).ok().filter(|n| *n != UNSET)
        }
        Err(e) => {
            unread.push(format!("{file}: {e}"));
            None
        }
    };
    let (login_uid, session_id) = (number("loginuid"), number("sessionid"));
    let mut processes = line();
    for pid in before {
        if !processes.iter().any(|p| p.pid == *pid) {
            let why = "it was above this killer before the first signal, and is so no more";
            processes.push(AskingProcess { pid: *pid, unread: Some(why.into()), ..AskingProcess::default() });
        }
    }
    AskedBy {
        uid: rustix::process::getuid().as_raw(),
        euid: rustix::process::geteuid().as_raw(),
        login_uid,
        session_id,
        processes,
        unread,
    }
}

/// This process and those above it, now.
fn line() -> Vec<AskingProcess> {
    let mut all: Vec<AskingProcess> = Vec::new();
    let mut pid = std::process::id();
    while pid != 0 && all.len() < MOST && !all.iter().any(|p| p.pid == pid) {
        let (seen, above) = one(pid);
        // A parent is older than its child: a younger one has got the number meanwhile.
        let child = all.last().and_then(|p| p.start);
        if seen.start.zip(child).is_some_and(|(own, child)| own > child) {
            let why = "its number was given to another process meanwhile";
            all.push(AskingProcess { pid, unread: Some(why.into()), ..AskingProcess::default() });
            break;
        }
        all.push(seen);
        pid = above;
    }
    all
}

/// A process, and the one above it; 0: nobody, or not known.
fn one(pid: u32) -> (AskingProcess, u32) {
    let mut seen = AskingProcess { pid, ..AskingProcess::default() };
    let entry = match Entry::open(pid) {
        Ok(e) => e,
        Err(e) => {
            seen.unread = Some(format!("/proc does not show it: {e}"));
            return (seen, pidfd_info::parent(pid).unwrap_or(0));
        }
    };
    let mut why = Vec::new();
    let mut above = 0;
    match entry.stat_as_it_is() {
        Ok((s, bytes)) => {
            seen.start = Some(clock::host_ticks(s.starttime) * TICK);
            seen.comm = Some(proc_text::shown(proc_text::name_in(&bytes)));
            above = s.ppid as u32;
        }
        Err(e) => why.push(format!("stat: {e}")),
    }
    match entry.link("exe") {
        Ok(path) => seen.exe = Some(proc_text::shown(path.as_os_str().as_bytes())),
        Err(e) => why.push(format!("exe: {e}")),
    }
    seen.unread = (!why.is_empty()).then(|| why.join("; "));
    (seen, above)
}

/// This program.
pub fn program() -> Program {
    let exe = entry::link("self/exe").ok();
    // By the link itself, which leads to the file that runs, whatever has its name now.
    let file = std::fs::metadata("/proc/self/exe").ok();
    Program {
        version: env!("CARGO_PKG_VERSION").into(),
        objects: env!("KILLER_OBJECTS_SHA256").into(),
        exe: exe.map(|p| proc_text::shown(p.as_os_str().as_bytes())),
        size: file.as_ref().map(MetadataExt::size),
        modified: file.as_ref().map(MetadataExt::mtime),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_this_process() {
        let a = asked_by(&[std::process::id(), 1 << 30]);
        assert_eq!(a.processes[0].pid, std::process::id());
        assert!(a.processes[0].exe.is_some() && a.processes[0].start.is_some(), "{a:?}");
        let lost = a.processes.last().expect("the one that is not there");
        assert!(lost.pid == 1 << 30 && lost.unread.is_some(), "{a:?}");
        assert_eq!(program().objects.len(), 64);
    }
}

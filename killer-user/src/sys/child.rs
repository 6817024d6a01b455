//! Waiting for a child.

use std::io;

use rustix::process::{Pid, Signal, kill_process};

/// Waits for a child, which is reaped: its raw status, as waitpid(2) has it.
pub fn wait(pid: i32) -> io::Result<i32> {
    let mut st = 0;
    loop {
        // SAFETY: st is a live int.
        let r = unsafe { libc::waitpid(pid, &mut st, 0) };
        if r == pid {
            return Ok(st);
        }
        let e = io::Error::last_os_error();
        if e.kind() != io::ErrorKind::Interrupted {
            return Err(e);
        }
    }
}

/// Ends a child by SIGKILL and waits for it; it is not waited for where the signal is refused (by a security module), or it would be
/// for ever. The child must not have been waited for before: then nobody else can have its number.
pub fn end(pid: i32) {
    if Pid::from_raw(pid).is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok()) {
        let _ = wait(pid);
    }
}

/// The raw status of a child that has ended, which is reaped; `None` while it goes on.
pub fn ended(pid: i32) -> io::Result<Option<i32>> {
    let mut st = 0;
    // SAFETY: st is a live int.
    match unsafe { libc::waitpid(pid, &mut st, libc::WNOHANG) } {
        0 => Ok(None),
        r if r == pid => Ok(Some(st)),
        _ => match io::Error::last_os_error() {
            e if e.kind() == io::ErrorKind::Interrupted => Ok(None),
            e => Err(e),
        },
    }
}

/// Runs a program to its end; why it has failed, with the last line of what it said of that.
pub fn complains(command: &mut std::process::Command) -> Option<String> {
    match command.output() {
        Ok(out) if out.status.success() => None,
        Ok(out) => {
            let said = String::from_utf8_lossy(&out.stderr);
            Some(format!("{}: {}", out.status, said.lines().last().unwrap_or_default()))
        }
        Err(e) => Some(e.to_string()),
    }
}

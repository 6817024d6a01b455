//! A program with a deadline, whose lines are heard as they come.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use killer_tests::start;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Before the deadline; else it was killed with all of its group.
    pub in_time: bool,
    /// With exit code 0.
    pub success: bool,
}

/// Runs it to its end, in a group of its own, so that the deadline reaches what it has started. `line` hears stdout and stderr.
pub fn run(command: &mut Command, deadline: Instant, line: &(dyn Fn(&str) + Sync)) -> Result<Ended> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = start(command).with_context(|| format!("cannot run {name}"))?;
    let streams: [Option<Box<dyn Read + Send>>; 2] =
        [child.stdout.take().map(|s| Box::new(s) as _), child.stderr.take().map(|s| Box::new(s) as _)];
    let pid = Pid::from_raw(child.id() as i32);
    let stop = || {
        let _ = killpg(pid, Signal::SIGKILL);
    };
    let mut in_time = true;
    std::thread::scope(|scope| {
        let readers: Vec<_> = streams.into_iter().flatten().map(|s| scope.spawn(|| read(s, line))).collect();
        while is_running(pid) {
            if Instant::now() > deadline && in_time {
                in_time = false;
                stop();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        // A stray that still has our pipe must not hold us: what counts has been read by now.
        let patience = Instant::now() + Duration::from_secs(5);
        while readers.iter().any(|r| !r.is_finished()) && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(20));
        }
        if readers.iter().any(|r| !r.is_finished()) {
            stop();
        }
    });
    let success = child.wait().is_ok_and(|s| s.success());
    Ok(Ended { in_time, success })
}

/// Whether a child has not ended. It is not reaped: its group keeps its number.
fn is_running(pid: Pid) -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    matches!(waitid(Id::Pid(pid), flags), Ok(WaitStatus::StillAlive))
}

fn read(stream: Box<dyn Read + Send>, line: &(dyn Fn(&str) + Sync)) {
    for text in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
        line(&String::from_utf8_lossy(&text));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn lines_and_ends() {
        let heard = Mutex::new(Vec::new());
        let hear = |l: &str| heard.lock().unwrap().push(l.to_owned());
        let sh = |script: &str, most| {
            let mut c = Command::new("sh");
            run(c.args(["-c", script]), Instant::now() + Duration::from_millis(most), &hear).unwrap()
        };
        assert_eq!(sh("echo a; echo b >&2; exit 3", 60_000), Ended { in_time: true, success: false });
        assert_eq!(sh("sleep 60 & wait", 100), Ended { in_time: false, success: false });
        let mut heard = heard.into_inner().unwrap();
        heard.sort();
        assert_eq!(heard, ["a", "b"]);
    }
}

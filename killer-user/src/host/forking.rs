//! `run --type=forking`: CMD's first process has ended; whether the daemon has started, and which its main process is.

use std::time::Duration;

use super::failure::Failure;
use super::start::Started;
use super::{Tell, main_process};
use crate::ending::Ending;
use crate::kill::{Waited, empty, until};
use crate::lineage::Lineage;
use crate::lookup::registry;
use crate::report::human;
use crate::sys::proc::Ends;
use crate::tier::Tracker;

/// How long a daemon may take to write its pidfile after its first process has ended.
const PIDFILE: Duration = Duration::from_secs(5);

/// What `run` answers, and says, when the first process has ended with `status`.
pub fn started(
    t: &Tracker,
    s: &Started,
    pidfile: bool,
    status: Ending,
    tell: &dyn Tell,
) -> Result<Ending, Failure> {
    let Some(root) = registry::in_slot(t, s.slot.slot).filter(|r| r.slot == s.slot) else {
        return Ok(status);
    };
    let family = Lineage::new(t, root.clone());
    let name = &root.name;
    let left = || t.listed(&|slot| u32::from(slot) == s.slot.slot).len() as u64;
    if !status.is_good() {
        if !empty(&family) {
            let f = Failure::new(status, format!("'{name}': the start failed with status {}", status.code()))
                .why(format!("{} on", human::count(left(), "process lives", "processes live")))
                .next(format!("'killer stop {name}' ends them"));
            tell.fail(&f);
        }
        return Ok(status);
    }
    let main = || main_process::of(t, &root);
    if pidfile {
        let there = || main_process::is_said(t, &root) || empty(&family);
        if let Waited::Interrupted(sig) = until(Some(PIDFILE), || {}, there, || Ends::new(Vec::new(), false))
        {
            return Ok(Ending::Interrupted(sig));
        }
    }
    // Its end can be known before it has left the set.
    let settled = || left() > 0 || empty(&family);
    if let Waited::Interrupted(sig) = until(Some(PIDFILE), || {}, settled, || Ends::new(Vec::new(), false)) {
        return Ok(Ending::Interrupted(sig));
    }
    if empty(&family) {
        return Err(Failure::new(
            Ending::NotStarted,
            format!("'{name}' has not started: no process is left"),
        )
        .why("its first process ended with status 0, and so did all that it had started")
        .next("a program that does its work and ends needs no --type=forking"));
    }
    main_process::settle(t, &root);
    let f =
        Failure::new(Ending::Done, "").next(format!("'killer status {name}', 'killer set-main {name} PID'"));
    let what = match main() {
        Some(m) if m.guessed && pidfile => {
            format!(
                "'{name}': the pidfile names no process of it; process {} was guessed to be the main one",
                m.process.pid
            )
        }
        Some(_) => return Ok(Ending::Done),
        None => format!("'{name}' has no main process: {} left, and none can be guessed", left()),
    };
    tell.fail(&Failure { what, ..f });
    Ok(Ending::Done)
}

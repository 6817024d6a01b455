//! What `stop` says at its end: that SIGKILL was needed, which processes are left.

use super::certainty::Doubt;
use super::failure::Failure;
use super::official;
use super::survivors;
use crate::ending::{Ending, Facts};
use crate::report::human;
use crate::report::model::{Process, Receipt, Stop};

/// So many processes are named.
const SHOWN: usize = 8;

/// The processes that were sent the signal of an order.
pub fn signalled(r: &Receipt) -> Vec<Process> {
    let hit = r.targets.iter().filter(|t| t.result == "signalled");
    hit.map(|t| t.process.clone()).collect()
}

/// That SIGKILL was needed, and for which processes; `None`: for none.
pub fn needed_kill(who: &[Process]) -> Option<String> {
    let mut who: Vec<(u32, u64, &str)> = who.iter().map(|p| (p.pid, p.start, p.comm.as_str())).collect();
    who.sort_unstable();
    who.dedup();
    let named: Vec<String> = who.iter().take(SHOWN).map(|(pid, _, comm)| format!("{pid} ({comm})")).collect();
    let more = if who.len() > SHOWN { ", ..." } else { "" };
    let n = human::count(who.len() as u64, "process", "processes");
    (!who.is_empty()).then(|| format!("SIGKILL was needed: it was sent to {n}: {}{more}", named.join(", ")))
}

/// What did not go well.
pub fn failure(r: &Stop, doubt: Option<Doubt>) -> Option<Failure> {
    let facts = Facts {
        service: &r.service,
        left: r.survivors.len(),
        unreaped: r.unreaped.len(),
        note: r.notes.last().map_or("interrupted", |n| n),
        ..Facts::default()
    };
    let f = Failure::new(r.ending, r.ending.sentence(&facts));
    match r.ending {
        e if e.is_good() => None,
        Ending::Doubtful => doubt.map(|d| d.failure(&r.service)),
        Ending::Unreaped => Some(survivors::number_taken(f)),
        Ending::Interrupted(_) => Some(
            f.why("the processes that were signalled stay signalled; they may end yet")
                .next(format!("'killer status {}' shows the live processes", r.service)),
        ),
        _ => Some(f),
    }
}

/// Notes that are for people who did not ask for more, too.
pub fn is_said(note: &str) -> bool {
    note.starts_with("the stop command")
        || official::is_said(note)
        || note.starts_with("SIGKILL was needed")
        || note.ends_with("as --mode=process has it")
}

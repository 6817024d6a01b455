//! How a process ended, in words.

use crate::ask::signal;
use crate::report::model::End;
use crate::tier::Tracker;

/// The end of a process, with what wait(2) tells of it where that is known.
pub fn of(status: Option<u16>, state: &str) -> End {
    let by = status.map_or(0, |s| s & 0x7f);
    End {
        state: state.into(),
        why: None,
        exit_code: status.filter(|_| by == 0).map(|s| (s >> 8) as u8),
        exit_signal: (by != 0).then(|| signal::name(i32::from(by))),
        core_dumped: status.is_some_and(|s| by != 0 && s & 0x80 != 0),
    }
}

/// The end of a process that has ended, where the kernel still tells how.
pub fn known(t: &Tracker, pid: u32, start: u64) -> Option<End> {
    let status = t.past()?.status(pid, start)?;
    Some(of(Some(status), "ended"))
}

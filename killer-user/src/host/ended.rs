//! How a process ended, in words.

use super::senders;
use crate::ask::signal;
use crate::keep::HowEnded;
use crate::report::model::End;
use crate::sys::alive::Identity;
use crate::tier::Tracker;

/// The end of a process, with how that was where it is known.
pub fn of(how: Option<HowEnded>, state: &str) -> End {
    let status = how.map(|h| h.status);
    let by = status.map_or(0, |s| s & 0x7f);
    End {
        state: state.into(),
        why: None,
        exit_code: status.filter(|_| by == 0).map(|s| (s >> 8) as u8),
        exit_signal: (by != 0).then(|| signal::name(i32::from(by))),
        core_dumped: status.is_some_and(|s| by != 0 && s & 0x80 != 0),
        // Another signal may have come before it.
        no_memory: by == 9 && how.is_some_and(|h| h.no_memory),
        ..End::default()
    }
}

/// The end of a process that has ended, where the kernel still tells how.
pub fn known(t: &Tracker, pid: u32, start: u64) -> Option<End> {
    let it = Identity { pid, start };
    let how = t.how_ended(it)?;
    let sender = senders::of(t.records(), it, how);
    Some(End { sender, ..of(Some(how), "ended") })
}

//! Who has sent the signal that ended a process.

use killer_common::record::TaskKey;
use killer_common::recorder::{S_KERNEL, S_OR_KERNEL, S_PROGRAM, Sent};

use super::{execs, models};
use crate::keep::{HowEnded, Records};
use crate::report::escape;
use crate::report::model::EndSender;
use crate::sys::alive::Identity;

/// `None`: it ended by none, or that was not recorded, or is forgotten.
pub fn of(records: Option<&dyn Records>, it: Identity, how: HowEnded) -> Option<EndSender> {
    let (records, signal) = (records?, u32::from(how.status) & 0x7f);
    if signal == 0 {
        return None;
    }
    let to = TaskKey { tgid: it.pid, pad: 0, start: it.start };
    let sent = records.sent(to, signal).ok()??;
    Some(EndSender { program: program(records, &sent), ..sender(&sent) })
}

fn sender(s: &Sent) -> EndSender {
    let itself = s.by.tgid == s.key.tgid && [0, s.key.start].contains(&s.by.start);
    let kind = match s.flags {
        S_KERNEL => "kernel",
        S_PROGRAM => "program",
        S_OR_KERNEL => "process-or-kernel",
        _ if itself => "itself",
        _ => "process",
    };
    let of_process = s.flags != S_KERNEL;
    EndSender {
        kind: kind.into(),
        pid: of_process.then_some(s.by.tgid),
        comm: of_process.then(|| escape::comm(bytemuck::bytes_of(&s.comm))),
        uid: of_process.then_some(s.uid),
        program: None,
        at: models::when(s.at),
    }
}

/// What the sender had executed last. It may have executed more since, so only execs before the signal count.
fn program(records: &dyn Records, s: &Sent) -> Option<String> {
    if s.by.start == 0 {
        return None;
    }
    let node = records.node(s.by).ok()??;
    let all = records.execs(&node).ok()?;
    let last = all.iter().rev().find(|e| e.at <= s.at)?;
    execs::file(&last.path, last.dev, last.inode).path
}

#[cfg(test)]
mod tests {
    use killer_common::recorder::SentKey;

    use super::*;

    #[test]
    fn kinds() {
        let key = SentKey { tgid: 7, signal: 9, start: 70 };
        let by = |tgid, start, flags| {
            let by = TaskKey { tgid, pad: 0, start };
            let s = sender(&Sent { key, by, flags, ..Sent::default() });
            (s.kind, s.pid)
        };
        assert_eq!(by(8, 80, 0), ("process".into(), Some(8)));
        assert_eq!(by(7, 70, 0), ("itself".into(), Some(7)));
        assert_eq!(by(7, 0, 0), ("itself".into(), Some(7)));
        // The number was another process's before.
        assert_eq!(by(7, 60, 0), ("process".into(), Some(7)));
        assert_eq!(by(0, 0, S_KERNEL), ("kernel".into(), None));
        assert_eq!(by(8, 80, S_PROGRAM), ("program".into(), Some(8)));
        assert_eq!(by(7, 70, S_OR_KERNEL), ("process-or-kernel".into(), Some(7)));
    }
}

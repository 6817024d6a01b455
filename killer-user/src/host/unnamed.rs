//! Reasons of the host: why a service may run without its name although rules are in force. A service that has one is as
//! exact as it says itself.

use crate::keep::Opened;
use crate::report::human::count;
use crate::report::model::HostReason;
use crate::tier::Tracker;

/// One way in which a start may have gone unseen: its code, how often, and what that means.
type Way = (&'static str, fn(&Opened) -> u64, fn(u64) -> String);

const WAYS: [Way; 3] = [
    (
        "missed-exec",
        |o| o.missed,
        |n| {
            let execs = count(n, "exec", "execs");
            format!("the rules may have missed {execs}, because the kernel skipped runs of their hooks")
        },
    ),
    (
        "rule-slots",
        |o| o.no_slots,
        |n| format!("{} found all places for instances taken", count(n, "match", "matches")),
    ),
    (
        "rules-detached",
        |o| u64::from(!o.attached),
        |_| "a hook of the rules is gone, so that they open nothing".into(),
    ),
];

/// Every reason that there is; none where no rule is in force.
pub fn reasons(t: &Tracker) -> Vec<HostReason> {
    match t.rules().map(|r| r.opened()).filter(|o| o.in_force) {
        Some(o) => of(&o),
        None => Vec::new(),
    }
}

/// The same of figures that were read.
pub fn of(o: &Opened) -> Vec<HostReason> {
    let said = WAYS.iter().map(|(code, times, text)| (*code, times(o), text));
    said.filter(|r| r.1 != 0)
        .map(|(code, count, text)| HostReason { code: code.into(), text: text(count), count })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_is_said_once_with_its_figure() {
        let none = Opened { in_force: true, attached: true, opened: 7, skipped: 9, ..Opened::default() };
        assert!(of(&none).is_empty(), "one copy of a hook has seen what the other has not");
        let all = of(&Opened { missed: 2, no_slots: 1, attached: false, ..none });
        let said: Vec<(&str, u64)> = all.iter().map(|r| (&*r.code, r.count)).collect();
        assert_eq!(said, [("missed-exec", 2), ("rule-slots", 1), ("rules-detached", 1)]);
        assert_eq!(all[1].text, "1 match found all places for instances taken");
    }
}

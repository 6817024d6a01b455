//! Tracers: one that asked for PTRACE_O_TRACEEXIT holds a process at the end of its life, SIGKILL or not (F42). Only the tracer can
//! let it go, by going on or by ending; it is no member, so nothing here signals it: the command is told.

use std::collections::{BTreeMap, BTreeSet};

use super::look::Stuck;
use super::step::{Act, Step};
use crate::report::model::UnstickStep;
use crate::sys::entry::Entry;
use crate::sys::proc_text;

/// A tracer, by one of its threads.
fn tracer(tid: u32) -> Option<(u32, String, char)> {
    let status = Entry::open(tid).and_then(|e| e.record("status")).ok()?;
    let field = |name: &str| {
        let line = status.split(|b| *b == b'\n').find_map(|l| l.strip_prefix(name.as_bytes()))?;
        Some(proc_text::shown(line.trim_ascii()))
    };
    let state = field("State:")?.chars().next()?;
    Some((field("Tgid:")?.parse().ok()?, field("Name:")?, state))
}

/// A step for each stranger that traces one of them.
pub fn find(stuck: &[Stuck], family: &BTreeSet<u32>) -> Vec<Step> {
    let mut found: BTreeMap<u32, Step> = BTreeMap::new();
    for s in stuck {
        let tids: BTreeSet<u32> = s.threads.iter().map(|t| t.tracer).filter(|t| *t != 0).collect();
        for tid in tids {
            let Some((pid, name, state)) = tracer(tid).filter(|(pid, ..)| !family.contains(pid)) else {
                continue;
            };
            let step = found.entry(pid).or_insert_with(|| {
                let stops = matches!(state, 'T' | 't');
                let how = if stops { "kill -CONT" } else { "kill" };
                Step {
                    told: UnstickStep {
                        kind: "release-tracer".into(),
                        target: format!("{pid} ({name})"),
                        effect: if stops {
                            "it holds them at their exit if it asked for that, and is stopped: when it goes on it can let them end".into()
                        } else {
                            "it holds them at their exit if it asked for that: it can let them end, and so does its own end".into()
                        },
                        command: format!("{how} {pid}"),
                        result: "by-hand".into(),
                        why: Some("the tracer is no member, and killer signals nobody else".into()),
                        ..UnstickStep::default()
                    },
                    act: Act::ByHand,
                    of: Vec::new(),
                    otherwise: None,
                }
            });
            step.told.members.push(s.member.tgid);
        }
    }
    found.into_values().collect()
}

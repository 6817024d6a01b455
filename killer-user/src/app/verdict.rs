//! What came of an order: its exit code, who is left and why, what is said on stderr.

use killer_common::record::Member;

use super::failure::{Failure, code};
use super::main_process::Main;
use super::{Screen, facts};
use crate::kill::{Fate, Order, Outcome, Refusal, SIGKILL};
use crate::lineage::{self, Family, Lineage};
use crate::report::human;
use crate::report::model::{Counts, Receipt, Survivor};
use crate::target::{Root, process};
use crate::tier::Tracker;

/// Processes and tasks now.
pub fn counts(f: &Lineage<'_>) -> Counts {
    Counts { processes: f.listed().len() as u64, tasks: f.census().tasks }
}

/// A refusal in words.
pub fn refused(root: &Root, r: Refusal) -> Failure {
    let f = Failure::new(code::FAILURE, format!("refused for '{}': {r}", root.name));
    match r {
        Refusal::Init => f.why("process 1 must not be ended"),
        Refusal::Caller(p) | Refusal::Ancestor(p) => f
            .why(format!("process {p} is {}; nothing was signalled", process::comm(p)))
            .next("run it from elsewhere, or give --include-self: killer then leaves the set first"),
    }
}

pub fn exit_code(o: &Outcome, order: &Order, fail: bool) -> u8 {
    let refused: Vec<i32> =
        o.targets.iter().filter_map(|t| if let Fate::Refused(e) = t.fate { Some(e) } else { None }).collect();
    let hit = o.targets.iter().any(|t| t.fate == Fate::Signalled);
    if order.dry_run {
        return if fail && !hit { code::FAILURE } else { 0 };
    }
    if order.ends_all() && !o.empty && (hit || refused.is_empty()) {
        return code::TIMEOUT;
    }
    match (hit, refused.first()) {
        (true, Some(_)) => code::PARTIAL,
        (false, Some(&libc::EPERM)) => code::NOT_PERMITTED,
        (false, Some(_)) => code::FAILURE,
        (false, None) if fail => code::FAILURE,
        _ => 0,
    }
}

/// Who is still there, and why: everybody (`whole`), and who is waited for.
pub fn explain(f: &Lineage<'_>, whole: bool, left: &[Member]) -> Vec<(Member, String, String)> {
    let members = f.members(&f.listed());
    let mut all: Vec<Member> = if whole { members.clone() } else { Vec::new() };
    for m in left {
        if !all.iter().any(|a| (a.tgid, a.leader_start) == (m.tgid, m.leader_start)) {
            all.push(*m);
        }
    }
    all.sort_by_key(|m| m.tgid);
    named(f, &all)
}

/// Each with its reason: entry, code, words.
pub fn named(f: &Lineage<'_>, left: &[Member]) -> Vec<(Member, String, String)> {
    let with_reason = |m: Member| {
        let (code, text) = f.explain(&m);
        (m, code.to_owned(), text)
    };
    left.iter().copied().map(lineage::named).map(with_reason).collect()
}

/// The same as the documents have it.
pub fn with_words(t: &Tracker, left: &[(Member, String, String)], main: Option<Main>) -> Vec<Survivor> {
    let one = |(m, code, text): &(Member, String, String)| Survivor {
        process: facts::process(t, m, main),
        code: code.clone(),
        text: text.clone(),
    };
    left.iter().map(one).collect()
}

/// Nobody was there for the signal. `None` when there was somebody, or when that is what was wanted: SIGKILL to all of a service
/// that has ended.
pub fn nobody(r: &Receipt) -> Option<Failure> {
    let wanted = r.exit_code == 0 && r.signal == SIGKILL && r.whom == "all" && r.empty && !r.dry_run;
    if !r.targets.is_empty() || wanted {
        return None;
    }
    let f = if r.tasks == 0 {
        Failure::new(r.exit_code, format!("'{}' has ended: it has no live process", r.service))
    } else {
        Failure::new(r.exit_code, format!("'{}': nobody matched --whom={}", r.service, r.whom))
            .next(format!("'killer tree {}' shows who is there", r.service))
    };
    Some(match (r.signal, r.dry_run) {
        (0, _) => f,
        (_, true) => f.why("nobody would be signalled"),
        _ => f.why("nobody was signalled"),
    })
}

/// What did not go well, in the words of stderr and of the journal; survivors are listed beside it.
pub fn failure(r: &Receipt) -> Option<Failure> {
    Some(match r.exit_code {
        0 => return None,
        code::TIMEOUT => {
            let n = human::count(r.survivors.len() as u64, "process lives on", "processes live on");
            if r.survivors.is_empty() && !r.unreaped.is_empty() {
                return Some(unreaped(&r.service, r.unreaped.len()));
            }
            Failure::new(
                code::TIMEOUT,
                if r.survivors.is_empty() && !r.empty {
                    format!("'{}': {} tasks are left, none of them listed", r.service, r.left.tasks)
                } else {
                    format!("'{}': {n}", r.service)
                },
            )
        }
        c if c > 128 => {
            Failure::new(c, format!("'{}': {}", r.service, r.notes.last().map_or("interrupted", |n| n)))
                .why("nothing is gated or stopped; who was signalled stays signalled")
        }
        code::FAILURE | code::DEAD if r.targets.is_empty() => return nobody(r),
        c => {
            let (n, e) = r
                .targets
                .iter()
                .filter_map(|p| p.error.as_ref())
                .fold((0, ""), |(n, _), e| (n + 1, e.as_str()));
            if n == 0 {
                let why = r.notes.last().cloned().unwrap_or_default();
                return Some(
                    Failure::new(c, format!("'{}': not everybody may have been reached", r.service)).why(why),
                );
            }
            Failure::new(
                c,
                format!(
                    "'{}': {} could not be signalled",
                    r.service,
                    human::count(n, "process", "processes")
                ),
            )
            .why(e)
        }
    })
}

/// Everything is released, and numbers are taken still.
pub fn unreaped(service: &str, n: usize) -> Failure {
    let n = human::count(
        n as u64,
        "process has ended and is not reaped",
        "processes have ended and are not reaped",
    );
    Failure::new(code::TIMEOUT, format!("'{service}': {n}"))
        .why("until then its number is taken: a start that looks for a process of this number finds one")
        .next("see to its parent: it has to wait for it")
}

/// Says so of main processes where it was not waited for.
pub fn say_unreaped(service: &str, who: &[Survivor], screen: &Screen) {
    for p in who {
        let what = format!("'{service}': main process {} ({}): {}", p.process.pid, p.process.comm, p.text);
        let why = "a start that looks for a process of this number finds it until then";
        let next = "'--wait=reaped' waits for that";
        screen.message(&crate::report::message::render(&what, Some(why), Some(next)));
    }
}

/// Says a failure on stderr, and who is left.
pub fn complain(f: &Failure, left: &[Survivor], screen: &Screen) {
    let text = crate::report::message::render(&f.what, f.why.as_deref(), f.next.as_deref());
    let left = if f.code == code::TIMEOUT { human::left(left) } else { String::new() };
    screen.message(&format!("{text}{left}"));
}

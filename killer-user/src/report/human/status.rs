//! `status`: as `systemctl status` looks.

use super::{BOLD, GREEN, YELLOW, age, count, exactness, last, paint, tree};
use crate::report::Style;
use crate::report::escape::{cut, text};
use crate::report::model::{Frozen, Instance, LastKill, Service, Status, Stayed};

/// `status`
pub fn status(t: &Status, s: &Style) -> String {
    let x = &t.service;
    let live = matches!(x.state.as_str(), "live" | "freezing" | "frozen" | "woken");
    let color = if x.state == "live" { GREEN } else { YELLOW };
    let dot = if s.utf8 { "●" } else { "*" };
    let mut out = format!("{} {}\n", paint(s, color, dot), paint(s, BOLD, &text(&x.name)));
    let mut line = |k: &str, v: String| out.push_str(&format!("{k:>11}: {v}\n"));
    line("State", format!("{}; started {}, {} ago", paint(s, color, &x.state), x.since, age(x.age_s)));
    if let Some(c) = &x.command {
        line("Command", cut(c, 200));
    }
    if let Some(o) = &x.inside {
        line("Inside", text(o));
    }
    if !t.contains.is_empty() {
        line("Contains", t.contains.iter().map(|c| text(c)).collect::<Vec<_>>().join(", "));
    }
    for one in &t.instances {
        line("Instance", instance(one));
    }
    if !t.stayed.is_empty() {
        let word = |s: &Stayed| match s.times {
            1 => text(&s.name),
            n => format!("{} ({n} times)", text(&s.name)),
        };
        let names = t.stayed.iter().map(word).collect::<Vec<_>>().join(", ");
        line(
            "Inside it",
            format!("{names}: started in it, and part of it ('run --service' lets services go)"),
        );
    }
    match &t.main {
        Some(m) => {
            let guessed = if m.guessed { "; guessed: the first process has ended" } else { "" };
            line("Main PID", format!("{} ({}){guessed}", m.pid, text(&m.comm)));
        }
        None if live => line("Main PID", "none: it is gone; 'killer set-main' chooses another".into()),
        None => {}
    }
    line("Members", members(x));
    let sure = if x.exactness.exact { GREEN } else { YELLOW };
    line("Exactness", format!("{} (tier {})", paint(s, sure, &exactness(&x.exactness)), t.tier));
    if let Some(p) = t.supervisor {
        line("Supervisor", format!("{p} (kills the rest when the main process ends)"));
    }
    if t.gated {
        line("Gate", "closed: a kill is under way".into());
    }
    if let Some(f) = &t.frozen {
        line("Freeze", frozen(f));
    }
    for n in &t.notes {
        line("Note", text(n));
    }
    if let Some(k) = &t.last_kill {
        line("Last kill", last_kill(k, t));
    }
    if !t.tree.is_empty() {
        out.push_str(&format!("{:>11}:\n", "Lineage"));
        tree::forest(&t.tree, s, "             ", &mut out);
        tree::more(t.more, "             ", &mut out);
    }
    last(s, out)
}

fn instance(i: &Instance) -> String {
    let by = i.command.as_ref().map_or(String::new(), |c| format!(" by '{}'", cut(c, 100)));
    let what = match (i.left_over, i.main_pid) {
        (true, _) => "left over".into(),
        (false, Some(p)) => format!("main {p}"),
        (false, None) => "no main process".into(),
    };
    let n = count(i.processes, "process", "processes");
    format!("since {}, {} ago{by}; {n}, {what}", i.since, age(i.age_s))
}

fn members(x: &Service) -> String {
    let processes = count(x.counts.processes, "process", "processes");
    let tasks = count(x.counts.tasks.max(0) as u64, "task", "tasks");
    format!("{processes}, {tasks}; {}{} ever", if x.ever_at_least { "at least " } else { "" }, x.ever)
}

fn last_kill(k: &LastKill, t: &Status) -> String {
    let reached = k.reached.filter(|_| t.tree.is_empty()).map_or(String::new(), |n| {
        let n = count(n, "process", "processes");
        format!("; it reached {n}: 'killer tree --last {}'", text(&t.service.name))
    });
    format!("{} by uid {} at {}; {} ago (exit {}){reached}", k.signal, k.uid, k.at, age(k.age_s), k.exit_code)
}

fn frozen(f: &Frozen) -> String {
    let mut out = match f.state.as_str() {
        "undone" => format!("interrupted at {}; everybody was let go", f.since),
        "frozen" => format!("since {}, {} ago", f.since, age(f.age_s)),
        state => format!("{state} since {}", f.since),
    };
    if let Some(w) = &f.with {
        out.push_str(&format!(", with '{}'", text(w)));
    }
    if f.wakes > 0 {
        out.push_str(&format!(
            "; {} from elsewhere{}",
            count(u64::from(f.wakes), "SIGCONT", "SIGCONTs"),
            if f.stops_again { ", undone at once" } else { "" }
        ));
    }
    if !f.awake.is_empty() {
        let n = count(f.awake.len() as u64, "process runs", "processes run");
        out.push_str(&format!("; {n} ({}): freeze it again", some(&f.awake)));
    }
    if !f.unknown.is_empty() {
        out.push_str(&format!(
            "; {} ({}): what cannot be looked at, or sleeps in the kernel, is not known to be held",
            count(f.unknown.len() as u64, "process may run", "processes may run"),
            some(&f.unknown)
        ));
    }
    if f.unheard > 0 {
        out.push_str(&format!("; {}", super::unheard(f.unheard)));
    }
    if f.hangups > 0 {
        let n = count(u64::from(f.hangups), "SIGHUP", "SIGHUPs");
        out.push_str(&format!("; {n} from the kernel to orphaned process groups"));
    }
    out
}

/// The first eight.
fn some(pids: &[u32]) -> String {
    let shown: Vec<String> = pids.iter().take(8).map(u32::to_string).collect();
    format!("{}{}", shown.join(", "), if pids.len() > 8 { ", …" } else { "" })
}

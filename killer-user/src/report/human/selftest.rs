//! `selftest`: what was tried, and what is proven.

use super::{BOLD, GREEN, RED, YELLOW, count, last, paint};
use crate::report::Style;
use crate::report::escape::text;
use crate::report::model::{Selftest, Trial};

/// Before the first trial.
pub fn selftest_begins(m: &Selftest, s: &Style) -> String {
    let how = if m.quick { "each once" } else { "swarms in rounds" };
    let out =
        format!("kernel {}, tier {}{}; {} trials, {how}\n", text(&m.kernel), m.tier, gate(m), m.planned);
    last(s, out)
}

fn gate(m: &Selftest) -> String {
    m.gate.map_or_else(|| ", no gate at birth".into(), |g| format!(", gate {g}"))
}

/// `3 processes in 0.8 ms`
pub fn measure(t: &Trial) -> String {
    let mut out = count(t.processes as u64, "process", "processes");
    if t.rounds > 1 {
        out += &format!(" in {} rounds", t.rounds);
    }
    out += &format!(", {:.1} ms", t.ended_us as f64 / 1000.0);
    if let Some(why) = &t.smaller {
        out += &format!("; {}", text(why));
    }
    if !t.doubts.is_empty() {
        out += &format!(", not exact: {}", text(&t.doubts.join(", ")));
    }
    out
}

/// A trial that was done.
pub fn trial(t: &Trial, s: &Style) -> String {
    let (mark, more) = match t.result.as_str() {
        "pass" => (paint(s, GREEN, "pass"), measure(t)),
        "skip" => (paint(s, YELLOW, "skip"), text(t.why.as_deref().unwrap_or_default())),
        _ => (paint(s, RED, "FAIL"), text(t.why.as_deref().unwrap_or_default())),
    };
    let mut out = format!("  {mark}  {:<16}  {}\n", text(&t.name), text(&t.what));
    if t.result == "pass" {
        out = format!("  {mark}  {:<16}  {} ({more})\n", text(&t.name), text(&t.what));
    } else {
        out += &format!("        {more}\n");
    }
    last(s, out)
}

/// After the last trial.
pub fn selftest_ends(m: &Selftest, s: &Style) -> String {
    let good = m.failed == 0 && m.clean && m.interrupted.is_none();
    let seconds = m.took_us as f64 / 1e6;
    let counts =
        format!("{} passed, {} failed, {} skipped in {seconds:.1} s\n", m.passed, m.failed, m.skipped);
    let color = if good { BOLD } else { RED };
    last(s, counts + &paint(s, color, &text(&m.verdict)) + "\n")
}

/// What is proven, in one line.
pub fn verdict(m: &Selftest) -> String {
    let here = format!("on this kernel ({}, tier {}{})", m.kernel, m.tier, gate(m));
    let named = |result: &str| {
        let v: Vec<&str> = m.trials.iter().filter(|t| t.result == result).map(|t| t.name.as_str()).collect();
        v.join(", ")
    };
    let tried = m.passed + m.failed;
    let mut out = match (&m.interrupted, m.failed, m.passed) {
        (Some(signal), 0, _) => format!(
            "interrupted by {signal} after {} of {} trials: nothing wrong so far {here}",
            m.trials.len(),
            m.planned
        ),
        (_, 0, 0) => format!("nothing proven {here}: nothing could be tried"),
        (_, 0, _) => {
            format!("proven {here}: {tried} of {tried} ended to the last process, no bystander was hit")
        }
        _ => format!("NOT safe {here}: {} of {tried} trials failed: {}", m.failed, named("fail")),
    };
    if m.skipped != 0 {
        out += &format!("; not tried: {}", named("skip"));
    }
    let mut doubts: Vec<&str> = m.trials.iter().flat_map(|t| &t.doubts).map(String::as_str).collect();
    doubts.sort_unstable();
    doubts.dedup();
    if !doubts.is_empty() {
        out += &format!("; sets were not exact: {}", doubts.join(", "));
    }
    if !m.clean {
        out += "; something is left behind: run it again, or reboot";
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::selftest;

    fn lines(m: &Selftest) -> String {
        let trials: String = m.trials.iter().map(|t| trial(t, &Style::default())).collect();
        selftest_begins(m, &Style::default()) + &trials + &selftest_ends(m, &Style::default())
    }

    #[test]
    fn word_for_word() {
        assert_eq!(
            lines(&selftest("x")),
            "kernel 6.18, tier typed, gate D; 3 trials, swarms in rounds\n\
            \x20 pass  plain             x (20 processes in 10 rounds, 1.2 ms; x, not exact: x)\n\
            \x20 skip  io_uring          x\n        x\n\
            \x20 FAIL  bomb              x\n        x\n\
             1 passed, 1 failed, 1 skipped in 2.1 s\n\
             NOT safe on this kernel (6.18, tier typed, gate D): 1 of 2 trials failed: bomb; not tried: io_uring; \
             sets were not exact: x\n"
        );
    }

    #[test]
    fn verdicts() {
        let good = Selftest { failed: 0, trials: vec![selftest("").trials[0].clone()], ..selftest("") };
        let good = Selftest {
            trials: good.trials.iter().map(|t| Trial { doubts: vec![], ..t.clone() }).collect(),
            skipped: 0,
            ..good
        };
        assert_eq!(
            verdict(&good),
            "proven on this kernel (6.18, tier typed, gate D): 1 of 1 ended to the last process, no bystander was hit"
        );
        let none = Selftest { gate: None, passed: 0, ..good.clone() };
        assert!(
            verdict(&none).starts_with("nothing proven on this kernel (6.18, tier typed, no gate at birth)")
        );
        let broken_off = Selftest { interrupted: Some("SIGINT".into()), ..good.clone() };
        assert!(
            verdict(&broken_off)
                .starts_with("interrupted by SIGINT after 1 of 3 trials: nothing wrong so far")
        );
        assert!(
            verdict(&Selftest { clean: false, ..good })
                .ends_with("something is left behind: run it again, or reboot")
        );
    }
}

//! The trials of `killer selftest`, as one document.

use super::exact;
use super::failure::Failure;
use crate::ask::{self, name, signal};
use crate::ending::Ending;
use crate::kernel::probe;
use crate::report::human;
use crate::report::model::{SCHEMA_VERSION, Selftest, Trial};
use crate::selftest::{self, Options, Result as Outcome};

/// Hears how the trials go.
pub trait Audience {
    /// Before the first one.
    fn begins(&self, so_far: &Selftest);
    /// After each; `number` from 1 on.
    fn trial(&self, number: usize, t: &Trial);
}

/// Every known way of escaping, tried on this kernel.
pub fn selftest(asked: &ask::Selftest, to: &dyn Audience) -> Result<(Selftest, Ending), Failure> {
    let options = Options { quick: asked.quick, only: asked.only.clone(), rounds: asked.rounds };
    if let Some(word) = options.unknown() {
        return Err(no_trial(word));
    }
    let m = Selftest {
        version: SCHEMA_VERSION,
        kind: "selftest",
        kernel: probe::release(),
        quick: asked.quick,
        ..Selftest::default()
    };
    let m = std::cell::RefCell::new(m);
    let ended = selftest::run(
        &options,
        &exact::account,
        |b| {
            let mut m = m.borrow_mut();
            (m.planned, m.tier, m.gate) = (b.trials, b.tier, b.gate);
            to.begins(&m);
        },
        |t| {
            let mut m = m.borrow_mut();
            let t = model(t);
            to.trial(m.trials.len() + 1, &t);
            m.trials.push(t);
        },
    )?;
    let mut m = m.into_inner();
    let with = |result: &str| m.trials.iter().filter(|t| t.result == result).count();
    (m.passed, m.failed, m.skipped) = (with("pass"), with("fail"), with("skip"));
    m.interrupted = ended.interrupted.map(signal::name);
    m.clean = ended.clean;
    m.took_us = ended.took.as_micros() as u64;
    m.verdict = human::verdict(&m);
    let ending = match ended.interrupted {
        Some(signal) => Ending::Interrupted(signal),
        None if m.failed != 0 || !m.clean => Ending::Failed,
        None => Ending::Done,
    };
    Ok((m, ending))
}

/// A word that is in no trial's name; nothing was tried.
fn no_trial(word: &str) -> Failure {
    let all: Vec<&str> = selftest::names().collect();
    let f = Failure::new(Ending::Usage, format!("no trial has '{word}' in its name; nothing was tried"))
        .why(format!("trials: {}", all.join(", ")));
    let parts = all.iter().flat_map(|n| n.split('_'));
    match name::suggest(word, all.iter().copied()).or_else(|| name::suggest(word, parts)) {
        Some(near) => f.next(format!("did you mean '{near}'?")),
        None => f,
    }
}

fn model(t: &selftest::Trial) -> Trial {
    let result = match t.result {
        Outcome::Pass => "pass",
        Outcome::Fail => "fail",
        Outcome::Skip => "skip",
    };
    Trial {
        name: t.name.into(),
        what: t.what.into(),
        result: result.into(),
        why: t.why.clone(),
        rounds: t.rounds,
        processes: t.processes,
        ended_us: t.ended_us,
        smaller: t.smaller.clone(),
        doubts: t.doubts.iter().map(|d| (*d).to_owned()).collect(),
    }
}

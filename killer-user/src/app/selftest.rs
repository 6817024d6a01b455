//! `selftest`: the trials → lines as they go, or one model.

use super::Screen;
use super::failure::Failure;
use crate::cli::{self, Output};
use crate::ending::Ending;
use crate::kernel::probe;
use crate::parse::{name, signal};
use crate::report::model::{SCHEMA_VERSION, Selftest, Trial};
use crate::report::{human, ktap};
use crate::selftest::{self, Options, Result as Outcome};

/// Every known way of escaping, tried on this kernel.
pub fn selftest(asked: &cli::Selftest, screen: &Screen) -> Result<Ending, Failure> {
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
        &super::exact::account,
        |b| {
            let mut m = m.borrow_mut();
            (m.planned, m.tier, m.gate) = (b.trials, b.tier, b.gate);
            match screen.output() {
                Output::Json | Output::JsonPretty => {}
                Output::Ktap => screen.bytes(ktap::begins(&m).as_bytes()),
                _ => screen.data(&*m, |s| human::selftest_begins(&m, s)),
            }
        },
        |t| {
            let mut m = m.borrow_mut();
            let t = model(t);
            match screen.output() {
                Output::Json | Output::JsonPretty => {}
                Output::Ktap => screen.bytes(ktap::trial(m.trials.len() + 1, &t).as_bytes()),
                _ => screen.data(&t, |s| human::trial(&t, s)),
            }
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
    match screen.output() {
        Output::Ktap => screen.bytes(ktap::ends(&m).as_bytes()),
        _ => screen.data(&m, |s| human::selftest_ends(&m, s)),
    }
    Ok(match ended.interrupted {
        Some(signal) => Ending::Interrupted(signal),
        None if m.failed != 0 || !m.clean => Ending::Failed,
        None => Ending::Done,
    })
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

//! `capture`: the set is held, read, and then goes on, is ended, or stays as it is.

mod export;
mod file;
mod held;
mod manifest;
mod verify;

use killer_common::record::Member;

use super::failure::Failure;
use super::names::Resolved;
use super::{Tell, certainty, main_process, models, outside, status, why};
use crate::ask::capture::Capture;
use crate::capture::{Archive, Collected, Cut, HEAD, Progress, collect, place};
use crate::ending::Ending;
use crate::lineage::{Lineage, Members};
use crate::lookup::Root;
use crate::report::human;
use crate::report::model::{BothClocks, Captured, Manifest};
use crate::sys::{clock, interrupt};
use crate::tier::Tracker;
use file::Output;
use held::Held;

pub use export::export;
pub use verify::verify;

/// Captures a service. What did not go well beside it is told.
pub fn capture(t: &Tracker, root: &Root, asked: &Capture, tell: &dyn Tell) -> Result<Captured, Failure> {
    let began = BothClocks::now();
    let output = Output::make(&asked.out)?;
    let held = match Held::hold(t, root, asked.then, tell) {
        Ok(held) => held,
        Err(f) => {
            output.take_back();
            return Err(f);
        }
    };
    let name = output.name();
    let first = manifest::first(t, root, asked, &held, began);
    let written = write(t, root, asked, &held, first, output, tell);
    tell.progress(None);
    // What is left to do is short, and is done to its end.
    let signal = interrupt::came();
    interrupt::hold();
    let whole = written.is_ok();
    let then = held.then(whole, tell);
    let (mut c, cut) = match written {
        Ok(done) => done,
        Err(e) => {
            then?;
            let f = Failure::new(Ending::Failed, format!("'{}' could not be written", name.display()));
            return Err(f.why(e.to_string()).next(held.next()));
        }
    };
    let (then, after) = then?;
    c.then = then.into();
    let of_cut = match (cut, signal) {
        (Some(Cut::Signal(s)), _) | (None, Some(s)) => Ending::Interrupted(s),
        (Some(Cut::Time), _) => Ending::Timeout,
        (Some(Cut::Size), _) => Ending::Failed,
        (None, None) => Ending::Done,
    };
    let held_badly = if held.ending.is_good() { Ending::Done } else { held.ending };
    c.ending = of_cut.worse(held_badly);
    if !after.is_good() {
        c.ending = c.ending.worse(after);
    }
    Ok(c)
}

/// The one service that a name stands for, and what keeps it.
pub fn named<'a>(
    t: &'a Tracker,
    found: &'a Resolved,
    tell: &dyn Tell,
) -> Result<(&'a Tracker, &'a Root), Failure> {
    found.warnings.iter().for_each(|w| tell.message(w));
    let mut all = found.each(t);
    match (all.next(), all.next()) {
        (Some(one), None) => Ok(one),
        _ => Err(Failure::new(Ending::Usage, "the name stands for several services")
            .next("'killer list' shows them; each has a file of its own")),
    }
}

type Written = (Captured, Option<Cut>);

fn write(
    t: &Tracker,
    root: &Root,
    asked: &Capture,
    held: &Held<'_>,
    mut m: Manifest,
    output: Output,
    tell: &dyn Tell,
) -> std::io::Result<Written> {
    let name = output.name().to_string_lossy().into_owned();
    let mut archive = Archive::new(output, clock::realtime_ns() / 1_000_000_000);
    archive.part(HEAD, &json(&m)?)?;
    let members = about(t, root, &mut archive)?;
    m.members = members.len() as u64;
    archive.record()?;
    let began = clock::monotonic_ns();
    let mut last = 0;
    let mut show = |p: Progress| {
        let now = clock::monotonic_ns();
        if tell.shows_progress() && now - last >= 200_000_000 {
            last = now;
            let far = (p.done as u64 * 1000 + p.part) as f64 / (p.all.max(1) * 1000) as f64;
            tell.goes_on(&human::capture_progress(&root.name, far, p.bytes, now - began));
        }
    };
    let mut collected = collect(&mut archive, &members, &asked.limits, &mut show)?;
    for r in asked.limits.ranges.iter().filter(|r| !members.iter().any(|m| m.tgid == r.pid)) {
        collected.leave_out(r.to_string(), "no member has this number");
    }
    let Collected { left_out, more, cut } = collected;
    (m.left_out, m.left_out_more) = (left_out, more);
    m.cut_short = cut.as_ref().map(|c| c.words().to_owned());
    manifest::ends(t, root, &members, held, &mut m);
    let (output, bytes, sha256) = archive.seal(|a| {
        (m.parts, m.bytes, m.records) = (a.parts, a.bytes, a.records);
        m.last_record.clone_from(&a.last_record);
        json(&m).unwrap_or_default()
    })?;
    output.sync()?;
    let mut c = Captured::new(name, m);
    (c.file_bytes, c.sha256) = (bytes, sha256);
    Ok((c, cut))
}

fn json(model: &impl serde::Serialize) -> std::io::Result<Vec<u8>> {
    Ok(serde_json::to_vec_pretty(model)?)
}

/// What the tracker knows: lineage, state, and who each member is; and what depends on them. Answers the members.
fn about(t: &Tracker, root: &Root, archive: &mut Archive<Output>) -> std::io::Result<Vec<Member>> {
    let failed = |f: Failure| std::io::Error::other(f.what);
    let tree = status::tree(t, root, false, None).map_err(failed)?;
    archive.part("lineage.json", &json(&tree)?)?;
    let now = status::status(t, root, Some(0)).map_err(failed)?;
    archive.part("status.json", &json(&now)?)?;
    let family = Lineage::new(t, root.clone());
    let members = family.members(&family.listed());
    certainty::sound(t).map_err(failed)?;
    let main = main_process::of(t, root);
    for m in &members {
        let identity = models::process(t, m, main);
        archive.part(&format!("{}/identity.json", place(m)), &json(&identity)?)?;
    }
    let depends = outside::of(t, root, members.iter().map(|m| (m.tgid, m.leader_start)));
    archive.part("outside.json", &json(&depends)?)?;
    let mut recorded = Vec::new();
    for l in why::lines(t, &members)? {
        serde_json::to_writer(&mut recorded, &l)?;
        recorded.push(b'\n');
    }
    if !recorded.is_empty() {
        archive.part("recorded.ndjson", &recorded)?;
    }
    Ok(members)
}

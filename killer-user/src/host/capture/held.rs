//! Holding a set for a capture. A freeze of a capture's own is under way until its end: when this process is killed, the next call of
//! killer lets the set go on, as after a killed `freeze`.

use killer_common::record::{R_FREEZING, R_FROZEN};

use crate::ask::capture::Then;
use crate::ending::Ending;
use crate::host::failure::Failure;
use crate::host::{Tell, freeze, instances, signal, thaw};
use crate::kill::SIGKILL;
use crate::lookup::{Root, registry};
use crate::report::message;
use crate::report::model::BothClocks;
use crate::tier::Tracker;

/// One instance that is held.
struct Part {
    root: Root,
    /// It was frozen before.
    before: bool,
    /// It is frozen with a service around it.
    outer: bool,
    then: Then,
}

/// A set that is held, as well as that can be.
pub struct Held<'t> {
    t: &'t Tracker,
    root: &'t Root,
    parts: Vec<Part>,
    kills: bool,
    /// All of it was frozen before.
    pub before: bool,
    /// How the freeze ended.
    pub ending: Ending,
    /// Why somebody may run.
    pub doubts: Vec<String>,
    /// Since when.
    pub since: BothClocks,
}

impl<'t> Held<'t> {
    /// Holds a set, each instance of it.
    pub fn hold(
        t: &'t Tracker,
        root: &'t Root,
        then: Option<Then>,
        tell: &dyn Tell,
    ) -> Result<Self, Failure> {
        freeze::nobody_there(t, root)?;
        let part = |root: Root| {
            let at = registry::frozen(t, root.slot.slot);
            let (before, outer) = (at.is_some(), at.is_some_and(|s| s != root.slot.slot));
            let then = then.unwrap_or(if before { Then::Keep } else { Then::Thaw });
            Part { root, before, outer, then }
        };
        let alive = |r: &Root| registry::places(t, r).iter().any(|s| t.count(s.slot) != 0);
        let parts: Vec<Part> = instances::each(t, root).into_iter().filter(alive).map(part).collect();
        let before = parts.iter().all(|p| p.before);
        let (kills, ending) = (then == Some(Then::Kill), Ending::Frozen);
        let (doubts, since) = (Vec::new(), BothClocks::now());
        let mut held = Self { t, root, parts: Vec::new(), kills, before, ending, doubts, since };
        if t.freezer().is_none() {
            held.doubts.push(format!("not frozen: {}", t.no_freezer()));
            return Ok(held);
        }
        for p in parts {
            if let Err(f) = held.add(p, tell) {
                held.undo(tell);
                return Err(f);
            }
        }
        held.since = BothClocks::now();
        Ok(held)
    }

    /// Nothing was captured: all is as it was.
    fn undo(&self, tell: &dyn Tell) {
        for p in self.parts.iter().filter(|p| !p.before) {
            if let Err(f) = freeze::thaw(self.t, &p.root, tell) {
                tell.fail(&f);
            }
        }
    }

    fn add(&mut self, p: Part, tell: &dyn Tell) -> Result<(), Failure> {
        if !p.outer {
            let r = freeze::passing(self.t, &p.root, tell)?;
            if let Ending::Interrupted(_) = r.ending {
                return Err(Failure::new(r.ending, "interrupted before anything was captured"));
            }
            self.ending = self.ending.worse(r.ending);
            self.doubts.extend(r.survivors.iter().map(|s| format!("{}: {}", s.process.pid, s.text)));
            if r.ending == Ending::Fled {
                self.doubts.push("processes were born faster than they could be stopped".into());
            }
        }
        self.parts.push(p);
        Ok(())
    }

    /// What is to become of it.
    pub fn word(&self) -> Then {
        if self.kills { Then::Kill } else { self.parts.first().map_or(Then::Thaw, |p| p.then) }
    }

    fn flags(&self, p: &Part) -> u64 {
        let here = self.t.root(p.root.slot.slot).filter(|r| r.generation == p.root.slot.generation);
        here.map_or(0, |r| r.flags)
    }

    /// In words: what somebody else has changed meanwhile.
    pub fn disturbed(&self) -> Option<&'static str> {
        let is_held = |p: &Part| registry::frozen(self.t, p.root.slot.slot).is_some();
        let all = self.parts.iter().all(is_held);
        (!all).then_some("it was thawed or ended by somebody else while it was read")
    }

    /// Does what was asked; in a word what became of it, and how that ended. A set whose capture could not be written is not ended:
    /// it is all that there is.
    pub fn then(&self, whole: bool, tell: &dyn Tell) -> Result<(&'static str, Ending), Failure> {
        let (t, root) = (self.t, self.root);
        if self.kills && whole {
            let kill = thaw::asked(&root.name, SIGKILL);
            let (r, _) = signal::one(t, root, std::slice::from_ref(root), &kill, tell)?;
            return Ok((if r.empty { "killed" } else { "failed" }, r.ending));
        }
        if t.freezer().is_none() {
            return Ok(("not-frozen", Ending::Done));
        }
        self.let_go(tell)
    }

    /// Each instance as it is asked for it.
    fn let_go(&self, tell: &dyn Tell) -> Result<(&'static str, Ending), Failure> {
        let (mut word, mut ending) = ("kept", Ending::Done);
        for p in &self.parts {
            // Somebody has frozen it meanwhile: that is not this call's to end.
            let meanwhile = !p.before && self.flags(p) & R_FROZEN != 0;
            if p.then == Then::Thaw && meanwhile {
                let what =
                    format!("'{}' stays frozen: somebody has frozen it while it was captured", p.root.name);
                tell.message(&message::render(&what, None, None));
            } else if p.then == Then::Thaw {
                let r = freeze::thaw(self.t, &p.root, tell)?;
                word = if r.ending.is_good() { "thawed" } else { "failed" };
                ending = ending.worse(r.ending);
            } else {
                self.keep(p)?;
            }
        }
        Ok((word, ending))
    }

    fn keep(&self, p: &Part) -> Result<(), Failure> {
        let _lock = self.t.lock()?;
        if self.flags(p) & R_FREEZING != 0
            && let Some(f) = self.t.freezer()
        {
            f.freeze(p.root.slot, R_FROZEN)?;
        }
        Ok(())
    }

    /// What to do after a capture that could not be written.
    pub fn next(&self) -> String {
        let name = &self.root.name;
        match self.kills {
            true => format!("'{name}' was not killed, and stays frozen: 'killer thaw {name}' lets it go on"),
            false => {
                format!("there may be more room elsewhere; 'killer status {name}' shows what became of it")
            }
        }
    }
}

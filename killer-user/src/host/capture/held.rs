//! Holding a set for a capture. A freeze of a capture's own is under way until its end: when this process is killed, the next call of
//! killer lets the set go on, as after a killed `freeze`.

use killer_common::record::{R_FREEZING, R_FROZEN};

use crate::ask::capture::Then;
use crate::ending::Ending;
use crate::host::failure::Failure;
use crate::host::{Tell, freeze, signal, thaw};
use crate::kill::SIGKILL;
use crate::lookup::{Root, registry};
use crate::report::model::BothClocks;
use crate::tier::Tracker;

/// A set that is held, as well as that can be.
pub struct Held<'t> {
    t: &'t Tracker,
    root: &'t Root,
    then: Then,
    /// It was frozen before.
    pub before: bool,
    /// How the freeze ended.
    pub ending: Ending,
    /// Why somebody may run.
    pub doubts: Vec<String>,
    /// Since when.
    pub since: BothClocks,
}

impl<'t> Held<'t> {
    /// Holds a set.
    pub fn hold(
        t: &'t Tracker,
        root: &'t Root,
        then: Option<Then>,
        tell: &dyn Tell,
    ) -> Result<Self, Failure> {
        let before = registry::frozen(t, root.slot.slot).is_some();
        let then = then.unwrap_or(if before { Then::Keep } else { Then::Thaw });
        let (mut ending, mut doubts) = (Ending::Frozen, Vec::new());
        if t.freezer().is_none() {
            freeze::nobody_there(t, root)?;
            doubts.push(format!("not frozen: {}", t.no_freezer()));
        } else {
            let r = freeze::passing(t, root, tell)?;
            if let Ending::Interrupted(_) = r.ending {
                return Err(Failure::new(r.ending, "interrupted before anything was captured"));
            }
            ending = r.ending;
            doubts.extend(r.survivors.iter().map(|s| format!("{}: {}", s.process.pid, s.text)));
            if r.ending == Ending::Fled {
                doubts.push("processes were born faster than they could be stopped".into());
            }
        }
        Ok(Self { t, root, then, before, ending, doubts, since: BothClocks::now() })
    }

    /// What is asked to become of it.
    pub fn word(&self) -> Then {
        self.then
    }

    fn flags(&self) -> u64 {
        let here = self.t.root(self.root.slot.slot).filter(|r| r.generation == self.root.slot.generation);
        here.map_or(0, |r| r.flags)
    }

    /// In words: what somebody else has changed meanwhile.
    pub fn disturbed(&self) -> Option<&'static str> {
        let held = self.flags() & (R_FREEZING | R_FROZEN) != 0 || self.before;
        (self.t.freezer().is_some() && !held)
            .then_some("it was thawed or ended by somebody else while it was read")
    }

    /// Does what was asked; in a word what became of it, and how that ended. A set whose capture could not be written is not ended:
    /// it is all that there is.
    pub fn then(&self, whole: bool, tell: &dyn Tell) -> Result<(&'static str, Ending), Failure> {
        let (t, root) = (self.t, self.root);
        match self.then {
            Then::Kill if whole => {
                let (r, _) = signal::one(
                    t,
                    root,
                    std::slice::from_ref(root),
                    &thaw::asked(&root.name, SIGKILL),
                    tell,
                )?;
                Ok((if r.empty { "killed" } else { "failed" }, r.ending))
            }
            _ if t.freezer().is_none() => Ok(("not-frozen", Ending::Done)),
            Then::Keep | Then::Kill => self.keep().map(|()| ("kept", Ending::Done)),
            // Somebody has frozen it meanwhile: that is not this call's to end.
            Then::Thaw if !self.before && self.flags() & R_FROZEN != 0 => {
                tell.message(&crate::report::message::render(
                    &format!("'{}' stays frozen: somebody has frozen it while it was captured", root.name),
                    None,
                    None,
                ));
                Ok(("kept", Ending::Done))
            }
            Then::Thaw => {
                let r = freeze::thaw(t, root, tell)?;
                Ok((if r.ending.is_good() { "thawed" } else { "failed" }, r.ending))
            }
        }
    }

    fn keep(&self) -> Result<(), Failure> {
        let _lock = self.t.lock()?;
        if self.flags() & R_FREEZING != 0
            && let Some(f) = self.t.freezer()
        {
            f.freeze(self.root.slot, R_FROZEN)?;
        }
        Ok(())
    }

    /// What to do after a capture that could not be written.
    pub fn next(&self) -> String {
        let name = &self.root.name;
        match self.then {
            Then::Kill => {
                format!("'{name}' was not killed, and stays frozen: 'killer thaw {name}' lets it go on")
            }
            _ => format!("there may be more room elsewhere; 'killer status {name}' shows what became of it"),
        }
    }
}

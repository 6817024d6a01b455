//! `wait`: one service after the other, each until it is so far.

use std::time::Duration;

use super::failure::Failure;
use super::{Tell, certainty, main_process, models, wait};
use crate::ask::Until;
use crate::ending::{self, Ending};
use crate::kill::Waited;
use crate::lineage::{Lineage, Members};
use crate::lookup::Root;
use crate::report::model::{Done, Verb};
use crate::sys::alive::Identity;
use crate::tier::Tracker;

/// What a wait ends with when it went well.
pub fn good(what: Until) -> Ending {
    match what {
        Until::Empty => Ending::Empty,
        Until::MainGone => Ending::MainGone,
        Until::Size(_) => Ending::Size,
    }
}

/// Waits on kernel events until a service is so far, at most so long. What did not go well is told.
pub fn until(t: &Tracker, root: &Root, what: Until, limit: Option<Duration>, tell: &dyn Tell) -> Done {
    let f = Lineage::new(t, root.clone());
    let condition = match what {
        Until::Empty => wait::For::Empty,
        Until::MainGone => wait::For::MainGone(Identity::default()),
        Until::Size(n) => wait::For::Size(n),
    };
    let mut done = Done::new(Verb::Wait, Some(&root.name), one(&f, condition, good(what), limit, tell));
    done.counts = Some(super::survivors::counts(&f));
    done
}

fn one(f: &Lineage<'_>, what: wait::For, good: Ending, rest: Option<Duration>, tell: &dyn Tell) -> Ending {
    let (t, root) = (f.tracker(), f.root());
    let name = &root.name;
    let what = match what {
        wait::For::MainGone(_) => {
            let main = models::main_of(t, root);
            if main.is_none() && f.census().tasks > 0 {
                main_process::say_why(t, root, tell);
                tell.fail(&main_process::gone(t, root));
            }
            wait::For::MainGone(main.map_or_else(Identity::default, |m| m.process))
        }
        what => what,
    };
    match wait::wait(f, what, rest, tell) {
        Waited::Done if good == Ending::MainGone => good,
        Waited::Done => match certainty::after(t, root, crate::kill::empty(f)) {
            Some(doubt) => tell.fail(&doubt.failure(name)),
            None => good,
        },
        Waited::TimedOut => {
            let facts = ending::Facts { service: name, left: f.listed().len(), ..Default::default() };
            let f = Failure::new(Ending::Timeout, Ending::Timeout.sentence(&facts));
            tell.fail(&f.next(format!("'killer status {name}' shows them")))
        }
        Waited::Interrupted(sig) => Ending::Interrupted(sig),
    }
}

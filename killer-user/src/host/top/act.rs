//! What is done to a service from `top`: as the commands do it, and to no other service that has got its name meanwhile.

use super::target::Target;
use crate::ask::{Kill, Names, signal};
use crate::ending::Ending;
use crate::host::failure::Failure;
use crate::host::names::{self, For};
use crate::host::open::Host;
use crate::host::{Tell, anew, freeze, fuse, signal as order, thaw};
use crate::lookup::Root;
use crate::report::model::Receipt;
use crate::sys::sched;
use crate::tier::Tracker;

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// `killer -s SIG NAME`
    Signal(i32),
    /// `killer freeze NAME`
    Freeze,
    /// `killer thaw NAME`
    Thaw,
}

/// What came of it, of each instance that was meant.
pub type Acted = Vec<Result<Receipt, Failure>>;

impl Act {
    /// As a question has it, up to the `?`.
    pub fn words(self, processes: &str, name: &str) -> String {
        match self {
            Self::Signal(n) => format!("signal {processes} of {name} with {}", plain(n)),
            Self::Freeze => format!("freeze {processes} of {name}"),
            Self::Thaw => format!("let {processes} of {name} go on"),
        }
    }
}

/// `KILL`
fn plain(n: i32) -> String {
    let name = signal::name(n);
    name.strip_prefix("SIG").map_or(name.clone(), str::to_owned)
}

/// Does it, with the options of `k`.
pub fn act(target: &Target, what: Act, k: &Kill, tell: &dyn Tell) -> Result<Acted, Failure> {
    anew::begin();
    let hurry = sched::Hurry::start();
    let host = Host::open()?.ok_or_else(|| gone(target))?;
    let meant = if matches!(what, Act::Signal(_)) { For::Verb } else { For::Each };
    let found = names::resolve(&host, &Names::one(&target.name), meant)?;
    if !found.each(&host).any(|(t, r)| target.is(t, r)) {
        return Err(gone(target));
    }
    drop(hurry);
    found.warnings.iter().for_each(|w| tell.message(w));
    let mut k = Kill { names: Names::one(&target.name), ..k.clone() };
    match what {
        Act::Signal(n) => {
            k.signal = n;
            fuse::check(found.each(&host), &k)?;
        }
        Act::Freeze => freeze::cannot(&host)?,
        Act::Thaw => {}
    }
    let mut acted = Vec::new();
    for (t, root) in found.each(&host) {
        let done = match what {
            Act::Signal(_) => order::one(t, root, found.of(t), &k, tell).map(|(r, _)| r),
            Act::Freeze => freeze::freeze(t, root, tell),
            Act::Thaw => freeze::thaw(t, root, tell),
        };
        if let Ok(r) = &done {
            k.fuse.used += r.targets.len() as u64;
        }
        acted.push(done);
    }
    Ok(acted)
}

/// A signal to everybody, as the main form has it.
pub fn usual(fuse: crate::ask::fuse::Fuse, receipts: crate::ask::receipts::Receipts) -> Kill {
    Kill { fuse, receipts, ..thaw::asked("", libc::SIGTERM) }
}

/// Finds it again.
pub fn with<T>(
    target: &Target,
    does: impl FnOnce(&Tracker, &Root) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let host = Host::open()?.ok_or_else(|| gone(target))?;
    let found = names::resolve(&host, &Names::one(&target.name), For::Look)?;
    let (t, root) = found.each(&host).find(|(t, r)| target.is(t, r)).ok_or_else(|| gone(target))?;
    does(t, root)
}

fn gone(target: &Target) -> Failure {
    let what =
        format!("nothing was done to '{}': it is not the service any more that was shown", target.name);
    Failure::new(Ending::Failed, what).why("it was forgotten, or another one has its name by now")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_say_what_is_done() {
        assert_eq!(Act::Signal(9).words("3 processes", "web"), "signal 3 processes of web with KILL");
        assert_eq!(Act::Freeze.words("1 process", "web"), "freeze 1 process of web");
        assert_eq!(Act::Thaw.words("1 process", "web"), "let 1 process of web go on");
    }
}

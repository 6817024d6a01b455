//! The keeper: a process that holds the links where they cannot be pinned (classic tracepoints before 5.15, everything before
//! 5.7). Maps and programs stay pinned, so one that is started again attaches the same programs to the same sets; what
//! happened between is a reason (`tracker-gap`).

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use killer_common::reason;

use super::attach::Links;
use super::pins::{self, PIN_ROOT, Paths, PinLock};
use super::programs::{Programs, namespace};
use super::{canary, load, sign};
use crate::keep::{Hooks, Keep, KeepError, Registry, Sets, Slot, What};
use crate::sys::{daemon, proc};

/// Environment variable: `1` lets links be held by a keeper where they could be pinned, too.
pub const KEEPER: &str = "KILLER_KEEPER";
/// How long a keeper may take to load.
const PATIENCE: Duration = Duration::from_secs(40);

/// The links of a tracker, held while it lives.
#[derive(Debug)]
pub struct Keeper {
    links: Links,
    again: bool,
}

/// True when the caller wants a keeper in any case.
pub(super) fn wanted() -> bool {
    std::env::var_os(KEEPER).is_some_and(|v| v == "1")
}

/// Starts a keeper in the background and waits until it holds the links.
pub(super) fn start(paths: &Paths) -> Result<(), KeepError> {
    let exe = std::env::current_exe().what("finding this program")?;
    let mut command = Command::new(exe);
    // What a service's launcher has open, a pipe say, must not stay open with the keeper.
    daemon::alone(&mut command);
    let mut child = command
        .args(["serve", "--detach"])
        .env(PIN_ROOT, &paths.root)
        .env(KEEPER, "1")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .what("starting a keeper ('killer serve')")?;
    let begun = Instant::now();
    while sign::alive(&paths.version()) != Some(true) {
        if let Ok(Some(status)) = child.try_wait() {
            let mut why = String::new();
            if let Some(mut e) = child.stderr.take() {
                let _ = std::io::Read::read_to_string(&mut e, &mut why);
            }
            let why = why.trim().strip_prefix("killer: ").unwrap_or(why.trim()).replace('\n', ";");
            return Err(KeepError::Kernel(format!("a keeper ('killer serve' ended with {status}: {why})")));
        }
        if begun.elapsed() > PATIENCE {
            return Err(KeepError::Kernel("a keeper ('killer serve' was not ready in time)".into()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

impl Keeper {
    /// Loads the tracker, or attaches what a dead keeper has left, and holds the links that cannot be pinned.
    pub fn take(paths: &Paths) -> Result<Self, KeepError> {
        proc::mounted().map_err(KeepError::Proc)?;
        namespace()?;
        pins::in_host_mounts(paths, || Self::take_here(paths))
    }

    fn take_here(paths: &Paths) -> Result<Self, KeepError> {
        load::place(paths)?;
        let _lock = PinLock::take(paths)?;
        paths.sweep();
        let v = paths.version();
        if v.is_dir() {
            return match sign::alive(&v) {
                None => Ok(Self { links: Links::Pins(v), again: false }),
                Some(true) => Err(KeepError::Kernel("a second keeper: one holds the links already".into())),
                Some(false) => Self::again(paths, &v),
            };
        }
        if !wanted() {
            match load::make(paths, &mut |dir| Links::Pins(dir.join("links")), &mut Vec::new()) {
                Err(KeepError::NeedsKeeper) => {}
                r => return r.map(|links| Self { links, again: false }),
            }
        }
        let links = load::make(paths, &mut |_| Links::Held(Vec::new()), &mut Vec::new())?;
        Ok(Self { links, again: false })
    }

    fn again(paths: &Paths, v: &Path) -> Result<Self, KeepError> {
        let t = Programs::open_in(paths, v)?;
        let progs = v.join("progs");
        let mut links = Links::Held(Vec::new());
        links.attach(&progs, t.tier(), t.can_skip())?;
        sign::withdraw(v);
        sign::note(v)?;
        for (slot, r) in t.roots() {
            if t.count(slot) != 0 {
                t.reason(Slot { slot, generation: r.generation }, reason::TRACKER_GAP)
                    .what("noting the gap")?;
            }
        }
        // Of a member: what a service has started must not end with the service.
        let _ = t.leave();
        canary::sing(&t).map_err(|why| KeepError::Refused { name: "the canary".into(), why })?;
        if let Err(e) = t.repair() {
            log::warn!("after the gap the sets could not be compared with the host: {e}");
        }
        Ok(Self { links, again: true })
    }

    /// Links that end with this process; 0: they are pinned, and nobody has to hold them.
    pub fn held(&self) -> usize {
        match &self.links {
            Links::Held(v) => v.len(),
            Links::Pins(_) => 0,
        }
    }

    /// True when it has taken over what another has left.
    pub fn took_over(&self) -> bool {
        self.again
    }
}

//! How a service is asked to stop before it is signalled: by the command of `run --exec-stop`, else in the official way
//! of its init. Either runs as a control process of the service, so that what hangs in it ends with the others.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::Run;
use super::spared::STOPPING;
use crate::ask::Command;
use crate::ask::span::Span;
use crate::ending::Ending;
use crate::host::failure::Failure;
use crate::host::record::StopRecord;
use crate::host::{models, start, wait};
use crate::kill::Waited;
use crate::lineage::Lineage;
use crate::lookup::official::Official;
use crate::lookup::{process, trusted};
use crate::report::model::StopCommand;
use crate::sys::entry::Entry;
use crate::sys::{clean, clock, interrupt, proc_text};
use crate::tier::Tracker;

/// Runs a stop command in its directory. What it prints is no document of ours: it goes to stderr, or nowhere when
/// that is closed.
const ASK: &str = "if (: >&2); then exec >&2; else exec >/dev/null; fi; cd -- \"$1\" && eval \"$2\"";
/// Runs what stops a service officially, in the same way.
const OFFICIAL: &str = "if (: >&2); then exec >&2; else exec >/dev/null; fi; cd / && exec </dev/null \"$@\"";

/// How long a main process may take to end after its official command has.
const GRACE: Duration = Duration::from_secs(10);

impl Run<'_> {
    /// What is remembered of it, when it has a stop command.
    pub(super) fn kept(&self) -> Option<StopRecord> {
        Some(StopRecord::of(self.t, self.root.slot)).filter(|r| !r.command.is_empty() && self.s.command)
    }

    /// `TimedOut`: the escalation is to go on.
    pub(super) fn ask(&mut self) -> Result<Waited, Failure> {
        let (words, official, cmd) = match (self.kept(), self.official()) {
            (Some(r), _) => (r.command.clone(), false, self.remembered(r)),
            (None, Some((o, cmd))) => (o.words(), true, cmd),
            (None, None) => return Ok(Waited::TimedOut),
        };
        let mut said = StopCommand { command: words, official, exit_code: None, error: None };
        match start::join_one(self.t, &self.root, &cmd, |_| {}) {
            Err(f) => said.error = Some(f.why.map_or(f.what.clone(), |w| format!("{}: {w}", f.what))),
            Ok(started) => said.exit_code = attend(self.t, started.pid, self.s.timeout)?,
        }
        if said.exit_code != Some(0) {
            let how = match (&said.error, said.exit_code) {
                (Some(e), _) => e.clone(),
                (None, Some(c)) => format!("it ended with status {c}"),
                (None, None) => "it did not end in time".into(),
            };
            let which = if official { format!("'{}' ", said.command) } else { String::new() };
            self.report.notes.push(format!("the stop command {which}failed: {how}"));
        }
        if official && said.exit_code == Some(0) {
            self.grace();
        }
        self.report.command = Some(said);
        if let Some(sig) = interrupt::came() {
            return Ok(Waited::Interrupted(sig));
        }
        Ok(self.wait(Some(Duration::ZERO)))
    }

    /// A script may be done before the daemon is: what that gets from us meanwhile it would get twice.
    fn grace(&self) {
        if let Some(main) = models::main_of(self.t, &self.root) {
            let family = Lineage::new(self.t, self.root.clone());
            let limit = self.s.timeout.limit().map_or(GRACE, |l| l.min(GRACE));
            wait::wait(&family, wait::For::MainGone(main.process), Some(limit), self.tell);
        }
    }

    fn main_pid(&self) -> String {
        models::main_of(self.t, &self.root).map_or(String::new(), |m| m.process.pid.to_string())
    }

    fn remembered(&self, r: StopRecord) -> Command {
        Command {
            argv: ["/bin/sh", "-c", ASK, "stop", &r.dir, &r.command].map(Into::into).into(),
            env: vec![
                ("MAINPID".into(), self.main_pid().into()),
                ("KILLER_SERVICE".into(), (&self.root.name).into()),
            ],
            user: (!r.user.is_empty()).then_some(r.user),
            ..Command::default()
        }
    }

    /// The official way, when it is to be gone; what speaks against it is noted.
    fn official(&mut self) -> Option<(Official, Command)> {
        if !self.s.command || self.kept().is_some() {
            return None;
        }
        if let Some(why) = &self.way.refused {
            self.report.notes.push(format!("the stop command of its init is not run: {why}"));
        }
        let o = self.way.official.clone()?;
        if asked_by(&o) {
            log::info!(
                "{}: '{}' has asked for this stop, so it is not run",
                self.root.name,
                o.source.display()
            );
            return None;
        }
        let program = match program(&o.stop[0]) {
            Ok(program) => program,
            Err(why) => {
                self.report.notes.push(format!("the stop command '{}' is not run: {why}", o.words()));
                return None;
            }
        };
        let mut argv: Vec<OsString> = ["/bin/sh", "-c", OFFICIAL, "stop"].map(Into::into).into();
        argv.push(program);
        argv.extend(o.stop[1..].iter().cloned());
        let env = vec![
            ("PATH".into(), clean::PATH.into()),
            ("MAINPID".into(), self.main_pid().into()),
            ("KILLER_SERVICE".into(), (&self.root.name).into()),
            (STOPPING.into(), o.source.clone().into()),
        ];
        Some((o, Command { argv, env, clean: true, ..Command::default() }))
    }
}

/// True when this killer was called by the very script that it would run.
fn asked_by(o: &Official) -> bool {
    if std::env::var_os(STOPPING).is_some_and(|s| Path::new(&s) == o.source) {
        return true;
    }
    let Ok(source) = std::fs::canonicalize(&o.source) else { return false };
    let is = |pid: &u32| {
        let dir = Entry::open(*pid).and_then(|e| e.link("cwd")).unwrap_or_else(|_| "/".into());
        let mut words = proc_text::arguments(*pid).into_iter().filter(|w| w.contains('/'));
        words.any(|w| std::fs::canonicalize(dir.join(w)).is_ok_and(|p| p == source))
    };
    process::ancestors().iter().skip(1).any(is)
}

/// The path of a program that only root can have put there. The error says why it is not to be run.
fn program(name: &OsString) -> Result<OsString, String> {
    let word = name.to_string_lossy();
    let path = clean::find(&word).ok_or_else(|| format!("there is no {word} in {}", clean::PATH))?;
    let file = trusted::open(Path::new("/"), &path).map_err(|e| e.to_string())?;
    if !file.is_program() {
        return Err(format!("{} cannot be executed", path.display()));
    }
    Ok(path.into())
}

/// Waits for the stop command; `None` when it did not end in time: it is a member, and ends with the others.
fn attend(t: &Tracker, pid: i32, limit: Span) -> Result<Option<u8>, Failure> {
    let began = clock::monotonic_ns();
    loop {
        let gone = Duration::from_nanos(clock::monotonic_ns() - began);
        let rest = limit.limit().map_or(Duration::from_secs(1), |l| l.saturating_sub(gone));
        if let Some(status) = t.await_end(pid, rest.min(Duration::from_secs(1)))? {
            return Ok(Some(Ending::of_command(status).code()));
        }
        if interrupt::came().is_some() || limit.limit().is_some_and(|l| gone >= l) {
            return Ok(None);
        }
    }
}

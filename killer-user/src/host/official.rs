//! The official way to stop a service, and what its init or supervisor does when it ends in another way. A script of
//! the same name is not enough for what was adopted: something has to show that it is about these processes.

use std::path::Path;

use killer_common::record::{Member, R_ADOPTED, R_INSTANCE};

use super::main_process;
use super::record::StopRecord;
use super::rulebook;
use crate::lineage::{Lineage, Members};
use crate::lookup::official::{self, Init, Official};
use crate::lookup::trusted::{self, Refused};
use crate::lookup::{Root, pidfile, process};
use crate::sys::entry::Entry;
use crate::sys::{clean, proc_text};
use crate::tier::Tracker;

const ROOT: &str = "/";
/// So much of a script is read.
const SCRIPT: usize = 256 << 10;

/// Whose a service is, and, when something speaks against the official way, what.
#[derive(Debug, Default)]
pub struct Way {
    /// Whose.
    pub official: Option<Official>,
    /// Why the official way is not gone.
    pub refused: Option<String>,
}

impl Way {
    fn not(why: String) -> Self {
        Self { official: None, refused: Some(why) }
    }
}

/// Finds it out; root only: nobody else could go that way.
pub fn of(t: &Tracker, r: &Root) -> Way {
    if !rustix::process::geteuid().is_root() {
        return Way::default();
    }
    let kept = StopRecord::of(t, r.slot);
    if r.record.flags & (R_ADOPTED | R_INSTANCE) == 0 {
        // What was started here is its init's when it was started by the very script.
        let started = kept.command().unwrap_or_default();
        let first = Path::new(started.split(' ').next().unwrap_or_default());
        if !first.parent().is_some_and(|d| d.ends_with("init.d") || d.ends_with("rc.d")) {
            return Way::default();
        }
        let is = |o: &Official| first == o.source;
        let way = found(official::of(Path::new(ROOT), &r.name));
        return Way { official: way.official.filter(is), refused: None };
    }
    let members = outermost(t, r);
    if let Some(o) = members.iter().find_map(supervisor) {
        return found(o.map(Some));
    }
    let way = match rulebook::known(&r.name).filter(|k| r.is_instance() && !k.stop.is_empty()) {
        Some(k) => Way {
            official: Some(Official {
                init: Init::Script,
                stop: k.stop.iter().map(Into::into).collect(),
                source: k.file,
                pidfile: k.pidfile,
                started: true,
            }),
            refused: None,
        },
        None => found(official::of(Path::new(ROOT), &r.name)),
    };
    // What a rule has opened was seen to be started by it.
    let adopted = way.official.as_ref().filter(|_| r.record.flags & R_INSTANCE == 0);
    match adopted.map(|o| shown(t, r, o, &members)) {
        Some(Err(why)) => Way::not(why),
        _ => way,
    }
}

/// What is to be said of a service that has ended, and not in the official way. With `zap` OpenRC is told.
pub fn after(way: &Way, name: &str, zap: bool) -> Option<String> {
    match zap {
        true => Some(match &way.refused {
            Some(why) => format!("OpenRC was not told: {why}"),
            None => tell_openrc(way.official.as_ref()),
        }),
        false => next(name, way.official.as_ref()?),
    }
}

/// How what that says begins; for people who did not ask for more, too.
pub fn is_said(note: &str) -> bool {
    let begins = ["OpenRC ", "there is nothing to zap", "'rc-service "];
    note.contains(" starts it again: ") || begins.iter().any(|w| note.starts_with(w))
}

fn found(o: Result<Option<Official>, Refused>) -> Way {
    match o {
        Ok(official) => Way { official, refused: None },
        Err(why) => Way::not(why.to_string()),
    }
}

/// Members that no member has forked, the main process among them.
fn outermost(t: &Tracker, r: &Root) -> Vec<Member> {
    let main = main_process::of(t, r);
    let (all, own) = main_process::members(t, r);
    let mut v = main_process::outermost(&all, &own);
    v.extend(own.iter().filter(|m| main.is_some_and(|x| x.is(m))));
    v
}

/// What supervises a process: its parent, which is root's, in the directory of the service.
fn supervisor(m: &Member) -> Option<Result<Official, Refused>> {
    let parent = Entry::open(m.tgid).and_then(|e| e.stat()).ok()?.ppid as u32;
    if parent <= 1 || process::owner(parent) != Some(0) {
        return None;
    }
    match &proc_text::name(parent)[..] {
        b"runsv" | b"s6-supervise" | b"supervise" => {
            let dir = Entry::open(parent).and_then(|e| e.link("cwd")).ok()?;
            Some(official::supervised(Path::new(ROOT), &dir))
        }
        b"supervise-daemo" => {
            let name = proc_text::arguments(parent).into_iter().nth(1)?;
            official::of(Path::new(ROOT), &name).transpose()
        }
        _ => None,
    }
}

/// Something that shows that a script, or a supervisor, is about these processes: the number in its pidfile, or that
/// it names the program. The error says what is missing.
fn shown(t: &Tracker, r: &Root, o: &Official, outer: &[Member]) -> Result<(), String> {
    if let Some(named) = o.pidfile.as_deref().and_then(number) {
        let family = Lineage::new(t, r.clone());
        return match family.member(named) {
            Ok(Some(_)) => Ok(()),
            _ => Err(format!("'{}' is about process {named}, which is no member", o.words())),
        };
    }
    let text = trusted::open(Path::new(ROOT), &o.source)
        .map_err(|e| e.to_string())?
        .head(SCRIPT)
        .map_err(|e| e.to_string())?;
    // Its interpreter may be theirs, too.
    let body = &text[text.iter().position(|b| *b == b'\n').unwrap_or(0)..];
    let names = |path: &Path| {
        let path = path.to_string_lossy();
        let path = path.trim_end_matches(" (deleted)");
        // Of a host whose /bin is a link to /usr/bin.
        let short = path.strip_prefix("/usr").unwrap_or(path);
        body.windows(short.len()).any(|w| w == short.as_bytes())
    };
    let programs = outer.iter().filter_map(|m| Entry::open(m.tgid).and_then(|e| e.link("exe")).ok());
    match programs.into_iter().any(|p| names(&p)) {
        true => Ok(()),
        false => Err(format!("nothing in {} shows that it is about these processes", o.source.display())),
    }
}

/// The number of a living process that a pidfile of root's names.
fn number(path: &Path) -> Option<u32> {
    trusted::open(Path::new(ROOT), path).ok()?;
    let named = pidfile::named(path, &[0]).ok()?;
    crate::sys::alive::alive(named.pid, 0).then_some(named.pid)
}

/// In words what happens next to a service that was ended, and not in the official way; `None`: nothing.
fn next(name: &str, o: &Official) -> Option<String> {
    let words = match o.init {
        Init::SuperviseDaemon => format!("rc-service {name} stop"),
        _ => o.words(),
    };
    match o.init.again() {
        Some(by) => Some(format!("{by} starts it again: '{words}' prevents that")),
        None if o.init == Init::OpenRc && o.started => {
            let name = &o.stop[1].to_string_lossy();
            Some(format!("OpenRC believes that it is started: 'rc-service {name} zap' tells it otherwise"))
        }
        None => None,
    }
}

/// Tells OpenRC that a service has ended; what came of it, in words.
fn tell_openrc(o: Option<&Official>) -> String {
    let Some(o) = o.filter(|o| o.init == Init::OpenRc) else {
        return "there is nothing to zap: it is no service of OpenRC's".into();
    };
    let name = o.stop[1].to_string_lossy().into_owned();
    // As it is by now.
    if !official::of(Path::new(ROOT), &name).is_ok_and(|o| o.is_some_and(|o| o.started)) {
        return "there is nothing to zap: OpenRC does not believe that it is started".into();
    }
    let words = format!("'rc-service {name} zap'");
    match clean::run("rc-service", &[&name, "zap"], ZAP) {
        Ok(Some(0)) => format!("OpenRC was told that it has ended: {words}"),
        Ok(Some(status)) => format!("{words} failed: it ended with status {status}"),
        Ok(None) => format!("{words} failed: it did not end in time"),
        Err(e) => format!("{words} failed: {e}"),
    }
}

/// How long that may take.
const ZAP: std::time::Duration = std::time::Duration::from_secs(20);

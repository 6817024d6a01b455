//! Late start: services that ran before the rules were there are adopted. What is certain and what is a guess are two things: a guess
//! is only told, unless it is asked for, and what was taken in by a guess says so for good.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use killer_common::reason;

use super::find::Known;
use super::place;
use crate::host::{self, Failure, Host, Tell};
use crate::keep::Candidate;
use crate::lookup::trusted::{self, Top};
use crate::lookup::{pidfile, process, registry};
use crate::report::escape::text;
use crate::report::message;
use crate::rules::same;
use crate::sys::entry::{self, Entry};
use crate::sys::{clock, proc_text};
use crate::tier::Tracker;

/// Bytes of a script that are searched for its program.
const SCRIPT: usize = 64 << 10;
/// `PF_KTHREAD`
const PF_KTHREAD: u32 = 0x0020_0000;
/// Programs that start `./run` again and again.
const SUPERVISORS: [&str; 3] = ["runsv", "s6-supervise", "supervise"];

/// A process as it looks.
#[derive(Clone, Debug)]
struct Look {
    pid: u32,
    parent: u32,
    start_ticks: u64,
    /// Its program, without the note that the file is gone.
    exe: Option<String>,
    comm: String,
    /// Its group by OpenRC.
    openrc: Option<String>,
}

/// A process that is a service's, and how that is known.
#[derive(Clone, Debug)]
struct Taken<'k> {
    known: &'k Known,
    first: Candidate,
    /// Others that descend from none of its.
    more: Vec<Candidate>,
    how: String,
    certain: bool,
}

/// Takes in what runs already of these services; answers what was done, in sentences.
pub fn adopt(known: &[Known], guess: bool, tell: &dyn Tell) -> Result<Vec<String>, Failure> {
    let Some(host) = Host::open()? else { return Ok(Vec::new()) };
    let live = registry::all(&host).into_iter().filter(|r| host.count(r.slot.slot) != 0);
    let live: HashSet<String> = live.map(|r| r.name).collect();
    let looks = looks(&host);
    let top = place::top()?;
    let mut found: Vec<Taken<'_>> = Vec::new();
    for k in known.iter().filter(|k| !live.contains(&k.name)) {
        // A name can have several rules.
        if found.iter().all(|t| t.known.name != k.name) {
            found.extend(certain(&top, k, &looks));
        }
    }
    let sure: HashSet<u32> = found.iter().map(|t| t.first.pid).collect();
    for k in known.iter().filter(|k| !live.contains(&k.name)) {
        if found.iter().all(|t| t.known.name != k.name) {
            found.extend(guessed(k, &looks).filter(|t| !sure.contains(&t.first.pid)));
        }
    }
    // What is certain first; and of each the youngest, because a process goes with the service that is nearest above it.
    found.sort_by_key(|t| (!t.certain, std::cmp::Reverse(t.first.start_ticks)));
    let mut notes = Vec::new();
    for t in &found {
        let line = match t.certain || guess {
            true => take(&host, t),
            false => format!(
                "'{}' may be process {} ({}): not adopted; 'killer up --rules --guess' adopts it",
                t.known.name, t.first.pid, t.how
            ),
        };
        tell.message(&message::render(&line, None, None));
        notes.push(line);
    }
    Ok(notes)
}

fn take(host: &Host, t: &Taken<'_>) -> String {
    let (name, pid) = (&t.known.name, t.first.pid);
    let adopted = match host::adopt::adopt(host, name, &t.first, false) {
        Ok(a) => a,
        Err(f) => {
            let why = f.why.map(|w| format!(": {w}")).unwrap_or_default();
            return format!("'{name}' (process {pid}, {}) could not be adopted: {}{why}", t.how, f.what);
        }
    };
    let more = t.more.iter().filter(|c| host.adopt(adopted.slot, **c, None).is_ok()).count();
    let others = if more > 0 { format!(" and {more} more") } else { String::new() };
    match t.certain {
        true => format!("'{name}' is adopted: process {pid}{others} ({})", t.how),
        false => {
            // Whoever looks at the service is told.
            let _ = host.reason(adopted.slot, reason::ADOPT_UNSURE);
            format!("'{name}' is adopted by a guess: process {pid}{others} ({})", t.how)
        }
    }
}

/// Every process that is in no service yet.
fn looks(t: &Tracker) -> Vec<Look> {
    let all = entry::everybody().unwrap_or_default();
    all.into_iter().filter(|p| *p != 1 && t.member(*p).is_ok_and(|m| m.is_none())).filter_map(look).collect()
}

fn look(pid: u32) -> Option<Look> {
    let e = Entry::open(pid).ok()?;
    let stat = e.stat().ok().filter(|s| s.flags & PF_KTHREAD == 0)?;
    let exe = e.link("exe").ok().map(|p| p.to_string_lossy().trim_end_matches(" (deleted)").to_owned());
    let cgroups = e.text("cgroup").unwrap_or_default();
    Some(Look {
        pid,
        parent: stat.ppid as u32,
        start_ticks: clock::host_ticks(stat.starttime),
        exe,
        comm: stat.comm,
        openrc: openrc(&cgroups),
    })
}

/// The service that OpenRC has put a process into: its own hierarchy, or its directory in the unified one.
fn openrc(cgroups: &str) -> Option<String> {
    cgroups.lines().find_map(|l| {
        let (_, rest) = l.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let name = match controllers {
            "name=openrc" => path.strip_prefix('/')?,
            "" => path.strip_prefix("/openrc.")?,
            _ => return None,
        };
        Some(name.split('/').next()?.to_owned()).filter(|n| !n.is_empty())
    })
}

fn candidate(l: &Look) -> Option<Candidate> {
    let c = process::open(l.pid, None).ok()?;
    (c.start_ticks == l.start_ticks).then_some(c)
}

/// Every word for a service.
fn names(k: &Known) -> Vec<String> {
    let all =
        std::iter::once(k.name.clone()).chain(k.aliases.iter().cloned()).chain(k.provides.iter().cloned());
    all.chain(same(&k.name).map(String::from)).collect()
}

/// True for a file that only root can have put there.
fn of_root(file: &Path) -> bool {
    trusted::open(Path::new("/"), file).is_ok()
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// True when a process runs what the service is: a program of its rule, or one that its script names.
fn runs(k: &Known, l: &Look) -> bool {
    if is_program(k, l) {
        return true;
    }
    let Some(exe) = l.exe.as_ref().filter(|_| k.script) else { return false };
    if names(k).iter().any(|n| n == base(exe)) {
        return true;
    }
    let script = Top::host().and_then(|t| t.walk(&k.file)).and_then(|f| f.head(SCRIPT)).unwrap_or_default();
    let script = String::from_utf8_lossy(&script);
    let mut words = script.split(|c: char| c.is_whitespace() || matches!(c, '=' | '"' | '\'' | ';'));
    // Of a host whose /bin is a link to /usr/bin.
    let short = exe.strip_prefix("/usr").unwrap_or(exe);
    words.any(|w| w == exe || w == short)
}

/// True when it runs one of the programs of a rule; a program that is a script is run by its interpreter.
fn is_program(k: &Known, l: &Look) -> bool {
    k.programs.iter().any(|p| {
        let real = std::fs::canonicalize(p).unwrap_or_else(|_| p.clone());
        l.exe.as_ref().is_some_and(|e| Path::new(e) == real)
            || proc_text::arguments(l.pid).iter().take(3).any(|a| Path::new(a) == p)
    })
}

fn certain<'k>(top: &Top, k: &'k Known, looks: &[Look]) -> Option<Taken<'k>> {
    by_supervisor(k, looks).or_else(|| by_pidfile(top, k, looks)).or_else(|| by_group(k, looks))
}

/// What a supervisor has started: the number that it has noted in its service directory, or the only child of the one that works
/// there.
fn by_supervisor<'k>(k: &'k Known, looks: &[Look]) -> Option<Taken<'k>> {
    if !k.supervised {
        return None;
    }
    // Anybody can call a process so, and have it work there.
    let is = |l: &&Look| SUPERVISORS.contains(&l.comm.as_str()) && process::owner(l.pid) == Some(0);
    let file = k.file.join("supervise/pid");
    let noted = Top::host().ok().and_then(|t| of_file(&t, &file, looks));
    let noted = noted.filter(|l| looks.iter().find(|p| p.pid == l.parent).is_some_and(|p| is(&p)));
    let child = || {
        let dir = std::fs::canonicalize(&k.file).ok()?;
        let there = |l: &&Look| Entry::open(l.pid).and_then(|e| e.link("cwd")).is_ok_and(|d| d == dir);
        let above = looks.iter().filter(is).find(there)?;
        let mut all = looks.iter().filter(|l| l.parent == above.pid);
        all.next().filter(|_| all.next().is_none())
    };
    let l = noted.or_else(child)?;
    let how = format!("by its supervisor in {}", k.file.display());
    Some(Taken { known: k, first: candidate(l)?, more: Vec::new(), how, certain: true })
}

/// The process that a pidfile of root's means.
fn of_file<'l>(top: &Top, file: &Path, looks: &'l [Look]) -> Option<&'l Look> {
    let f = top.walk(file).ok()?;
    let c = pidfile::open_at(&f.dir, f.name.as_ref()?, &[0])
        .map_err(|e| log::info!("{}: {e}", file.display()))
        .ok()?;
    looks.iter().find(|l| (l.pid, l.start_ticks) == (c.pid, c.start_ticks))
}

fn by_pidfile<'k>(top: &Top, k: &'k Known, looks: &[Look]) -> Option<Taken<'k>> {
    let told = k.pidfile.as_ref().and_then(|p| Some((p.clone(), of_file(&Top::host().ok()?, p, looks)?)));
    let usual = names(k).into_iter().filter(|n| !n.contains('/')).flat_map(|n| {
        let own = PathBuf::from("/run").join(&n);
        [PathBuf::from(format!("/run/{n}.pid")), own.join(format!("{n}.pid")), own.join("pid")]
    });
    let found =
        told.or_else(|| usual.into_iter().find_map(|p| Some((top.shown(&p), of_file(top, &p, looks)?))));
    let (file, l) = found.filter(|(_, l)| runs(k, l))?;
    let how = format!("by {}", file.display());
    Some(Taken { known: k, first: candidate(l)?, more: Vec::new(), how, certain: true })
}

/// What OpenRC has started, by its group: of a session that a daemon has left there only what runs the service's program.
fn by_group<'k>(k: &'k Known, looks: &[Look]) -> Option<Taken<'k>> {
    let its = |l: &&Look| l.openrc.as_deref() == Some(&k.name);
    let inside: HashSet<u32> = looks.iter().filter(its).map(|l| l.pid).collect();
    let tops: Vec<&Look> = looks.iter().filter(its).filter(|l| !inside.contains(&l.parent)).collect();
    let own: Vec<&Look> = tops.iter().copied().filter(|l| runs(k, l)).collect();
    let mut all = if own.is_empty() { tops } else { own };
    all.sort_by_key(|l| l.start_ticks);
    let mut all = all.into_iter().filter_map(candidate);
    let first = all.next()?;
    Some(Taken {
        known: k,
        first,
        more: all.collect(),
        how: "by its group name=openrc".into(),
        certain: true,
    })
}

/// The one process that runs a program of the service's name, and was started by no other such. Processes of `killer` itself are
/// no guess, though its boot script is called as they are: one of them is the caller.
fn guessed<'k>(k: &'k Known, looks: &[Look]) -> Option<Taken<'k>> {
    let all = names(k);
    let own = look(std::process::id()).and_then(|l| l.exe);
    let fits = |l: &&Look| match &l.exe {
        Some(e) if own.as_ref() == Some(e) => false,
        _ if !k.programs.is_empty() => is_program(k, l),
        // A program of that name that somebody else has put there is no guess of ours.
        Some(e) => all.iter().any(|n| n == base(e)) && of_root(Path::new(e)),
        None => false,
    };
    let its: HashSet<u32> = looks.iter().filter(fits).map(|l| l.pid).collect();
    let tops: Vec<&Look> = looks.iter().filter(fits).filter(|l| !its.contains(&l.parent)).collect();
    let [one] = tops[..] else { return None };
    let how = format!("it runs {}", text(one.exe.as_deref().unwrap_or(&one.comm)));
    Some(Taken { known: k, first: candidate(one)?, more: Vec::new(), how, certain: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_openrc() {
        let hybrid = "12:memory:/\n1:name=openrc:/ssh\n0::/ssh\n";
        assert_eq!(openrc(hybrid).as_deref(), Some("ssh"));
        assert_eq!(openrc("0::/openrc.cron/x\n").as_deref(), Some("cron"));
        for none in ["0::/system.slice/cron.service\n", "1:name=openrc:/\n", "", "garbage"] {
            assert_eq!(openrc(none), None, "{none}");
        }
    }
}

//! The main process that a pidfile of the host names: the one of the service's script, supervisor or rule, else the one
//! file below /run. A number decides nothing: the process has to be a member of this very root, started before the
//! file was written.

use std::path::Path;

use killer_common::record::{B_CONTROL, Member};

use super::record::wall_second;
use super::rulebook;
use crate::keep::Slot;
use crate::lookup::pidfile::{self, Named};
use crate::lookup::trusted::{self, Refused};
use crate::lookup::{Root, below_run, official};
use crate::sys::alive::Identity;
use crate::tier::Tracker;

/// What was found.
#[derive(Debug, Default)]
pub struct Written {
    /// The member that pidfiles name; nobody when none does, or when they name several.
    pub main: Option<Identity>,
    /// What is not believed, and why, in words.
    pub refused: Vec<String>,
}

/// Looks at all of them.
pub fn look(t: &Tracker, r: &Root) -> Written {
    let mut w = Written::default();
    if t.count(r.slot.slot) == 0 {
        return w;
    }
    if let Some(m) = of_script(t, r, &mut w.refused) {
        w.main = Some(Identity::of(&m));
        return w;
    }
    let found = below_run::naming(Path::new(below_run::RUN), &|n| judge(t, r, n).map(drop));
    w.refused.extend(found.refused);
    let member = |pid: &u32| t.member(*pid).ok().flatten().filter(|m| is_of(r, m));
    let mut named: Vec<Identity> =
        found.files.iter().filter_map(|(_, pid)| member(pid)).map(|m| Identity::of(&m)).collect();
    named.sort_unstable();
    named.dedup();
    match named[..] {
        [] => {}
        [one] => w.main = Some(one),
        _ => {
            let names: Vec<String> =
                found.files.iter().map(|(p, pid)| format!("{} ({pid})", p.display())).collect();
            w.refused.push(format!("several pidfiles name members of it: {}", names.join(", ")));
        }
    }
    w
}

/// By the pidfile that the service's own script or supervisor says.
fn of_script(t: &Tracker, r: &Root, refused: &mut Vec<String>) -> Option<Member> {
    let by_rule = if r.is_instance() { rulebook::known(&r.name).and_then(|k| k.pidfile) } else { None };
    let path = match official::of(Path::new("/"), &r.name) {
        _ if by_rule.is_some() => by_rule?,
        Ok(o) => o?.pidfile?,
        Err(why) => {
            refused.push(format!("no pidfile is looked for in its script: {why}"));
            return None;
        }
    };
    let found = match trusted::open(Path::new("/"), &path) {
        Ok(_) => pidfile::named(&path, &[0]).map_err(|e| e.to_string()),
        // It is not written yet, or removed.
        Err(Refused::Missing(_)) => return None,
        Err(e) => Err(e.to_string()),
    };
    let judged = found.and_then(|n| match judge(t, r, &n) {
        Err(why) if why.is_empty() => Err(format!("process {} is no member", n.pid)),
        judged => judged,
    });
    judged.map_err(|why| refused.push(format!("pidfile {} is not believed: {why}", path.display()))).ok()
}

/// The member that a file means. The error says why it is not believed; nothing in it: the number is a stranger's.
fn judge(t: &Tracker, r: &Root, n: &Named) -> Result<Member, String> {
    let m = t.member(n.pid).ok().flatten().filter(|m| is_of(r, m)).ok_or_else(String::new)?;
    if m.flags & B_CONTROL != 0 {
        return Err(format!("process {} is a control process", n.pid));
    }
    // An adopted one was born before it became a member.
    let began = if m.leader_start != 0 { m.leader_start } else { m.born };
    if n.is_before(wall_second(began)) {
        return Err(format!("it was written before process {} started, so it means another one", n.pid));
    }
    Ok(m)
}

fn is_of(r: &Root, m: &Member) -> bool {
    Slot { slot: m.root, generation: m.generation } == r.slot
}

//! `list`, `status`, `tree`, `wait`: they look and change nothing.

use killer_common::record::Member;

use super::failure::{Failure, code};
use super::{
    Screen, doubt, exact, facts, find, frozen, kill, look, not_exact, service, unknown_untracked, unsound,
    waiting,
};
use crate::cli::{Output, Until};
use crate::kill::Waited;
use crate::lineage::{self, Family, Lineage};
use crate::parse::signal;
use crate::parse::span::Span;
use crate::report::model::{LastKill, Node, SCHEMA_VERSION, Services, Status, Tree};
use crate::report::{graph, human};
use crate::target::{Root, registry};
use crate::tier::Tracker;

/// Every tracked service.
pub fn list(screen: &Screen) -> Result<u8, Failure> {
    let services = match look()? {
        Some(t) => {
            let all = registry::all(&t).iter().map(|r| facts::service(&t, r)).collect();
            unsound(&t)?;
            all
        }
        None => Vec::new(),
    };
    let l = Services { version: SCHEMA_VERSION, kind: "list", services };
    screen.data(&l, |s| human::services(&l, s));
    Ok(0)
}

/// Members of a root as they were forked.
fn forest(t: &Tracker, r: &Root) -> Result<Vec<Node>, Failure> {
    let family = Lineage::new(t, r.clone());
    let members = family.members(&family.listed());
    let dead = t.dead()?;
    let slots: Vec<(u32, u32)> =
        family.slots().iter().map(|&s| (s, t.slot(s).map_or(0, |x| x.generation))).collect();
    let tree = lineage::tree(&members, &dead, &|slot, generation| slots.contains(&(slot, generation)));
    let main = facts::main_of(t, r);
    unsound(t)?;
    let home = home(&members, main).and_then(|m| lineage::describe(&m));
    Ok(facts::nodes(t, &tree, main, home.as_ref()))
}

/// What members are compared with: the main process, else the oldest member.
pub fn home(members: &[Member], main: Option<(u32, u64)>) -> Option<Member> {
    let of_main = members.iter().find(|m| main == Some((m.tgid, m.leader_start)));
    of_main.or_else(|| members.iter().min_by_key(|m| m.born)).copied()
}

/// One service.
pub fn status(name: &str, require_exact: bool, screen: &Screen) -> Result<u8, Failure> {
    let (t, r) = find(name)?;
    let service = facts::service(&t, &r);
    let main = facts::main_of(&t, &r);
    let main_process = main.and_then(|m| t.member(m.0).ok().flatten()).map(|m| facts::process(&t, &m, main));
    let contains = registry::family(&t, r.slot.slot)
        .into_iter()
        .skip(1)
        .filter_map(|s| registry::in_slot(&t, s))
        .map(|r| r.name)
        .collect();
    let supervised = r.record.flags & service::SUPERVISED != 0 && exact::owner_lives(&r.record);
    let k = &r.record;
    let last_kill = (k.last_at != 0).then(|| LastKill {
        signal: signal::name(k.last_signal as i32),
        uid: k.last_uid,
        at: facts::when(k.last_at),
        age_s: facts::seconds_since(k.last_at),
        exit_code: k.last_outcome,
    });
    let s = Status {
        version: SCHEMA_VERSION,
        kind: "status",
        main: main_process,
        tier: t.tier().name(),
        contains,
        gated: t.gated(r.slot.slot),
        supervisor: supervised.then_some(k.owner_tgid),
        frozen: frozen::state(&t, &r)?,
        notes: lineage::unsettled(&Lineage::new(&t, r.clone()))
            .iter()
            .map(|(m, sig)| kill::unknown_outcome(m, *sig))
            .collect(),
        last_kill,
        tree: forest(&t, &r)?,
        service,
    };
    screen.data(&s, |style| human::status(&s, style));
    if s.service.counts.tasks == 0 {
        return Ok(code::DEAD);
    }
    if require_exact && !s.service.exactness.exact {
        return Err(not_exact(name, &s.service.exactness));
    }
    Ok(0)
}

/// The lineage.
pub fn tree(name: &str, screen: &Screen) -> Result<u8, Failure> {
    let (t, r) = find(name)?;
    let tree = Tree { version: SCHEMA_VERSION, kind: "tree", service: r.name.clone(), tree: forest(&t, &r)? };
    screen.data(&tree, |s| match screen.output() {
        Output::Dot => graph::dot(&tree),
        Output::Mermaid => graph::mermaid(&tree),
        _ => human::tree(&tree, s),
    });
    Ok(0)
}

/// Waits on kernel events.
pub fn wait(name: &str, what: Until, limit: Option<Span>, screen: &Screen) -> Result<u8, Failure> {
    let Some(t) = look()? else { return Err(unknown_untracked(name)) };
    let r = registry::named(&t, name).ok_or_else(|| super::unknown(&t, name))?;
    let f = Lineage::new(&t, r);
    let what = match what {
        Until::Empty => waiting::For::Empty,
        Until::MainGone => waiting::For::MainGone,
        Until::Size(n) => waiting::For::Size(n),
    };
    match waiting::wait(&f, what, limit.and_then(Span::limit), screen.quiet) {
        Waited::Done if what == waiting::For::MainGone => Ok(0),
        Waited::Done => doubt::after(&t, f.root(), crate::kill::empty(&f)).map_or(Ok(0), Err),
        Waited::TimedOut => {
            let n = f.listed().len() as u64;
            Err(Failure::new(
                code::TIMEOUT,
                format!(
                    "'{name}': {} after the timeout",
                    human::count(n, "process lives on", "processes live on")
                ),
            )
            .next(format!("'killer status {name}' shows them")))
        }
        Waited::Interrupted(sig) => Ok(128 + sig as u8),
    }
}

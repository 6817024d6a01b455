//! `why`: the forks that lead to a process.

use std::collections::{BTreeMap, HashMap};

use killer_common::record::{B_ADOPTED, B_CONTROL, B_MAIN, Ending as Left, Member, TaskKey};
use killer_common::recorder::Node;

use super::failure::Failure;
use super::main_process::Main;
use super::models;
use super::open::Host;
use super::recorded::{self, Recorded};
use super::{certainty, elsewhere, ended, unseen};
use crate::ending::Ending;
use crate::keep::Scope;
use crate::lineage::{self, Ancestry, Link};
use crate::lookup::process::{self, ProcessError};
use crate::lookup::{Root, registry};
use crate::report::human;
use crate::report::model::{self, SCHEMA_VERSION, Why};
use crate::sys::alive::{Identity, Look, look};
use crate::sys::{clock, proc_text};
use crate::tier::Tracker;

/// So many processes of a line are shown at each end of it.
const ENDS: usize = 50;

/// The line to a process, alive or ended. `all`: not only its two ends.
pub fn why((pid, inode): (u32, Option<u64>), all: bool) -> Result<Why, Failure> {
    let Some(host) = Host::open()? else { return Err(unknown(None, pid, inode)) };
    let (others, unseen) = elsewhere::trackers(&host)?;
    let mut found = None;
    for t in std::iter::once(&*host).chain(others.iter().map(|o| &**o)) {
        found = of(t, pid, inode, all)?;
        certainty::sound(t)?;
        if found.is_some() {
            break;
        }
    }
    // Of a member that has ended another process may have the number.
    if !found.as_ref().is_some_and(|f| f.alive)
        && let Some(other) = recorded_only(&host, pid, inode, all)?.filter(|o| o.alive || found.is_none())
    {
        return Ok(other);
    }
    if let Some(found) = found {
        return Ok(found);
    }
    if let Some(f) = left(&host, pid, inode) {
        return Err(f);
    }
    match unseen.first() {
        None => {
            Err(unseen::incomplete(&unseen::versions()).unwrap_or_else(|| unknown(Some(&*host), pid, inode)))
        }
        Some(why) => {
            Err(Failure::new(Ending::Failed, format!("whether process {pid} is tracked is not known"))
                .why(why.clone())
                .next("give the command as root"))
        }
    }
}

/// One that has just ended, and has forked nobody who lives: of such a one no line is kept.
fn left(t: &Tracker, pid: u32, inode: Option<u64>) -> Option<Failure> {
    let all = t.past()?.left_last(&|_| true);
    let it = all.iter().find(|e| e.tgid == pid && inode.is_none_or(|i| e.inode == i))?;
    let service = registry::in_slot(t, it.root).filter(|r| r.slot.generation == it.generation)?.name;
    let how = ended::known(t, pid, it.start).map(|e| human::how(&e)).unwrap_or_default();
    Some(
        Failure::new(
            Ending::Failed,
            format!("process {pid} has ended{how}: it was a member of service '{service}'"),
        )
        .why("a line is remembered only of those of the dead that have forked somebody")
        .next(format!("'killer ledger {service}' shows who has ended and how")),
    )
}

/// Nobody that is or was a member has that number.
fn unknown(t: Option<&Tracker>, pid: u32, inode: Option<u64>) -> Failure {
    let which = inode.map_or_else(|| pid.to_string(), |i| format!("{pid} with inode {i}"));
    match process::open(pid, inode) {
        Ok(_) => {}
        Err(ProcessError::Gone(_) | ProcessError::Inode { .. }) => {
            return Failure::new(Ending::Failed, format!("no process {which} is known"))
                .why("it is no member of a service, and none that has ended is remembered with that number")
                .next("'killer tree NAME' shows who is remembered of a service");
        }
        Err(e) => {
            return Failure::new(Ending::Failed, format!("process {pid} is no member of a service"))
                .why(e.to_string());
        }
    }
    let name = proc_text::shown(&proc_text::name(pid));
    Failure::new(Ending::Failed, format!("process {pid} ({name}) is no member of a service"))
        .why(not_recorded(t))
        .next(format!("'killer adopt NAME --pid {pid}' tracks it from now on, with what it forks"))
}

/// Why nobody knows who forked one that lives.
fn not_recorded(t: Option<&Tracker>) -> String {
    let recording = t.and_then(|t| t.records()).and_then(|r| r.recording().ok().flatten());
    let missed = recording.filter(|r| r.scope == Scope::Everybody).map(|r| recorded::missed(&r));
    match missed.filter(|m| !m.is_empty()) {
        Some(missed) => format!("the recorder has missed who forked it: {}", missed.join(", ")),
        None => "who forked it was not recorded: it was not tracked then".into(),
    }
}

fn of(t: &Tracker, pid: u32, inode: Option<u64>, all: bool) -> Result<Option<Why>, Failure> {
    let dead = t.past().map(|p| p.dead()).transpose()?.unwrap_or_default();
    let is = |l: &Link| inode.is_none_or(|i| l.member.inode == i);
    let mut had: Vec<Link> = t.member(pid)?.map(|member| Link { member, ended: None }).into_iter().collect();
    had.extend(lineage::ended_with(pid, &dead));
    let Some(at) = had.iter().position(is) else { return Ok(None) };
    let it = had.remove(at);
    let (recorded, mut between) = (Recorded::read(t)?, None);
    let mut line = lineage::ancestry(it, &dead, |pid| t.member(pid))?;
    // What came before the service, and members that are no longer known as such.
    let above = recorded.as_ref().zip(line.links.first()).map(|(r, l)| r.line(r.creator(&l.member)));
    if let Some(above) = above.filter(|a| !a.nodes.is_empty()) {
        line.links.splice(0..0, above.nodes.iter().map(recorded::link));
        line.missing = above.missing;
        between = above.between;
    }
    Ok(Some(shown(t, (recorded, between), (pid, it), (line, &had), all)))
}

/// One that has ended belonged to the service that it left last.
fn was_member(mut l: Link, left: &[Left]) -> Link {
    let m = &mut l.member;
    if let Some(e) =
        left.iter().find(|e| (e.tgid, e.start) == (m.tgid, m.leader_start)).filter(|_| m.ended != 0)
    {
        (m.root, m.generation) = (e.root, e.generation);
    }
    l
}

/// One that is a member of nothing, as the recorder has it.
fn recorded_only(t: &Tracker, pid: u32, inode: Option<u64>, all: bool) -> Result<Option<Why>, Failure> {
    let Some(recorded) = Recorded::read(t)? else { return Ok(None) };
    let left = t.past().map(|p| p.left_last(&|_| true)).unwrap_or_default();
    let of_service = |n: &Node| was_member(recorded::link(n), &left);
    let mut had = recorded.with(pid, inode).into_iter().map(of_service);
    let Some(it) = had.next() else { return Ok(None) };
    let had: Vec<Link> = had.collect();
    let line = recorded.line(Identity::of(&it.member));
    let links = line.nodes.iter().map(of_service).collect();
    let between = line.between;
    let line = Ancestry { links, missing: line.missing };
    Ok(Some(shown(t, (Some(recorded), between), (pid, it), (line, &had), all)))
}

/// Everybody on the lines to these members, with what they have executed, the oldest first; nobody where nothing is recorded.
pub fn lines(t: &Tracker, members: &[Member]) -> std::io::Result<Vec<model::Ancestor>> {
    let Some(recorded) = Recorded::read(t)? else { return Ok(Vec::new()) };
    let all = members.iter().flat_map(|m| recorded.line(Identity::of(m)).nodes);
    let all: BTreeMap<_, _> = all.map(|n| ((n.born, n.key), n)).collect();
    let mut services = Services { t, recorded: Some(recorded), between: None, known: HashMap::new() };
    let of = |n| {
        let link = recorded::link(n);
        let member = members.iter().find(|m| Identity::of(m) == Identity::of(&link.member));
        member.map_or(link, |m| Link { member: *m, ..link })
    };
    Ok(all.values().map(|n| services.link(&of(n))).collect())
}

/// A line as a model; `had`: others that had the number.
fn shown(
    t: &Tracker,
    (recorded, between): (Option<Recorded<'_>>, Option<(TaskKey, u32)>),
    (pid, it): (u32, Link),
    (line, had): (Ancestry, &[Link]),
    all: bool,
) -> Why {
    let mut services = Services { t, recorded, between, known: HashMap::new() };
    let root = services.root(&it.member);
    let left_out = if all { 0 } else { line.links.len().saturating_sub(2 * ENDS) };
    // Above whom some are no longer known is always said.
    let below_a_gap =
        |m: &Member| between.is_some_and(|(k, _)| (k.tgid, k.start) == (m.tgid, m.leader_start));
    let shown = |i: usize| left_out == 0 || i < ENDS || i >= line.links.len() - ENDS;
    let chain = line.links.iter().enumerate().filter(|(i, l)| shown(*i) || below_a_gap(&l.member));
    let chain: Vec<_> = chain.map(|(_, l)| services.link(l)).collect();
    let mut inside = Vec::new();
    let mut outer = root.as_ref().map_or(0, |r| r.record.parent);
    while let Some(r) = registry::in_slot(t, outer).filter(|_| outer != 0) {
        outer = r.record.parent;
        inside.push(r.name);
    }
    Why {
        version: SCHEMA_VERSION,
        kind: "why",
        pid,
        alive: it.ended.is_none(),
        member: it.member.root != 0,
        service: root.as_ref().map(|r| r.name.clone()).unwrap_or_default(),
        inside,
        exactness: root.as_ref().map(|r| models::exactness(t, r)),
        unknown_ancestors: line.missing,
        others: had.iter().map(|l| services.process(&l.member)).collect(),
        left_out: (line.links.len() - chain.len()) as u64,
        chain,
    }
}

/// Roots of a tracker, each looked up once.
struct Services<'a> {
    t: &'a Tracker,
    recorded: Option<Recorded<'a>>,
    /// Before this one some are no longer known.
    between: Option<(TaskKey, u32)>,
    known: HashMap<(u32, u32), Option<Known>>,
}

/// A root and its main process.
type Known = (Root, Option<Main>);

impl Services<'_> {
    fn of(&mut self, m: &Member) -> Option<&Known> {
        let t = self.t;
        let look = || {
            let root = registry::in_slot(t, m.root).filter(|r| r.slot.generation == m.generation)?;
            let main = models::main_of(t, &root);
            Some((root, main))
        };
        self.known.entry((m.root, m.generation)).or_insert_with(look).as_ref()
    }

    /// The root of a member; `None`: its service has been forgotten.
    fn root(&mut self, m: &Member) -> Option<Root> {
        self.of(m).map(|(r, _)| r.clone())
    }

    fn process(&mut self, m: &Member) -> model::Process {
        let known = self.of(m).map(|(r, main)| (r.name.clone(), *main));
        let process = models::process(self.t, m, known.as_ref().and_then(|(_, main)| *main));
        // The slot may be another service's by now.
        model::Process { service: known.map(|(name, _)| name).unwrap_or_default(), ..process }
    }

    fn link(&mut self, l: &Link) -> model::Ancestor {
        let m = &l.member;
        let instance = self.of(m).is_some_and(|(r, _)| r.is_instance());
        let mut process = self.process(m);
        let (mut program, mut euid) = (None, None);
        if l.ended.is_none()
            && let Look::Here(e, _) = look(m.tgid, m.leader_start)
        {
            process.command = proc_text::line(&proc_text::arguments_of(&e));
            program = e.link("exe").ok().map(|p| p.to_string_lossy().into_owned());
            euid = e.status().ok().map(|s| s.euid);
        }
        let id = Identity::of(m);
        let (executed, executed_left_out) =
            self.recorded.as_ref().map(|r| r.executed(id)).unwrap_or_default();
        let end = || ended::known(self.t, m.tgid, m.leader_start).or_else(|| self.recorded.as_ref()?.end(id));
        let how = match &self.recorded {
            Some(r) if m.root == 0 => r.how(id),
            _ => how(m, instance),
        };
        model::Ancestor {
            process,
            alive: l.ended.is_none(),
            how,
            born: models::when(m.born),
            ended: l.ended.map(models::when),
            end: l.ended.and_then(|_| end()),
            age_us: l.ended.unwrap_or_else(clock::boottime_ns).saturating_sub(m.born) / 1000,
            execs: m.execs,
            unknown_above: self
                .between
                .filter(|(k, _)| (k.tgid, k.start) == (m.tgid, m.leader_start))
                .map(|b| b.1),
            executed,
            executed_left_out,
            program,
            euid,
        }
    }
}

/// How a member came into its service.
fn how(m: &Member, instance: bool) -> &'static str {
    match (m.flags & B_ADOPTED != 0, m.flags & B_CONTROL != 0, m.flags & B_MAIN != 0 && m.depth == 0) {
        (true, ..) => "adopted",
        (_, true, _) if m.depth == 0 => "control",
        (_, _, true) if instance => "opened",
        (_, _, true) => "started",
        _ => "forked",
    }
}

//! One found root, read once: whatever one call shows of it is of one moment.

use killer_common::record::Member;

use super::failure::Failure;
use super::main_process::Main;
use super::models::Forest;
use super::record::StopRecord;
use super::{certainty, frozen, instances, models};
use crate::kernel::tier::Tier;
use crate::lineage::{self, Home, Lineage, Members};
use crate::lookup::{Root, registry};
use crate::report::model::{self, Counts, Frozen};
use crate::tier::Tracker;

/// A service as it was at one look.
#[derive(Debug)]
pub struct Service<'t> {
    t: &'t Tracker,
    root: Root,
    /// In PID order; of a look that only counts, nobody.
    pub members: Vec<Member>,
    /// The main process, one of them.
    pub main: Option<Main>,
    /// Processes and tasks.
    pub counts: Counts,
    /// Whether it is held still.
    pub frozen: Option<Frozen>,
    kept: StopRecord,
}

impl<'t> Service<'t> {
    /// Reads everything.
    pub fn read(t: &'t Tracker, root: &Root) -> Self {
        let family = Lineage::new(t, root.clone());
        let members = family.members(&family.listed());
        let main = models::main_of(t, root);
        let main = main.filter(|x| members.iter().any(|m| x.is(m)));
        let processes = members.len() as u64;
        Self::of(t, root, members, main, processes)
    }

    /// Counts only, for a line of many.
    pub fn count(t: &'t Tracker, root: &Root) -> Self {
        if registry::frozen(t, root.slot.slot).is_some() {
            // How it is held is seen by a look at each.
            return Self::read(t, root);
        }
        let processes = Lineage::new(t, root.clone()).listed().len() as u64;
        Self::of(t, root, Vec::new(), models::main_of(t, root), processes)
    }

    fn of(
        t: &'t Tracker,
        root: &Root,
        mut members: Vec<Member>,
        mut main: Option<Main>,
        mut processes: u64,
    ) -> Self {
        let frozen = frozen::state(t, root, &members);
        let tasks = registry::places(t, root).iter().map(|s| t.count(s.slot)).sum();
        if tasks == 0 {
            // What was listed has ended since.
            members.clear();
            (main, processes) = (None, 0);
        }
        let counts = Counts { processes, tasks };
        Self { t, root: root.clone(), members, main, counts, frozen, kept: StopRecord::of(t, root.slot) }
    }

    /// The entry of the main process.
    pub fn main_process(&self) -> Option<model::Process> {
        let m = self.members.iter().find(|m| self.main.is_some_and(|x| x.is(m)));
        m.map(|m| models::process(self.t, m, self.main))
    }

    /// Its line of `list`.
    pub fn line(&self) -> model::Service {
        let (t, r) = (self.t, &self.root);
        let state = match (self.counts.tasks, registry::is_live_state(r)) {
            (0, true) => "ended",
            (_, false) => "starting",
            _ => self.frozen.as_ref().and_then(frozen::word).unwrap_or("live"),
        };
        let inside = (r.record.parent != 0)
            .then(|| registry::in_slot(t, r.record.parent))
            .flatten()
            .filter(|o| o.slot.generation == r.record.parent_generation && !registry::is_given_up(o))
            .map(|o| o.name);
        model::Service {
            name: r.name.clone(),
            state: state.into(),
            main_pid: self.main.map(|m| m.process.pid),
            main_guessed: self.main.is_some_and(|m| m.guessed),
            command: instances::command(&r.record).or_else(|| self.kept.command()),
            counts: self.counts,
            ever: registry::places(t, r).iter().map(|s| t.pop(s.slot).processes).sum(),
            ever_at_least: !Tier::PROGRAMS.contains(&t.tier()),
            since: models::when(r.record.born),
            age_s: models::seconds_since(r.record.born),
            exactness: models::exactness(t, r),
            inside,
            left_over: self.left_over().len() as u64,
        }
    }

    /// Members that are left over: looked for where there can be some.
    pub fn left_over(&self) -> Vec<Member> {
        let one = self.root.others.is_empty();
        if self.counts.tasks == 0 || one && (self.main.is_some() || !self.root.is_instance()) {
            return Vec::new();
        }
        let family = Lineage::new(self.t, self.root.clone());
        instances::left_over(self.t, &self.root, &family.members(&family.listed()))
    }

    /// The main process, else the oldest member.
    pub fn first(&self) -> Option<Member> {
        of_main(&self.members, self.main)
    }

    /// What its first process was at the start; where that is not kept, what [`Service::first`] is now.
    pub fn home(&self) -> Option<Home> {
        self.kept.home.clone().or_else(|| self.first().as_ref().and_then(Home::of))
    }

    /// Members as they were forked, so many of them.
    pub fn forest(&self, most: Option<usize>) -> Result<Forest, Failure> {
        let (t, r) = (self.t, &self.root);
        let family = Lineage::new(t, r.clone());
        let dead = t.past().map(|p| p.dead()).transpose()?.unwrap_or_default();
        let slots: Vec<(u32, u32)> =
            family.slots().iter().map(|&s| (s, t.slot(s).map_or(0, |x| x.generation))).collect();
        let within = |slot, generation| slots.contains(&(slot, generation));
        let tree = lineage::tree(r.slot.slot, &self.members, &dead, &within);
        certainty::sound(t)?;
        let home = self.home();
        Ok(models::forest(t, &tree, self.main, home.as_ref(), most, |n| family.describer(n)))
    }
}

/// The main process, else the oldest member.
fn of_main(members: &[Member], main: Option<Main>) -> Option<Member> {
    let of_main = members.iter().find(|m| main.is_some_and(|x| x.is(m)));
    of_main.or_else(|| members.iter().min_by_key(|m| m.born)).copied()
}

//! Tasks and the hooks that register and claim them: what `births` and `repair` explore.

/// Tasks ever.
pub const TASKS: usize = 5;
/// Addresses, and numbers.
pub const SPACE: usize = 5;

/// Which hooks there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Birth witness, exit and fork hooks.
    Witnessed,
    /// Exit and fork hooks.
    Typed,
}

/// Known-bad changes of the hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// None.
    No,
    /// The exit hook is attached last.
    ExitHookLast,
    /// The index entry goes at the leader's exit.
    LeaderExit,
    /// A creator's entry is believed without comparing starts.
    NoStart,
    /// pop goes up after the insert.
    InsertFirst,
    /// pop goes down before the entry is deleted, whichever wins.
    NoWin,
    /// A stale entry is left where it is, and the newborn with it.
    KeepStale,
    /// task_free claims nothing.
    NoFree,
}

/// Bounds and variant.
#[derive(Clone, Debug)]
pub struct World {
    /// Hooks.
    pub tier: Tier,
    /// Known-bad change.
    pub mutant: Mutant,
    /// Births after the first two tasks.
    pub births: u8,
    /// Runs of fork hooks that may be skipped.
    pub skip_fork: u8,
    /// Runs of the exit hook that may be skipped.
    pub skip_exit: u8,
    /// Forks that may fail after task_alloc.
    pub fails: u8,
    /// The stranger forks, too.
    pub stranger_forks: bool,
    /// Threads are born, too.
    pub threads: bool,
    /// The first member has a second thread.
    pub two_threads: bool,
    /// Fork hooks that find an entry renew its stamp.
    pub renew: bool,
    /// The one that deletes another's entry locks its address (no kernel has that for programs).
    pub lock: bool,
    /// Births at the address of an entry that a reap may be judging make the root doubtful.
    pub doubt: bool,
}

/// Where a task is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Life {
    /// Not there.
    Unborn,
    /// Allocated, on no list.
    Embryo,
    /// Attached; its fork hooks run.
    Newborn,
    /// Runs.
    Alive,
    /// Past `exit_signals`.
    Exiting,
    /// Past its exit hook.
    Dead,
    /// Its number is free.
    Released,
    /// Its address is free.
    Freed,
}

/// What a task's context is doing: forking child `k`, or ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// User mode.
    Idle,
    /// Is it a member?
    WLook(u8),
    /// Counts.
    WPop(u8),
    /// In copy_process.
    Copy(u8),
    /// A fork hook begins: 1 or 2.
    Hook(u8, u8),
    /// Is the child registered?
    Again(u8, u8),
    /// Did the witness register it?
    Fill(u8, u8),
    /// Is the creator a member?
    Look(u8, u8),
    /// The creator's entry is another's: deletes it.
    OwnStale(u8, u8),
    /// Counts that down.
    OwnPop(u8, u8),
    /// Counts the child.
    Pop(u8, u8),
    /// Inserts it; hook 0 is the witness.
    Insert(u8, u8),
    /// There was an entry.
    Old(u8, u8),
    /// It is another's: deletes it.
    Evict(u8, u8),
    /// Counts that down.
    EvictPop(u8, u8),
    /// It is the child's own: counts down.
    Undo(u8, u8),
    /// A stale entry was replaced: is a reap under way that may have looked at it?
    Doubt(u8, u8),
    /// The same after the child's own entry was renewed.
    DoubtOwn(u8, u8),
    /// Indexes it.
    Index(u8, u8),
    /// Exit hook begins.
    Exit,
    /// Looks itself up.
    EGet,
    /// Drops the index entry of this number.
    EUnindex(u8),
    /// Deletes its entry.
    EDel(u8),
    /// Counts down.
    EPop(u8),
    /// task_free looks up.
    XGet,
    /// Was the entry of this number its own?
    XUnindex(u8),
    /// Deletes.
    XDel(u8),
    /// Counts down.
    XPop(u8),
}

/// A task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Task {
    /// Life.
    pub life: Life,
    /// In truth of the lineage.
    pub ours: bool,
    /// Its process; start is that + 1.
    pub group: u8,
    /// Address.
    pub addr: u8,
    /// Number.
    pub num: u8,
    /// Context.
    pub step: Step,
}

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Group {
    /// Its number.
    pub tgid: u8,
    /// Threads not past `exit_signals`.
    pub live: u8,
}

/// An entry of `BIRTHS`; start 0: not known yet. tgid is the number + 1, 0: not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Entry {
    /// Leader's start.
    pub start: u8,
    /// Number of the process + 1.
    pub tgid: u8,
    /// Walks begun before it was last met.
    pub stamp: u8,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Tasks.
    pub tasks: [Task; TASKS],
    /// Processes.
    pub groups: [Group; TASKS],
    /// Elements of `BIRTHS`, re-used at once.
    pub elems: [Entry; SPACE],
    /// Key → element.
    pub births: [Option<u8>; SPACE],
    /// `MEMBERS` and `INDEX`: number → start.
    pub members: [Option<u8>; SPACE],
    /// Counters by tgid.
    pub filter: [i8; SPACE],
    /// The count.
    pub pop: i8,
    /// Tasks so far.
    pub born: u8,
    /// Left of the bounds.
    pub births_left: u8,
    /// Left of the bounds.
    pub skip_fork: u8,
    /// Left of the bounds.
    pub skip_exit: u8,
    /// Left of the bounds.
    pub fails: u8,
    /// The exit hook is attached.
    pub exit_hook: bool,
    /// pop was 0.
    pub was_empty: bool,
    /// Addresses that somebody is judging (the repair of `repair`).
    pub locked: [bool; SPACE],
    /// Walks begun.
    pub walk: u8,
    /// Reaps begun.
    pub reaps: u8,
    /// Reaps that have ended.
    pub reaped: u8,
    /// Stamp of the entry that a child's hook has renewed or replaced, and reaps ended by then; by the task that forks it.
    pub met: [Option<(u8, u8)>; TASKS],
    /// The root is not called exact any more.
    pub doubted: bool,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A task enters clone: thread or not, address of the child.
    Clone(u8, bool, u8),
    /// The child is attached with this number.
    Attach(u8, u8),
    /// The fork fails.
    Fail(u8),
    /// The next step of a context.
    Run(u8, Step),
    /// The kernel skips a hook.
    Skip(u8, Step),
    /// A task ends.
    End(u8),
    /// A thread execs and takes the dead leader's number.
    Exec(u8),
    /// Its number is free.
    Release(u8),
    /// Its address is free; task_free first.
    Free(u8),
    /// The exit hook is attached at last.
    AttachExit,
}

impl State {
    /// The entry of an address.
    pub fn entry(&self, addr: u8) -> Option<Entry> {
        self.births[addr as usize].map(|e| self.elems[e as usize])
    }

    /// `bpf_map_update_elem(NOEXIST)`.
    pub fn insert(&mut self, addr: u8, e: Entry) -> bool {
        if self.births[addr as usize].is_some() {
            return false;
        }
        let free = (0..SPACE as u8).find(|e| !self.births.contains(&Some(*e))).expect("as many as addresses");
        self.elems[free as usize] = e;
        self.births[addr as usize] = Some(free);
        true
    }

    /// `bpf_map_delete_elem`: the one that gets true has claimed it.
    pub fn delete(&mut self, addr: u8) -> bool {
        self.births[addr as usize].take().is_some()
    }

    /// pop and filter down, after a claim.
    pub fn down(&mut self, tgid: u8) {
        self.pop -= 1;
        self.was_empty |= self.pop == 0;
        if tgid != 0 {
            self.filter[tgid as usize - 1] -= 1;
        }
    }

    /// pop and filter up, before an insert.
    pub fn up(&mut self, tgid: u8) {
        self.pop += 1;
        if tgid != 0 {
            self.filter[tgid as usize - 1] += 1;
        }
    }

    /// A task.
    pub fn t(&self, t: u8) -> &Task {
        &self.tasks[t as usize]
    }

    /// Leader's start of a task.
    pub fn start(&self, t: u8) -> u8 {
        self.t(t).group + 1
    }

    /// tgid of a task.
    pub fn tgid(&self, t: u8) -> u8 {
        self.groups[self.t(t).group as usize].tgid
    }

    /// Threads of its process not past `exit_signals`.
    pub fn live(&self, t: u8) -> u8 {
        self.groups[self.t(t).group as usize].live
    }

    /// In truth alive, or coming.
    pub fn alive(&self) -> bool {
        self.tasks.iter().any(|t| t.ours && matches!(t.life, Life::Embryo | Life::Newborn | Life::Alive))
    }

    /// Values that are worth trying: any that was used before, and the first that was not.
    pub fn spaces(&self, used: impl Fn(&Task) -> Option<u8>) -> Vec<u8> {
        let fresh = self.tasks.iter().filter(|t| t.life != Life::Unborn).map(&used);
        let top = fresh.flatten().max().map_or(0, |m| m + 1);
        (0..=top.min(SPACE as u8 - 1)).collect()
    }
}

impl World {
    /// One member and one stranger.
    pub fn first(&self) -> State {
        let none = Task { life: Life::Unborn, ours: false, group: 0, addr: 0, num: 0, step: Step::Idle };
        let mut s = State {
            tasks: [none; TASKS],
            groups: [Group { tgid: 0, live: 0 }; TASKS],
            elems: [Entry::default(); SPACE],
            births: [None; SPACE],
            members: [None; SPACE],
            filter: [0; SPACE],
            pop: 1,
            born: 2,
            births_left: self.births,
            skip_fork: self.skip_fork,
            skip_exit: self.skip_exit,
            fails: self.fails,
            exit_hook: self.mutant != Mutant::ExitHookLast,
            was_empty: false,
            locked: [false; SPACE],
            walk: 0,
            reaps: 0,
            reaped: 0,
            met: [None; TASKS],
            doubted: false,
        };
        for (n, ours) in [(0, true), (1, false)] {
            s.tasks[n] =
                Task { life: Life::Alive, ours, group: n as u8, addr: n as u8, num: n as u8, ..none };
            s.groups[n] = Group { tgid: n as u8, live: 1 };
        }
        s.insert(0, Entry { start: 1, tgid: 1, stamp: 0 });
        s.members[0] = Some(1);
        s.filter[0] = 1;
        if self.two_threads {
            s.tasks[2] = Task { life: Life::Alive, ours: true, group: 0, addr: 2, num: 2, ..none };
            s.groups[0].live = 2;
            s.insert(2, Entry { start: 1, tgid: 1, stamp: 0 });
            s.filter[0] = 2;
            (s.pop, s.born) = (2, 3);
        }
        s
    }
}

impl PartialOrd for Life {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        (*self as u8).partial_cmp(&(*other as u8))
    }
}

//! Names of maps, programs and pins: the only place where they are spelled.

/// Map: task pointer → [`crate::record::Member`]; membership itself, and the records of processes.
pub const BIRTHS: &str = "BIRTHS";
/// Map: root slot → [`crate::record::Pop`]; the kernel's count.
pub const POP: &str = "POP";
/// Map: root slot → [`crate::record::RootRecord`].
pub const ROOTS: &str = "ROOTS";
/// Map: root slot → [`crate::record::Control`]; written by user space.
pub const CONTROL: &str = "CONTROL";
/// Map: a `u16` root slot per tgid, [`crate::TGIDS`] an element.
pub const INDEX: &str = "INDEX";
/// Map: a `u64` per tgid, [`crate::TGIDS`] an element: the key in `births` of the task that the process's record stands with; 0: it
/// stands apart, or there is none.
pub const LEADERS: &str = "LEADERS";
/// Map: task pointer → [`crate::record::Birth`]; launchers' marks and adopters' holds.
pub const SEEDS: &str = "SEEDS";
/// Map: (tgid, start) → [`crate::record::Member`] that has ended.
pub const DEAD: &str = "DEAD";
/// Map: tgid modulo [`crate::MAX_ENDING`] → [`crate::record::Ending`].
pub const ENDING: &str = "ENDING";
/// Map: (tgid, start) → the same, of those with living descendants.
pub const ANCESTORS: &str = "ANCESTORS";
/// Map: a `u32` counter per tgid, [`crate::TGIDS`] an element.
pub const FILTER: &str = "FILTER";
/// Map: root slot → [`crate::record::Reasons`].
pub const REASONS: &str = "REASONS";
/// Map: one [`crate::record::Global`].
pub const GLOBAL: &str = "GLOBAL";
/// Map: (child tgid, child start) → [`crate::record::Edge`], filled only in adopt mode.
pub const EDGES: &str = "EDGES";

/// Map: a `u64` claim per tgid, [`crate::TGIDS`] an element, see [`crate::claim`]; written by both sides.
pub const CLAIMS: &str = "CLAIMS";

/// Map: root slot → [`crate::record::Stop`]; written by user space.
pub const STOPS: &str = "STOPS";

/// Map: thread (tgid and tid) → [`crate::record::Request`]; written by user space.
pub const REQUESTS: &str = "REQUESTS";

/// Every map that each tier has, in the order in which it is created.
pub const MAPS: [&str; 17] = [
    BIRTHS, POP, ROOTS, CONTROL, INDEX, LEADERS, SEEDS, DEAD, ENDING, ANCESTORS, FILTER, REASONS, GLOBAL,
    EDGES, CLAIMS, STOPS, REQUESTS,
];

/// Map: trie of [`crate::rule::FileKey`] → [`crate::rule::Rule`]; written by user space.
pub const RULES: &str = "RULES";
/// Map: [`crate::rule::Known`] → 1: directories that some rule names; written by user space.
pub const KNOWN: &str = "KNOWN";
/// Map: trie of [`crate::rule::PathKey`] → [`crate::rule::Directory`]; written by user space.
pub const PATHS: &str = "PATHS";
/// Map: task pointer → [`crate::rule::Matched`]: an exec that matched a rule and is under way.
pub const MATCHED: &str = "MATCHED";
/// Map: queue of free slots of the pool.
pub const FREE_SLOTS: &str = "FREE_SLOTS";
/// Map: [`crate::rule::Instance`] → 1: the instances that are not given back.
pub const INSTANCES: &str = "INSTANCES";
/// Map: [`crate::rule::Inside`] → how often: services that started inside of a root which keeps its descendants.
pub const STAYED: &str = "STAYED";
/// Maps of the rules, where the kernel has BTF.
pub const RULE_MAPS: [&str; 7] = [RULES, KNOWN, PATHS, MATCHED, FREE_SLOTS, INSTANCES, STAYED];

/// Map: root slot → [`crate::promise::Promise`]; written by user space and the program.
pub const PROMISES: &str = "PROMISES";
/// Map: tgid → [`crate::promise::Bearer`]; written by user space, and taken away by the program.
pub const BEARERS: &str = "BEARERS";
/// Map: one [`crate::promise::Due`].
pub const DUE: &str = "DUE";
/// Maps of the dead man's switch, which are made when the first promise is.
pub const PROMISE_MAPS: [&str; 3] = [PROMISES, BEARERS, DUE];

/// Map: (tgid, start) → [`crate::recorder::Node`] of processes that live, or that a node holds.
pub const NODES: &str = "NODES";
/// Map: tgid → start, of those that live.
pub const ALIVE: &str = "ALIVE";
/// Map: (tgid, start) → [`crate::recorder::Node`], the last ones of the others.
pub const PAST: &str = "PAST";
/// Map: [`crate::recorder::ExecKey`] → [`crate::recorder::Exec`].
pub const EXECS: &str = "EXECS";
/// Map: (tgid, start) → the last exec of those in [`PAST`].
pub const PAST_EXECS: &str = "PAST_EXECS";
/// Map: [`crate::recorder::SentKey`] → [`crate::recorder::Sent`].
pub const SENT: &str = "SENT";
/// Map: one [`crate::recorder::Recorder`].
pub const RECORDER: &str = "RECORDER";
/// Map: which processes are recorded; written by user space.
pub const SCOPE: &str = "SCOPE";
/// Map: an exec that is being written, one for each processor.
pub const DRAFT: &str = "DRAFT";

/// Programs of the recorder, in attach order: ends before what is born.
pub const RECORD_HOOKS: [(&str, &str); 4] = [
    ("on_record_exit", "sched_process_exit"),
    ("on_record_exec", "sched_process_exec"),
    ("on_record_fork", "sched_process_fork"),
    (P_RECORD_SIGNAL, "signal_generate"),
];
/// The one of them that notes senders.
pub const P_RECORD_SIGNAL: &str = "on_record_signal";
/// Its iterator over the tasks that are there.
pub const P_RECORD_ALL: &str = "on_record_all";

/// Program on `sched_process_exit`.
pub const P_EXIT: &str = "on_exit";
/// Program on `sched_process_exec`.
pub const P_EXEC: &str = "on_exec";
/// Program on `task_newtask`: registers births.
pub const P_NEWTASK: &str = "on_newtask";
/// Program on `sched_process_fork`: looks whether the birth was registered.
pub const P_FORK: &str = "on_fork";
/// Birth witness on `lsm/task_alloc`: registers, or denies the fork.
pub const P_ALLOC: &str = "on_task_alloc";
/// Its pair on `lsm/task_free`: claims what is left of failed forks and missed exits.
pub const P_FREE: &str = "on_task_free";
/// The birth witness, in attach order: (program, LSM hook).
pub const WITNESS: [(&str, &str); 2] = [(P_FREE, "task_free"), (P_ALLOC, "task_alloc")];
/// A copy of the second look on `sched_process_fork`: a program of its own is skipped on its own (7.0+).
pub const P_FORK2: &str = "on_fork_again";
/// Program on `signal_generate`: a claim is settled in the moment of queueing.
pub const P_SIGNAL: &str = "on_signal";
/// Programs that are attached and pinned as links, in attach order (exit first: docs/internals/EXACTNESS.md, L7).
pub const HOOKS: [(&str, &str); 3] =
    [(P_EXIT, "sched_process_exit"), (P_EXEC, "sched_process_exec"), (P_NEWTASK, "task_newtask")];
/// Those that look once more, after them, where the kernel can skip a program.
pub const SECOND_LOOKS: [(&str, &str); 2] = [(P_FORK, "sched_process_fork"), (P_FORK2, "sched_process_fork")];
/// Registers the children of an ending task that are in no map, before they are reparented; where nothing witnesses
/// births. Attached before [`P_EXIT`].
pub const P_ORPHANS: &str = "on_orphans";
/// Logs who forked whom; attached to `task_newtask` only while an adoption runs.
pub const P_EDGE: &str = "on_edge";
/// Logs the parent of an ending process; attached to `sched_process_exit` only while an adoption runs.
pub const P_ENDED: &str = "on_ended";
/// Logs the children of an ending thread; attached to `sched_process_exit` only while an adoption runs. It reads kernel
/// memory by address, which lockdown=confidentiality refuses.
pub const P_CHILDREN: &str = "on_children";
/// Reaps: removes what two walks did not meet, on demand (`bpf_for_each_map_elem`, 5.13+).
pub const P_REAP: &str = "on_reap";
/// On-demand program, run with `BPF_PROG_TEST_RUN`; see [`crate::ctl`].
pub const P_CTL: &str = "on_ctl";
/// In its place where programs cannot be run on demand (before 5.10): carries a request out when the task that has made it
/// gives itself a name.
pub const P_ASK: &str = "on_ask";
/// Gate C at system call entry; attached only while a kill is in flight.
pub const P_SYS_ENTER: &str = "on_sys_enter";
/// Gate C at system call exit.
pub const P_SYS_EXIT: &str = "on_sys_exit";
/// Empties the fork edge log, on demand (`bpf_for_each_map_elem`, 5.13+).
pub const P_CLEAR: &str = "on_clear";
/// Signals members in the caller's context, on demand (6.13+); see [`crate::sweep`].
pub const P_SWEEP: &str = "on_sweep";
/// Keeps promises, on `sched_process_exit`; see [`crate::promise`]. Attached from the first promise on.
pub const P_PROMISE: &str = "on_promise";
/// A copy of it, which the kernel skips on its own (7.0+).
pub const P_PROMISE2: &str = "on_promise_again";
/// Task iterator: tells the state of each thread of a member; see [`crate::states`]. Loaded when it is needed.
pub const P_STATES: &str = "on_states";
/// Task iterator: repair, and the passes of an adoption.
pub const P_WALK: &str = "on_walk";

/// Opens instances, where the kernel has no birth witness: on `sched_process_exec`.
pub const P_RULE: &str = "on_rule";
/// A copy of it, which looks whether the first was skipped (7.0+).
pub const P_RULE2: &str = "on_rule_again";
/// Sees the file of an exec, on `lsm/bprm_creds_for_exec` (5.8+).
pub const P_RULE_FILE: &str = "on_rule_file";
/// Opens the instance, on `lsm/bprm_committed_creds`.
pub const P_RULE_OPEN: &str = "on_rule_open";
/// Sees the file of an exec where LSM programs do not act: on entry of `security_bprm_creds_for_exec` (5.8+, where the kernel
/// has trampolines).
pub const P_RULE_SEEN: &str = "on_rule_seen";
/// The function that it looks at.
pub const RULE_SEEN_AT: &str = "security_bprm_creds_for_exec";
/// On-demand program of the rules; see [`crate::rule`].
pub const P_RULE_CTL: &str = "on_rule_ctl";
/// Hooks of the rules without a birth witness: (program, tracepoint).
pub const RULE_HOOKS: [(&str, &str); 2] = [(P_RULE, "sched_process_exec"), (P_RULE2, "sched_process_exec")];
/// Hooks of the rules beside a birth witness, in attach order: (program, LSM hook).
pub const RULE_LSM: [(&str, &str); 2] =
    [(P_RULE_OPEN, "bprm_committed_creds"), (P_RULE_FILE, "bprm_creds_for_exec")];

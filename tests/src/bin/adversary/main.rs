//! One program, many ways for a service to slip away: `adversary BEHAVIOUR LIVE READY DEADLINE [ARG…]`.
//!
//! LIVE is the number of the write end of the liveness pipe: every descendant keeps it open, so that the reader sees
//! EOF when, and only when, the last of them is dead. READY is where the shape is announced once it stands. DEADLINE is
//! the second of `CLOCK_MONOTONIC` after which every process here ends by itself, so that nothing outlives a test.
//! All three are arguments and not variables, because some behaviours clear their environment.

mod churn;
mod churn_threads;
mod confine;
mod ctx;
mod descent;
mod dropper;
mod evasive;
mod evidence;
mod fuse;
mod hold_on;
mod kernel_asks;
mod listen;
mod nanny;
mod resist;
mod ring;
mod spawn;
mod storm;
mod swarm;
mod threads;
mod tick;
mod trio;

use ctx::Ctx;

/// A behaviour: what it is called, and what does it.
type Behaviour = (&'static str, fn(Ctx, &[String]));

/// Every behaviour; `adversary list` prints the names.
const BEHAVIOURS: &[Behaviour] = &[
    ("hold", descent::hold),
    ("plain", descent::plain),
    ("setsid", descent::setsid),
    ("double-fork", descent::double_fork),
    ("daemon", descent::daemon),
    ("clone-parent", descent::clone_parent),
    ("root-exits", descent::root_exits),
    ("clear-env", descent::clear_env),
    ("comm", descent::comm),
    ("leader-exits", threads::leader_exits),
    ("exec-nonleader", threads::exec_nonleader),
    ("thread-storm", threads::storm),
    ("leaderless", threads::leaderless),
    ("io-uring", ring::io_uring),
    ("leaves-cgroup", confine::leaves_cgroup),
    ("clone-into-cgroup", confine::clone_into_cgroup),
    ("moved-by-a-manager", confine::moved_by_a_manager),
    ("systemd-scope", confine::systemd_scope),
    ("setuid-child", confine::setuid_child),
    ("pid-ns", confine::pid_ns),
    ("user-ns", confine::user_ns),
    ("rlimit-nproc", confine::rlimit_nproc),
    ("vfork", spawn::vfork),
    ("posix-spawn", spawn::posix_spawn),
    ("memfd-exec", spawn::memfd_exec),
    ("autoreap", spawn::autoreap),
    ("pid-reuse", spawn::pid_reuse),
    ("claim-pid", spawn::claim_pid),
    ("far", spawn::far),
    ("term-ignored", resist::term_ignored),
    ("self-stopped", resist::self_stopped),
    ("ptraced", resist::ptraced),
    ("revive", resist::revive),
    ("revive-three", trio::revive_three),
    ("chains", swarm::chains),
    ("evasive", evasive::chains),
    ("evasive-link", evasive::link),
    ("bomb", swarm::bomb),
    ("star", swarm::star),
    ("master", swarm::master),
    ("signal-log", listen::signal_log),
    ("fork-beat", listen::fork_beat),
    ("fork-count", churn::fork_count),
    ("fork-threads", churn_threads::fork_threads),
    ("tick", tick::tick),
    ("server", hold_on::server),
    ("tracer", hold_on::tracer),
    ("slow-end", hold_on::slow_end),
    ("evidence-files", evidence::files),
    ("evidence-apart", evidence::apart),
    ("evidence-memory", evidence::memory),
    ("evidence-descriptors", evidence::descriptors),
    ("evidence-names", evidence::names),
    ("evidence-restless", evidence::restless),
    ("evidence-large", evidence::large),
    ("evidence-fuse", fuse::serve),
    ("fuse-client", fuse::client),
    ("dropper", dropper::service),
    ("dropper-stage", dropper::staged),
    ("dropper-beacon", dropper::beacon),
    ("collector", dropper::server),
    ("exec-storm", storm::execs),
];

fn main() {
    // Arguments need not be text.
    let args: Vec<String> = std::env::args_os().map(|a| a.to_string_lossy().into_owned()).collect();
    if args.get(1).is_some_and(|a| a == "list") {
        for (name, _) in BEHAVIOURS {
            println!("{name}");
        }
        return;
    }
    if args.get(1).is_some_and(|a| a == "nanny") && args.len() > 2 {
        nanny::nanny(&args[2..]);
    }
    if args.len() == 1 {
        // What `tick` spawns.
        return;
    }
    let Some((ctx, rest)) = Ctx::parse(&args) else {
        eprintln!("usage: adversary BEHAVIOUR LIVE READY DEADLINE [ARG…]  (see: adversary list)");
        std::process::exit(2);
    };
    match BEHAVIOURS.iter().find(|(name, _)| *name == args[1]) {
        Some((_, act)) => act(ctx, rest),
        None => ctx.fail(&format!("no behaviour '{}'", args[1])),
    }
}

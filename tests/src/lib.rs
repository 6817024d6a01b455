//! Harness of the end-to-end tests.
//!
//! A [`TestEnv`] has a tracker of its own; a [`Service`] is an adversary under `killer run`; its [`LivePipe`] is the
//! oracle: EOF means that the last member is dead, whatever anybody's map says. A [`Bystander`] looks like a member and
//! must live on.

mod bpf;
mod env;
mod freezer;
mod golden;
mod http;
mod journal;
mod json;
mod manager;
mod marks;
mod output;
mod own_run;
mod pipe;
mod process;
mod reuse;
mod ruled;
mod running;
mod schema;
mod service;
mod skip;
pub mod stepper;

pub use bpf::{Ids, Objects, Pins, descriptor};
pub use env::{
    TestEnv, adversary, everywhere, everywhere_alone, kernel, kernel_number, killer, monotonic_secs, of_root,
};
pub use freezer::Freezer;
pub use golden::Golden;
pub use http::{free_port, get};
pub use journal::{Journal, Taken};
pub use json::{find, names_pid, pids};
pub use manager::Manager;
pub use marks::Marks;
pub use output::Out;
pub use own_run::OwnPlaces;
pub use pipe::{LivePipe, ReadyPipe, Said};
pub use process::{Pidfd, eventually, proc_state, start};
pub use ruled::{RuledHost, mode};
pub use running::Running;
pub use service::{Bystander, Launch, Service};
pub use skip::skip;

/// Calls `$each!` with every behaviour that needs nothing special: `name_of_the_test: "behaviour";` each.
#[macro_export]
macro_rules! with_behaviours {
    ($each:ident) => {
        $each! {
            plain: "plain";
            setsid: "setsid";
            double_fork: "double-fork";
            daemon: "daemon";
            clone_parent: "clone-parent";
            root_exits_first: "root-exits";
            cleared_environment: "clear-env";
            comm_of_spaces_and_parentheses: "comm";
            leader_thread_exits: "leader-exits";
            exec_from_a_non_leader: "exec-nonleader";
            thread_storm: "thread-storm";
            io_uring_worker: "io-uring";
            setuid_child: "setuid-child";
            pid_namespace: "pid-ns";
            user_namespace: "user-ns";
            forks_that_fail: "rlimit-nproc";
            vfork: "vfork";
            posix_spawn: "posix-spawn";
            memfd_exec: "memfd-exec";
            reaped_by_itself: "autoreap";
            scope_of_systemd: "systemd-scope";
            sigterm_ignored: "term-ignored";
            self_stopped: "self-stopped";
            ptraced_by_a_sibling: "ptraced";
            pair_that_revives_each_other: "revive";
            fork_and_exit_chains: "chains";
            fork_bomb: "bomb";
            star: "star";
        }
    };
}

//! The variants of a guest: what each changes, which tests run there, and what `killer doctor` has to say. One row each.

use super::boot::MEMORY;
use super::init::Init;
use super::kernel::Kernel;

/// A row.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// For `--variant` and tables.
    pub name: &'static str,
    /// What it is, in a few words.
    pub what: &'static str,
    /// Added to the kernel's command line.
    pub append: &'static str,
    /// Lines of the guest's plan (tests/src/bin/guest/plan.rs).
    pub plan: &'static [&'static str],
    /// Processors.
    pub cpus: u32,
    /// Memory, in MiB.
    pub memory: u64,
    /// Processors that really run at the same time, by the host's clock: results depend on how busy the host is.
    pub parallel: bool,
    /// An initramfs with nothing but `killer` and its caller.
    pub alone: bool,
    /// A disk of Debian's that boots with this init, instead of an init of our own.
    pub init: Option<Init>,
    /// Only kernels from this one on have it.
    pub since: (u32, u32),
    /// Tests, by a part of `binary::test`; all when empty.
    pub tests: &'static [&'static str],
    /// What has to hold besides the tests; the first row that fits the kernel counts.
    pub expect: &'static [Expect],
}

/// What is expected of `doctor`.
#[derive(Clone, Copy, Debug)]
pub struct Expect {
    /// For kernels below this one.
    pub below: (u32, u32),
    /// The tiers that are in order.
    pub tiers: &'static [&'static str],
    /// Words that `doctor -o json` has to say.
    pub doctor: &'static [&'static str],
}

const ALWAYS: (u32, u32) = (u32::MAX, 0);

/// Ways to slip away that stand for the rest where a whole run would take too long.
pub const CORE: &[&str] = &[
    "adversaries::daemon",
    "adversaries::leader_thread_exits",
    "adversaries::exec_from_a_non_leader",
    "adversaries::thread_storm",
    "adversaries::io_uring_worker",
    "adversaries::forks_that_fail",
    "adversaries::fork_and_exit_chains",
    "adversaries::fork_bomb",
    "adversaries::twin_services",
    "tiers::a_witness_that",
];

/// The same, and what the freezer of cgroup v1 is for.
pub const CORE_V1: &[&str] = &[
    "adversaries::daemon",
    "adversaries::leader_thread_exits",
    "adversaries::exec_from_a_non_leader",
    "adversaries::thread_storm",
    "adversaries::io_uring_worker",
    "adversaries::forks_that_fail",
    "adversaries::fork_and_exit_chains",
    "adversaries::fork_bomb",
    "adversaries::twin_services",
    "tiers::a_witness_that",
    "user_tiers::freezing",
];

/// Tests whose outcome depends on the kernel. The others (arguments, output, real daemons) are the host's.
pub const KERNEL: &[&str] = &[
    "adversaries::",
    "signals::",
    "waits::",
    "adopt::",
    "at_once::",
    "broadcast::",
    "cut_short::",
    "freeze::",
    "gates::",
    "losses::",
    "selftest::quick",
    "states::",
];

/// Where kernel memory cannot be read by address: adoption, which does that, too.
pub const LOCKED: &[&str] = &[
    "adversaries::daemon",
    "adversaries::exec_from_a_non_leader",
    "adversaries::fork_and_exit_chains",
    "adversaries::fork_bomb",
    "adversaries::twin_services",
    "adopt::",
    "broadcast::",
    "selftest::quick",
    "tiers::a_witness_that",
];

/// What `doctor` says there.
const LOCKED_WORDS: &[&str] = &["confidentiality", "'adopt' cannot read"];

/// Debian's own choice: `bpf` is among the LSMs from 6.1 on.
const DEBIAN: &[Expect] = &[
    Expect { below: (5, 11), tiers: &["typed"], doctor: &[] },
    Expect { below: ALWAYS, tiers: &["witnessed"], doctor: &[] },
];
const WITNESSED: &[Expect] = &[Expect { below: ALWAYS, tiers: &["witnessed"], doctor: &[] }];
const TYPED: &[Expect] = &[Expect { below: ALWAYS, tiers: &["typed"], doctor: &["bpf"] }];

const PLAIN: Variant = Variant {
    name: "plain",
    what: "as Debian boots it, cgroup v2, two processors (one before 6.5)",
    append: "",
    plan: &[],
    cpus: 2,
    memory: MEMORY,
    parallel: false,
    alone: false,
    init: None,
    since: (0, 0),
    tests: KERNEL,
    expect: DEBIAN,
};
const OTHER: Variant = Variant { tests: CORE, ..PLAIN };

/// All of them; the first is what is booted when none is named.
pub const ALL: &[Variant] = &[
    PLAIN,
    Variant {
        name: "parallel",
        what: "processors that really run at the same time",
        parallel: true,
        tests: &["adversaries::"],
        ..PLAIN
    },
    Variant { name: "no-cgroup", what: "no cgroup hierarchy is mounted", plan: &["cgroup=none"], ..OTHER },
    Variant { name: "cgroup-v1", what: "cgroup v1 only", plan: &["cgroup=v1"], tests: CORE_V1, ..OTHER },
    Variant { name: "preempt-full", what: "preempt=full", append: "preempt=full", since: (6, 1), ..OTHER },
    Variant { name: "preempt-lazy", what: "preempt=lazy", append: "preempt=lazy", since: (6, 13), ..OTHER },
    Variant {
        name: "lsm-bpf",
        what: "lsm= with bpf",
        append: "lsm=landlock,lockdown,yama,integrity,bpf",
        expect: WITNESSED,
        ..OTHER
    },
    Variant {
        name: "no-lsm-bpf",
        what: "lsm= without bpf",
        append: "lsm=landlock,lockdown,yama,integrity",
        expect: TYPED,
        ..OTHER
    },
    Variant {
        name: "no-ftrace",
        what: "kernel.ftrace_enabled=0 while tracking, and before",
        tests: &["guest::ftrace"],
        ..OTHER
    },
    Variant { name: "lockdown-integrity", what: "lockdown=integrity", append: "lockdown=integrity", ..OTHER },
    // No program may read kernel memory by address (`LOCKDOWN_BPF_READ_KERNEL`), and none has to.
    Variant {
        name: "lockdown-confidentiality",
        what: "lockdown=confidentiality",
        append: "lockdown=confidentiality",
        tests: LOCKED,
        expect: &[
            Expect { below: (5, 11), tiers: &["typed"], doctor: LOCKED_WORDS },
            Expect { below: ALWAYS, tiers: &["witnessed"], doctor: LOCKED_WORDS },
        ],
        ..OTHER
    },
    Variant {
        name: "lockdown-typed",
        what: "lockdown=confidentiality, lsm= without bpf",
        append: "lockdown=confidentiality lsm=landlock,lockdown,yama,integrity",
        tests: LOCKED,
        expect: &[Expect { below: ALWAYS, tiers: &["typed"], doctor: LOCKED_WORDS }],
        ..OTHER
    },
    Variant {
        name: "lockdown-no-btf",
        what: "lockdown=confidentiality, BTF hidden",
        append: "lockdown=confidentiality",
        plan: &["btf=hidden", "env=KILLER_TESTS_ANY_TIER=1"],
        expect: &[
            // A newborn's number would be read by address; and tracefs, where classic programs find their tracepoints, is closed
            // (`LOCKDOWN_TRACEFS`, 5.5+).
            Expect { below: ALWAYS, tiers: &["named"], doctor: &["confidentiality"] },
        ],
        ..OTHER
    },
    Variant {
        name: "paranoid",
        what: "kernel.perf_event_paranoid=4",
        plan: &["sysctl=kernel/perf_event_paranoid=4"],
        ..OTHER
    },
    Variant {
        name: "no-btf",
        what: "BTF hidden",
        plan: &["btf=hidden", "env=KILLER_TESTS_ANY_TIER=1"],
        expect: &[Expect { below: ALWAYS, tiers: &["raw"], doctor: &["BTF"] }],
        ..OTHER
    },
    Variant {
        name: "no-bpffs",
        what: "no bpffs is mounted",
        plan: &["bpffs=none"],
        tests: &["guest::no_bpffs"],
        ..OTHER
    },
    Variant {
        name: "pid-max",
        what: "kernel.pid_max=4194304",
        plan: &["sysctl=kernel/pid_max=4194304"],
        expect: &[
            Expect { below: (5, 11), tiers: &["typed"], doctor: &["pid_max 4194304"] },
            Expect { below: ALWAYS, tiers: &["witnessed"], doctor: &["pid_max 4194304"] },
        ],
        ..OTHER
    },
    Variant {
        name: "pid-namespace",
        what: "inside a PID namespace",
        plan: &["as=pid-namespace"],
        tests: &["guest::inside_a_pid_namespace"],
        expect: &[Expect { below: ALWAYS, tiers: &[], doctor: &["PID namespace"] }],
        ..OTHER
    },
    Variant {
        name: "unprivileged",
        what: "an unprivileged user",
        plan: &["as=nobody"],
        tests: &["guest::an_unprivileged_user"],
        expect: &[Expect { below: ALWAYS, tiers: &[], doctor: &["privileges"] }],
        ..OTHER
    },
    Variant { name: "one-cpu", what: "one processor", cpus: 1, ..OTHER },
    Variant {
        name: "small",
        what: "a small machine with one processor whose memory is taken while `killer` works",
        // With two the freed pages stay in lists of the other one, and the kernel gives up for want of what is there.
        cpus: 1,
        memory: 1024,
        // Hundreds of reports on an emulated console take longer than all the rest.
        plan: &["sysctl=kernel/printk=1", "sysctl=vm/oom_dump_tasks=0", "limit=900"],
        tests: &["guest::scarce"],
        ..OTHER
    },
    Variant {
        name: "modules",
        what: "the modules of FUSE and of the NFS client are loaded",
        plan: &["modules=all"],
        tests: &["unstick_nfs::", "unstick::"],
        ..OTHER
    },
    Variant {
        name: "clocks",
        what: "the calendar jumps; `killer` in a time namespace",
        tests: &["chaos::clocks"],
        ..OTHER
    },
    Variant {
        name: "alone",
        what: "killer is the only file beside PID 1: no libc, no /etc, no /dev, no bpffs",
        alone: true,
        expect: &[],
        ..OTHER
    },
    Variant { name: "tiers", what: "each tier, forced", tests: &["tiers::", "user_tiers::"], ..PLAIN },
];

/// What stands for these where minutes count: names from boot on, logins, stops, left-overs, and nothing is left.
pub const BOOT_CORE: &[&str] = &[
    "boot::as_named",
    "boot::rules::logins",
    "boot::rules::stays",
    "boot::rules::stops",
    "boot::rules::without",
];
/// What stands for these in .ci/run, where seconds count.
pub const BOOT_CI: &[&str] = &[
    "boot::as_named",
    "boot::hup::rsyslog",
    "boot::rules::stays",
    "boot::rules::stops",
    "boot::rules::without",
];
const BOOTED: Variant = Variant { memory: 768, tests: &["boot::"], ..PLAIN };

/// Debian with an init of the distributions', for `--boot`.
pub const BOOTS: &[Variant] = &[
    Variant {
        name: "sysv",
        what: "Debian with sysvinit",
        init: Some(Init::Sysv),
        // Storms of instances, for which the init is the same to the kernel.
        tests: &["boot::", "opened::"],
        plan: &["boot=sysv", "limit=600", "env=KILLER_BOOT=sysv"],
        ..BOOTED
    },
    Variant {
        name: "openrc",
        what: "Debian with OpenRC",
        init: Some(Init::Openrc),
        plan: &["boot=openrc", "limit=600", "env=KILLER_BOOT=openrc"],
        ..BOOTED
    },
    Variant {
        name: "runit",
        what: "Debian with runit",
        init: Some(Init::Runit),
        plan: &["boot=runit", "limit=600", "env=KILLER_BOOT=runit"],
        ..BOOTED
    },
    Variant {
        name: "busybox",
        what: "Debian's daemons with busybox init and scripts as Buildroot has them",
        init: Some(Init::Busybox),
        // The others call Debian's `service`, which knows no such scripts.
        tests: &[
            "boot::as_",
            "boot::hup",
            "boot::jobs",
            "boot::rules::stops",
            "boot::rules::unseen",
            "boot::rules::without::nothing_is_left",
        ],
        plan: &["boot=busybox", "limit=600", "env=KILLER_BOOT=busybox"],
        ..BOOTED
    },
];

impl Variant {
    /// With this init.
    pub fn booting(init: Init) -> &'static Variant {
        BOOTS.iter().find(|v| v.init == Some(init)).expect("a row for each init")
    }

    /// By name.
    pub fn named(name: &str) -> Option<&'static Variant> {
        ALL.iter().chain(BOOTS).find(|v| v.name == name)
    }

    /// Does this kernel have it?
    pub fn there(&self, kernel: &Kernel) -> bool {
        kernel.number() >= self.since
    }

    /// What holds on this kernel.
    pub fn expects(&self, kernel: &Kernel) -> Option<&'static Expect> {
        self.expect.iter().find(|e| kernel.number() < e.below)
    }
}

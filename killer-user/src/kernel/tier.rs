//! Tiers: what keeps the sets, and what that promises. Chosen by attaching the real hooks and passing the canary.

/// What keeps the sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// LSM hooks register every birth and end; tracepoints keep the index.
    Witnessed,
    /// Tracepoint programs alone.
    Typed,
    /// Raw tracepoints, no BTF.
    Raw,
    /// Classic tracepoints.
    Legacy,
    /// A cgroup v1 hierarchy of our own, without controllers.
    Named,
    /// A supervisor that orphans come to, and /proc.
    Scan,
    /// Nothing.
    Nothing,
}

impl Tier {
    /// The tiers of eBPF programs, best first.
    pub const PROGRAMS: [Self; 4] = [Self::Witnessed, Self::Typed, Self::Raw, Self::Legacy];

    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Witnessed => "witnessed",
            Self::Typed => "typed",
            Self::Raw => "raw",
            Self::Legacy => "legacy",
            Self::Named => "named",
            Self::Scan => "scan",
            Self::Nothing => "none",
        }
    }

    /// The tier of that name.
    pub fn named(word: &str) -> Option<Self> {
        Self::PROGRAMS.into_iter().chain([Self::Named, Self::Scan]).find(|t| t.name() == word)
    }

    /// True when it needs no eBPF programs.
    pub fn is_without_programs(self) -> bool {
        matches!(self, Self::Named | Self::Scan)
    }

    /// What it promises, for an admin.
    pub fn guarantees(self) -> &'static [&'static str] {
        match self {
            Self::Witnessed => &[
                "every birth and end below a service is registered by LSM hooks that the kernel never skips: exact",
                "a service that is being killed cannot fork: its forks are refused",
                "\"empty\" is the kernel's own count; every signal is checked against the process's identity",
            ],
            Self::Typed => &[
                "every fork and exit below a service is seen in the kernel, before the child's first instruction",
                "\"empty\" is the kernel's own count; every signal is checked against the process's identity",
                "exact up to Linux 6.19; from 7.0 on hooks can be skipped, which is counted and shown as not exact",
            ],
            Self::Raw => &[
                "every fork and exit below a service is seen in the kernel, before the child's first instruction",
                "\"empty\" is the kernel's own count; identity is the moment of birth, read before and after each pidfd is opened",
                "exact up to Linux 6.19; from 7.0 on hooks can be skipped, which is counted and shown as not exact",
                "a service that forks against a kill is stopped at its system calls",
            ],
            Self::Legacy => &[
                "every fork and exit below a service is seen in the kernel, before the child's first instruction",
                "exact up to Linux 5.10; from 5.11 on classic tracepoints lose events without a trace: never exact there",
                "a service that forks against a kill is stopped at its system calls",
            ],
            Self::Named => &[
                "every process below a service is in its directory of a cgroup hierarchy that killer alone uses: exact",
                "\"empty\" is the kernel's own word: it refuses to remove the directory while a task is in it",
            ],
            Self::Scan => &[
                "best effort: members are who descends from a supervisor process that orphans come to, as /proc shows it",
                "a service from 'run' is empty when its supervisor has no child left (waitpid says ECHILD)",
                "a service that is being killed is stopped first (SIGSTOP), so that it does not fork",
            ],
            Self::Nothing => &["nothing can be tracked until the failed checks are mended"],
        }
    }

    /// What it does not promise, for an admin.
    pub fn limits(self) -> &'static [&'static str] {
        match self {
            Self::Named => &[
                "a member that is root can move itself out of the hierarchy",
                "no gate: a service that is being killed can fork until the last pass",
                "signals but KILL can miss or repeat a process that is forked meanwhile; dead ancestors are not remembered",
            ],
            Self::Typed => &[
                "a gate before 6.13 that is closed at once: forks of a first pass run until gate C stops them",
            ],
            Self::Raw => &[
                "'adopt', 'freeze' at birth and the repair walk, which need BTF; dead processes are tidied away by number",
                "names and uids of members are those of their last exec",
            ],
            Self::Legacy => &[
                "'adopt' and the repair walk, which need BTF; dead processes are tidied away by number",
                "before 5.15: what happens between the end of 'killer serve' and its next start",
                "a process whose other thread dies in the middle of its exec stays in the count until it is gone",
            ],
            Self::Scan => &[
                "exactness, ever: who kills the supervisor, or enters another PID namespace, slips away",
                "an adopted process's orphans are found only if they were seen while their parent lived",
                "signals but KILL can miss or repeat a process that is forked meanwhile; dead ancestors are not remembered",
                "a killer that is killed in the middle of -s KILL leaves members stopped: give the command again",
            ],
            _ => &[],
        }
    }
}

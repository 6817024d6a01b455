//! Tiers: what keeps the sets, and what that promises. Chosen by attaching the real hooks and passing the canary.

use super::btf::Offsets;
use super::probe;
use crate::sys::{bpf, prog};

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
}

impl Tier {
    /// The tiers of eBPF programs, best first.
    pub const PROGRAMS: [Self; 4] = [Self::Witnessed, Self::Typed, Self::Raw, Self::Legacy];

    /// True for those whose programs know the kernel's types.
    pub fn by_btf(self) -> bool {
        matches!(self, Self::Witnessed | Self::Typed)
    }

    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Witnessed => "witnessed",
            Self::Typed => "typed",
            Self::Raw => "raw",
            Self::Legacy => "legacy",
            Self::Named => "named",
            Self::Scan => "scan",
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

    /// What it promises here, for an admin.
    pub fn guarantees(self, here: &Here) -> Vec<&'static str> {
        const SEEN: &str =
            "every fork and exit below a service is seen in the kernel, before the child's first instruction";
        const EXACT: &str = "exact: this kernel skips no hook";
        const SKIPS: &str = "exact while the kernel skips no hook, which this one can; that is counted and shown as not exact";
        const CALLS: &str = "a service that forks against a kill is stopped at its system calls";
        match self {
            Self::Witnessed => vec![
                "exact: every birth and end below a service is registered by LSM hooks, which the kernel never skips",
                "a service that is being killed cannot fork: its forks are refused",
                "\"empty\" is the kernel's own count; every signal is checked against the process's identity",
            ],
            Self::Typed => vec![
                SEEN,
                "\"empty\" is the kernel's own count; every signal is checked against the process's identity",
                if here.skips { SKIPS } else { EXACT },
            ],
            Self::Raw => vec![
                SEEN,
                "\"empty\" is the kernel's own count; identity is the moment of birth, read before and after each pidfd is opened",
                if here.skips { SKIPS } else { EXACT },
            ]
            .into_iter()
            .chain(here.stops.then_some(CALLS))
            .collect(),
            Self::Legacy => vec![
                SEEN,
                match here.loses {
                    true => "never exact: on this kernel classic tracepoints lose events without a trace",
                    false => "exact: on this kernel classic tracepoints lose no event",
                },
            ]
            .into_iter()
            .chain(here.stops.then_some(CALLS))
            .collect(),
            Self::Named => vec![
                "exact: every process of a service is in that service's directory of a cgroup hierarchy that killer alone uses",
                "\"empty\" is the kernel's own word: it removes the directory only when no task is in it",
            ],
            Self::Scan => vec![
                "best effort: the members are the descendants of a supervisor process, which adopts orphans, as /proc shows them",
                "a service from 'run' is empty when its supervisor has no child left (waitpid says ECHILD)",
                "a service that is being killed is stopped first (SIGSTOP), so that it does not fork",
            ],
        }
    }

    /// What it does not promise here, for an admin.
    pub fn limits(self, here: &Here) -> Vec<&'static str> {
        const NO_GATE: &str = "a gate: a service that is being killed can fork until the last pass";
        let old = || {
            let without_gate = (!here.stops).then_some(NO_GATE);
            let writable = "counts that no other program of root can write: this kernel cannot freeze a map";
            let sleeps = "ages and identities across a sleep of the host: the clock that programs can read here stands still meanwhile";
            without_gate
                .into_iter()
                .chain(here.writable.then_some(writable))
                .chain(here.clock_stands.then_some(sleeps))
        };
        match self {
            Self::Named => vec![
                "a hold on members that are root: such a member can move itself out of the hierarchy",
                NO_GATE,
                "exactly one signal for a process that is forked meanwhile: signals other than KILL can miss it, or reach it twice",
                "the memory of dead ancestors",
            ],
            Self::Typed if !here.birth_gate => {
                vec![
                    "a gate that closes at once: what is forked during the first pass runs until gate C stops it",
                ]
            }
            Self::Raw => vec![
                "'adopt', a 'freeze' of newborns and the repair walk, which need BTF; entries of dead processes are removed by number",
                "the present names and uids of members: those of their last exec are shown",
            ]
            .into_iter()
            .chain(old())
            .collect(),
            Self::Legacy => vec![
                "'adopt' and the repair walk, which need BTF; entries of dead processes are removed by number",
                "sight of what happens while no 'killer serve' holds the links, if this kernel cannot pin them",
                "an exact count of threads: a process with a thread that dies in the middle of an exec is counted until it is gone",
            ]
            .into_iter()
            .chain(old())
            .collect(),
            Self::Scan => vec![
                "exactness, ever: a process that kills the supervisor, or enters another PID namespace, slips away",
                "all orphans of an adopted process: they are found only if they were seen while their parent lived",
                "exactly one signal for a process that is forked meanwhile: signals other than KILL can miss it, or reach it twice",
                "the memory of dead ancestors",
                "a clean end of a kill that is cut short: if killer is killed in the middle of -s KILL, members stay stopped until the command is given again",
            ],
            _ => Vec::new(),
        }
    }
}

/// What the running kernel does, as far as promises depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Here {
    /// It can skip runs of tracing programs.
    pub skips: bool,
    /// Its classic tracepoints lose events without a trace.
    pub loses: bool,
    /// Programs can signal newborns before their first instruction.
    pub birth_gate: bool,
    /// Programs can stop members at their system calls.
    pub stops: bool,
    /// Maps of the programs can be written to by other programs of root.
    pub writable: bool,
    /// The clock that programs can read stands still while the host sleeps.
    pub clock_stands: bool,
}

impl Here {
    /// Of this kernel, for a tier; with what its BTF says where that is known.
    pub fn of(tier: Tier, offsets: Option<&Offsets>) -> Self {
        // What only kernels without BTF can lack.
        let old = matches!(tier, Tier::Raw | Tier::Legacy);
        Self {
            skips: offsets.map_or_else(probe::can_skip, |o| o.skips),
            loses: tier == Tier::Legacy && probe::classic_can_lose(),
            birth_gate: offsets.is_some_and(|o| o.send_signal_task.is_some()),
            stops: !old || prog::can_signal(),
            writable: old && !bpf::can_freeze(),
            clock_stands: old && !prog::has_boot_clock(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said is about the kernel that runs: no number of another one's.
    #[test]
    fn of_this_kernel_only() {
        let kernels = [(false, false, false), (true, false, true), (false, true, true), (true, true, true)];
        for (skips, loses, birth_gate) in kernels {
            let here = Here { skips, loses, birth_gate, stops: skips, writable: loses, clock_stands: loses };
            for tier in Tier::PROGRAMS.into_iter().chain([Tier::Named, Tier::Scan]) {
                for words in tier.guarantees(&here).into_iter().chain(tier.limits(&here)) {
                    assert!(!words.contains(|c: char| c.is_ascii_digit()), "{}: {words}", tier.name());
                }
            }
        }
        let said = |tier: Tier, here: Here| tier.guarantees(&here).join(" ");
        assert!(said(Tier::Typed, Here::default()).contains("exact: this kernel"));
        assert!(said(Tier::Raw, Here { skips: true, ..Here::default() }).contains("not exact"));
        assert!(said(Tier::Legacy, Here { loses: true, ..Here::default() }).contains("never exact"));
    }
}

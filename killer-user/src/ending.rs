//! How a call ends: the only maker of an ending's word, of its exit code and of its sentence, and the only judge.
//! Documents, journal, terminal, help, man page and the tables of the documentation are made from it, so that they
//! cannot differ.

mod tables;

#[cfg(test)]
pub use tables::endings;
#[cfg(feature = "cli")]
pub use tables::{code_number, codes, codes_of, codes_short, with_code};

/// The endings, with word, exit code and meaning of each. The worse the later.
macro_rules! endings {
    ($($name:ident: $word:literal, $code:literal, $means:literal;)*) => {
        /// How one order, or a whole call, ended. The worse the later.
        #[non_exhaustive]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Ending {
            #[default]
            $(#[doc = $means] $name,)*
            /// CMD has ended with this status (as shells have it).
            Command(u8),
            /// A signal to killer has ended it before it was done.
            Interrupted(i32),
        }

        impl Ending {
            /// Each once; those with a number stand for all of theirs.
            const ALL: &[Ending] = &[$(Ending::$name,)* Ending::Command(0), Ending::Interrupted(0)];

            /// Word, exit code and meaning.
            const fn row(self) -> (&'static str, u8, &'static str) {
                match self {
                    $(Self::$name => ($word, $code, $means),)*
                    Self::Command(status) => ("command", status, "CMD has ended with this status."),
                    Self::Interrupted(signal) => (
                        "interrupted",
                        SIGNALLED + signal as u8,
                        "A signal has ended killer before it was done.",
                    ),
                }
            }
        }
    };
}

endings! {
    Done: "done", 0, "What was asked is done.";
    Nothing: "nothing", 0, "There was no process to signal, and none had to be there.";
    DryRun: "dry-run", 0, "Processes were looked up, and none was signalled.";
    Stopped: "stopped", 0, "The processes that the stop was for have ended.";
    Frozen: "frozen", 0, "Every process is held still.";
    Thawed: "thawed", 0, "Every process that was held goes on.";
    Empty: "empty", 0, "The service is empty.";
    MainGone: "main-gone", 0, "The main process has ended.";
    Size: "size", 0, "The service is as small as was waited for.";
    Started: "started", 0, "CMD runs in the background.";
    Adopted: "adopted", 0, "The process and its descendants are members.";
    MainSet: "main-set", 0, "The main process is chosen.";
    Forgotten: "forgotten", 0, "The service, which had ended, is no longer known.";
    GivenUp: "given-up", 0, "The service lives on without a name.";
    Renamed: "renamed", 0, "The service has its new name.";
    Up: "up", 0, "The tracker is loaded.";
    Down: "down", 0, "The tracker is gone.";
    Dead: "nothing", 3, "The service has no live process.";
    Unknown: "unknown", 4, "No service has this name.";
    WouldMissAll: "dry-run", 1, "No process would be signalled, and a -fail form was given.";
    Nobody: "nothing", 1, "There was no process to signal, and a -fail form or a probe was given.";
    Unnamed: "unnamed", 1, "By the rules this exec names no service.";
    Unsure: "unsure", 64, "Some processes may have been missed, or reached twice.";
    Doubtful: "doubtful", 1, "All went well with what is known, but the tracker cannot vouch for the rest.";
    Partial: "partial", 64, "Some processes were signalled, and some could not be.";
    StillStopped: "partial", 64, "Some processes go on, and some could not be let go.";
    Fled: "doubtful", 124, "Processes were born faster than they could be stopped.";
    Unseen: "doubtful", 124, "Some processes could not be looked at, so they may run.";
    Asleep: "doubtful", 124, "Some processes sleep in the kernel and may run when they wake.";
    Running: "running", 124, "Some processes run although the service is frozen.";
    Unreaped: "unreaped", 124, "All is released, but some processes are not reaped by their parents yet.";
    Timeout: "timeout", 124, "What was waited for did not come in time.";
    Survivors: "survivors", 124, "Some processes live on.";
    Withheld: "withheld", 1, "Some processes live on, and nobody has said yes to what lets them end.";
    NotExact: "not-exact", 5, "The set is not provably exact, and --require-exact was given.";
    NotPermitted: "not-permitted", 77, "The kernel does not permit it to this caller.";
    Failed: "failed", 1, "It failed.";
    Usage: "usage", 2, "The command line is wrong.";
    NotStarted: "not-started", 125, "killer failed before CMD ran.";
    NotExecutable: "not-executable", 126, "CMD cannot be executed.";
    NotFound: "not-found", 127, "CMD was not found.";
}

/// Exit codes above this are of a signal.
const SIGNALLED: u8 = 128;

impl Ending {
    /// In a word, as documents and journal have it.
    pub const fn word(self) -> &'static str {
        self.row().0
    }

    /// Exit code.
    pub const fn code(self) -> u8 {
        self.row().1
    }

    /// True for what is a success to the caller.
    pub const fn is_good(self) -> bool {
        self.code() == 0
    }

    /// The worse of two: what a call for several services ends with.
    pub fn worse(self, other: Self) -> Self {
        // CMD may have ended well.
        std::cmp::max_by_key(self, other, |e| (!e.is_good(), *e))
    }

    /// CMD's, of a raw wait status.
    pub fn of_command(status: i32) -> Self {
        Self::Command(match libc::WIFSIGNALED(status) {
            true => SIGNALLED + libc::WTERMSIG(status) as u8,
            false => libc::WEXITSTATUS(status) as u8,
        })
    }

    /// What `stop` ends with. `acted`: there was somebody, or something to do.
    pub fn of_stop(wait: Wait, acted: bool) -> Self {
        match wait {
            Wait::Over if acted => Self::Stopped,
            Wait::Over => Self::Nothing,
            other => other.failed(),
        }
    }

    /// What a freeze ends with: processes that run, that sleep, that could not be looked at; births that went on.
    pub fn of_freeze(runs: usize, asleep: usize, unseen: usize, fled: bool) -> Self {
        match (runs, asleep, unseen) {
            (0, 0, 0) if fled => Self::Fled,
            (0, 0, 0) => Self::Frozen,
            (0, 0, _) => Self::Unseen,
            (0, ..) => Self::Asleep,
            _ => Self::Running,
        }
    }

    /// What a thaw ends with: those that are still stopped, whether all could be looked up, whether there were any.
    pub fn of_thaw(left: usize, unsure: bool, any: bool) -> Self {
        match (left, unsure, any) {
            (1.., ..) => Self::StillStopped,
            (_, true, _) => Self::Unsure,
            (.., false) => Self::Nothing,
            _ => Self::Thawed,
        }
    }

    /// What became of one of several services that it did not go well for.
    pub fn became(self) -> &'static str {
        match self {
            Self::Fled | Self::Unseen | Self::Asleep | Self::Running => "not held",
            Self::Unreaped | Self::Timeout | Self::Survivors | Self::Withheld => "not done in time",
            Self::Partial | Self::StillStopped => "partly done",
            Self::Unsure | Self::Doubtful | Self::Unknown | Self::Interrupted(_) => self.word(),
            _ => Self::Failed.word(),
        }
    }

    /// True when the processes that are left are listed below the sentence.
    pub fn lists_who(self) -> bool {
        matches!(self, Self::Survivors | Self::Withheld | Self::Unreaped)
    }

    /// This, unless the tracker cannot vouch for what it does not know of, and that is worse.
    pub fn unless(self, doubtful: bool) -> Self {
        if doubtful { self.worse(Self::Doubtful) } else { self }
    }

    /// The sentence for people.
    pub fn sentence(self, f: &Facts<'_>) -> String {
        let n = |n: usize, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
        let text = match self {
            Self::Nothing | Self::DryRun | Self::WouldMissAll | Self::Nobody | Self::Dead => {
                return match f.tasks_before {
                    1.. if f.had_ended => format!("'{}': the processes that it was for had ended", f.service),
                    0 => format!("'{}' has ended: it has no live process", f.service),
                    _ => format!("'{}': nobody matched --whom={}", f.service, f.whom),
                };
            }
            Self::Doubtful => "nobody knows whether that was all of it".into(),
            Self::StillStopped => {
                let n = n(f.left, "process is still stopped", "processes are still stopped");
                format!("{n}: the next call of killer tries again")
            }
            Self::Fled => {
                "processes were born faster than they could be stopped: some may run; freeze it again".into()
            }
            Self::Unseen => format!(
                "{} could not be looked at, so nobody knows whether all of it is stopped",
                n(f.left, "process", "processes")
            ),
            Self::Asleep => {
                format!(
                    "{} in the kernel and may run afterwards",
                    n(f.left, "process sleeps", "processes sleep")
                )
            }
            Self::Running => {
                format!("{} although the service is frozen", n(f.left, "process runs on", "processes run on"))
            }
            Self::Unreaped => n(
                f.unreaped,
                "process has ended and is not reaped",
                "processes have ended and are not reaped",
            ),
            Self::Timeout => {
                format!("{} after the timeout", n(f.left, "process lives on", "processes live on"))
            }
            Self::Survivors if f.left == 0 && f.tasks > 0 => {
                format!("{} tasks are left, and none of them is listed", f.tasks)
            }
            Self::Survivors => n(f.left, "process lives on", "processes live on"),
            Self::Withheld => format!(
                "{}: nobody has said yes to what lets them end",
                n(f.left, "process lives on", "processes live on")
            ),
            Self::Interrupted(_) => f.note.to_owned(),
            _ if f.refused > 0 => {
                format!("{} could not be signalled", n(f.refused, "process", "processes"))
            }
            _ => "some processes may not have been reached".into(),
        };
        format!("'{}': {text}", f.service)
    }
}

/// What a sentence counts and names.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// The service.
    pub service: &'a str,
    /// Which processes it was for.
    pub whom: &'a str,
    /// Tasks before.
    pub tasks_before: i64,
    /// Tasks that are left.
    pub tasks: i64,
    /// Processes that live on, or are not held as they should be.
    pub left: usize,
    /// Processes that are not reaped.
    pub unreaped: usize,
    /// Processes that the kernel refused a signal to.
    pub refused: usize,
    /// Somebody was meant, and had ended before.
    pub had_ended: bool,
    /// What an interruption has cut short.
    pub note: &'a str,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// What was waited for is there.
    Over,
    /// Somebody lives on.
    TimedOut,
    /// All is released, and not all are reaped.
    Unreaped,
    /// By a signal.
    Interrupted(i32),
}

impl Wait {
    fn failed(self) -> Ending {
        match self {
            Self::Over => Ending::Done,
            Self::TimedOut => Ending::Survivors,
            Self::Unreaped => Ending::Unreaped,
            Self::Interrupted(signal) => Ending::Interrupted(signal),
        }
    }
}

/// What is known of one order, to be judged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Case {
    /// Nothing was signalled, only looked up.
    pub dry_run: bool,
    /// Signal 0: it asks whether somebody is there.
    pub probe: bool,
    /// A `-fail` form.
    pub fail: bool,
    /// It was to end all.
    pub ends_all: bool,
    /// Somebody was there before.
    pub alive: bool,
    /// Somebody was meant.
    pub aimed: bool,
    /// Somebody was signalled.
    pub hit: bool,
    /// What the kernel answered when it first refused one (errno).
    pub refused: Option<i32>,
    /// The kernel's count is 0.
    pub empty: bool,
    /// Somebody may have been missed, or reached twice.
    pub unsure: bool,
    /// The signal that has cut it short.
    pub interrupted: Option<i32>,
    /// How the wait ended; `None`: nothing was waited for.
    pub wait: Option<Wait>,
    /// What would let survivors end was shown, and nobody said yes to it.
    pub withheld: bool,
    /// The tracker cannot vouch for what it does not know of.
    pub doubtful: bool,
}

impl Case {
    fn good(&self) -> Ending {
        if self.aimed { Ending::Done } else { Ending::Nothing }
    }

    /// What the engine has done, without any wait and doubt.
    fn engine(&self) -> Ending {
        match (self.hit, self.refused) {
            _ if self.dry_run && self.fail && !self.hit => Ending::WouldMissAll,
            _ if self.dry_run && self.unsure => Ending::Unsure,
            _ if self.dry_run => Ending::DryRun,
            (hit, refused) if self.ends_all && !self.empty && (hit || refused.is_none()) => Ending::Survivors,
            (true, Some(_)) => Ending::Partial,
            (false, Some(libc::EPERM)) => Ending::NotPermitted,
            (false, Some(_)) => Ending::Failed,
            (false, None) if self.fail => Ending::Nobody,
            _ if self.probe && !self.aimed && !self.alive => Ending::Dead,
            _ if self.probe && !self.aimed => Ending::Nobody,
            _ if self.unsure => Ending::Unsure,
            _ => self.good(),
        }
    }

    /// True when a wait makes sense: somebody may have been told, and nobody wants it to end now.
    pub fn may_wait(&self) -> bool {
        let e = self.engine();
        let told = e.is_good() || matches!(e, Ending::Unsure | Ending::Partial | Ending::Survivors);
        !self.dry_run && !self.probe && self.interrupted.is_none() && told
    }

    /// The one judgement.
    pub fn judge(&self) -> Ending {
        let engine = self.engine();
        let ending = match (self.interrupted, self.wait) {
            (Some(signal), _) => Ending::Interrupted(signal),
            // What was left is gone by now.
            (None, Some(Wait::Over)) if engine == Ending::Survivors => self.good(),
            (None, None | Some(Wait::Over)) => engine,
            (None, Some(wait)) => wait.failed(),
        };
        let ending = if ending == Ending::Survivors && self.withheld { Ending::Withheld } else { ending };
        ending.unless(self.doubtful)
    }
}

#[cfg(test)]
mod tests;

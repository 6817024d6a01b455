//! What the programs of a watcher write, each record whole: forks, execs, ends and signals of members. And what they compare.

use crate::NAME_LEN;

/// A process was forked.
pub const FORK: u32 = 1;
/// A process has executed a program.
pub const EXEC: u32 = 2;
/// The last thread of a process ends.
pub const EXIT: u32 = 4;
/// A signal was sent to a member, other than SIGCHLD.
pub const SIGNAL: u32 = 8;
/// A service is frozen or thawed, or may not be exact from then on. User space looks for that itself.
pub const STATE: u32 = 16;
/// All that programs tell of.
pub const ALL: u32 = FORK | EXEC | EXIT | SIGNAL;

/// Bytes of a path, its NUL included.
pub const PATH: usize = 256;
/// Bytes of arguments at most.
pub const ARGS: usize = 512;
/// The name of a service, NUL-padded.
pub type Name = [u8; NAME_LEN];

/// One event.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Event {
    /// `FORK`, `EXEC`, `EXIT` or `SIGNAL`.
    pub kind: u32,
    /// Innermost root.
    pub root: u32,
    /// Its generation.
    pub generation: u32,
    /// The process.
    pub tgid: u32,
    /// `start_boottime` of its leader, ns.
    pub start: u64,
    /// When, `CLOCK_BOOTTIME` ns.
    pub at: u64,
    /// Events that this watcher has lost until then.
    pub lost: u64,
    /// pidfs inode of the process, 0 where the kernel has none (before 6.9).
    pub inode: u64,
    /// `FORK`: start of the creator. `SIGNAL`: start of the sender's leader, 0 where that is not known (before 5.11).
    pub other_start: u64,
    /// `FORK`: the creator. `SIGNAL`: the process in whose context it was sent.
    pub other: u32,
    /// Real uid of the process.
    pub uid: u32,
    /// `EXIT`: the wait status. `SIGNAL`: its number.
    pub code: u32,
    /// `SIGNAL`: real uid of the sender.
    pub other_uid: u32,
    /// `SIGNAL`: `TRACE_SIGNAL_*`, what became of it; 16 more: the kernel sent it.
    pub result: u32,
    /// `EXEC`: bytes of arguments that there were.
    pub args_len: u32,
    /// `EXEC`: inode of the file.
    pub file_inode: u64,
    /// `EXEC`: device of the file's filesystem, as the kernel has it.
    pub file_dev: u32,
    /// Nothing.
    pub pad: u32,
    /// Name of the process.
    pub comm: [u64; 2],
    /// `SIGNAL`: name of the sender.
    pub other_comm: [u64; 2],
}

/// An exec, with what it is of.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Exec {
    /// The event.
    pub event: Event,
    /// The path as it was executed, with a NUL; empty where programs may not read it (lockdown=confidentiality).
    pub path: [u8; PATH],
    /// Arguments, each with a NUL; cut where there are more.
    pub args: [u8; ARGS],
}

/// Characters of a [`Glob`] at most, stars not counted.
pub const MOST: usize = 127;

/// A glob over bytes as an automaton: bit `n` of a state is set where the first `n` characters of the glob may end. It takes the same
/// few steps for each byte, whatever the glob is.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Glob {
    /// For each byte the places whose next character it may be.
    pub takes: [[u64; 2]; 256],
    /// Places with a star, at which any byte leaves the state as it is.
    pub stays: [u64; 2],
    /// The place behind the last character.
    pub end: [u64; 2],
    /// Where a `/` leads: to the beginning when only what stands behind the last one counts.
    pub slash: u64,
}

impl Glob {
    /// The state before the first byte.
    pub const BEGIN: [u64; 2] = [1, 0];

    /// The state behind one more byte, `takes` being that byte's.
    #[inline(always)]
    pub const fn step(at: [u64; 2], takes: [u64; 2], stays: [u64; 2]) -> [u64; 2] {
        let on = [at[0] & takes[0], at[1] & takes[1]];
        [on[0] << 1 | at[0] & stays[0], on[1] << 1 | on[0] >> 63 | at[1] & stays[1]]
    }

    /// Whether the glob ends at a state.
    #[inline(always)]
    pub const fn ends(at: [u64; 2], end: [u64; 2]) -> bool {
        at[0] & end[0] | at[1] & end[1] != 0
    }

    /// Whether a path matches.
    pub fn matches(&self, path: &[u8]) -> bool {
        let step = |at, b: &u8| match *b {
            b'/' if self.slash != 0 => Self::BEGIN,
            b => Self::step(at, self.takes[usize::from(b)], self.stays),
        };
        Self::ends(path.iter().fold(Self::BEGIN, step), self.end)
    }
}

/// A process for which it is known whether its program is wanted.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Runs {
    /// Its number.
    pub tgid: u32,
    /// Nothing.
    pub pad: u32,
    /// Its start in hundredths of a second since boot, as /proc has it.
    pub start: u64,
}

/// Of so many processes it is.
pub const MOST_RUNS: u32 = 65536;

/// In `result`: the kernel has sent it.
pub const BY_KERNEL: u32 = 16;

const _: () = assert!(size_of::<Event>() == 128 && size_of::<Exec>() == 128 + PATH + ARGS);

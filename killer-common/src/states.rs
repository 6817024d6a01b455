//! States of threads: what the program `on_states`, an iterator over all tasks, writes for each thread of a member.

/// One thread, as it was when it was visited.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Thread {
    /// `start_boottime` of the group leader, ns.
    pub start: u64,
    /// Signals that wait for the thread, bit n - 1 for signal n; read before `state`.
    pub own: u64,
    /// Signals that wait for its group; read before `state`.
    pub group: u64,
    /// Thread group id.
    pub tgid: u32,
    /// Its own number.
    pub tid: u32,
    /// `task_struct.__state` (`state` before 5.14).
    pub state: u32,
    /// `task_struct.exit_state`.
    pub exit_state: u32,
    /// `PF_*`.
    pub flags: u32,
    /// `signal_struct.nr_threads`: threads of the group that are not released, a zombie leader among them.
    pub threads: u32,
}

const _: () = assert!(size_of::<Thread>() == 48);

// `include/linux/sched.h`: bits of a state that /proc has letters for, and those that it shows as another one.
/// `TASK_UNINTERRUPTIBLE`
const UNINTERRUPTIBLE: u32 = 2;
/// `TASK_REPORT`
const REPORT: u32 = 0x7f;
/// `TASK_IDLE`: uninterruptible, and no load (`TASK_NOLOAD`).
const IDLE: u32 = 0x402;
/// `TASK_RTLOCK_WAIT` (5.16+): nobody sets that bit before.
const RTLOCK_WAIT: u32 = 0x1000;
/// `TASK_FROZEN` (6.1+): the same.
const FROZEN: u32 = 0x8000;

impl Thread {
    /// The letter that /proc has for it (`include/linux/sched.h:__task_state_index`, `fs/proc/array.c:task_state_array`).
    pub const fn letter(&self) -> char {
        if self.state & IDLE == IDLE {
            return 'I';
        }
        let state = if self.state & (RTLOCK_WAIT | FROZEN) != 0 {
            UNINTERRUPTIBLE
        } else {
            (self.state | self.exit_state) & REPORT
        };
        match u32::BITS - state.leading_zeros() {
            0 => 'R',
            1 => 'S',
            2 => 'D',
            3 => 'T',
            4 => 't',
            5 => 'X',
            6 => 'Z',
            _ => 'P',
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_those_of_proc() {
        let of = |state, exit_state| Thread { state, exit_state, ..Thread::default() }.letter();
        for (state, letter) in [
            (0, 'R'),
            (1, 'S'),
            (2, 'D'),
            (4, 'T'),
            (8, 't'),
            (0x40, 'P'),
            // TASK_KILLABLE, TASK_STOPPED, TASK_TRACED have TASK_WAKEKILL with them.
            (0x102, 'D'),
            (0x104, 'T'),
            (0x108, 't'),
            (0x402, 'I'),
            // TASK_WAKING, TASK_NEW; TASK_FREEZABLE with an interruptible sleep.
            (0x200, 'R'),
            (0x800, 'R'),
            (0x2001, 'S'),
            (0x8000, 'D'),
            (0x1000, 'D'),
        ] {
            assert_eq!(of(state, 0), letter, "{state:#x}");
        }
        // TASK_DEAD, as it ends, as a zombie, and as it is reaped.
        assert_eq!((of(0x80, 0), of(0x80, 0x20), of(0x80, 0x10), of(0, 0x30)), ('R', 'Z', 'X', 'Z'));
    }
}

//! The on-demand program: `BPF_PROG_TEST_RUN` on a raw tracepoint, twelve `u64` arguments.
//!
//! It runs in the caller's own context and is one uninterruptible step for it: a `killer` that is killed has
//! either made the whole change or none of it. `args[0]` is the operation, `args[1]` the slot, `args[2]` the
//! generation (0 = any); the others belong to the operation. The result is the program's return value:
//! 0 or more on success, a negative errno otherwise.

/// Makes `slot` a new root in state STARTING, owned by the caller: `[op, slot, old generation, parent, name × 8]`.
/// Answers the new generation.
pub const CREATE: u64 = 1;
/// Marks the caller's task: its next fork becomes a member: `[op, slot, gen, flags]`.
pub const SEED: u64 = 2;
/// Takes the caller's own mark back; answers 1 when there was one.
pub const UNSEED: u64 = 3;
/// `[op, slot, gen, tgid]`: makes a member the main process; tgid 0 clears it.
pub const SET_MAIN: u64 = 4;
/// `[op, slot, gen]`: STARTING → LIVE.
pub const GO_LIVE: u64 = 5;
/// `[op, slot, gen]`: forgets a root whose pop is 0.
pub const FORGET: u64 = 6;
/// `[op, slot, gen, 0, name × 8]`.
pub const RENAME: u64 = 7;
/// `[op, slot, gen, reason, count]`.
pub const REASON: u64 = 8;
/// The caller's single-threaded process leaves the root it belongs to; answers 1 when it was a member.
pub const LEAVE: u64 = 9;
/// `[op, slot, gen]`: counts 1 in pop for the adopter, until [`UNSEED`] or its death.
pub const HOLD: u64 = 10;
/// `[op, slot, gen, address]`: removes a launcher's mark by its key in `seeds`; a kill cancels pending forks.
pub const CANCEL_SEED: u64 = 11;
/// Answers the caller's root slot, 0 when it is in none.
pub const WHOSE: u64 = 12;
/// `[op, slot, gen, deadline, tgid, start]`: adopt mode until then (CLOCK_MONOTONIC ns); deadline 0 ends it.
/// With slot 0 only the edges of forks are logged.
pub const ADOPT_MODE: u64 = 13;
/// `[op, slot, gen, signal, uid, outcome]`: notes the last signal for `status`.
pub const NOTE_KILL: u64 = 14;

/// Arguments of the on-demand program.
pub const ARGS: usize = 12;

//! The on-demand program: `BPF_PROG_TEST_RUN` on a raw tracepoint, twelve `u64` arguments.
//!
//! It runs in the caller's own context and is one uninterruptible step for it: a `killer` that is killed has
//! either made the whole change or none of it. `args[0]` is the operation, `args[1]` the slot, `args[2]` the
//! generation (0 = any); the others belong to the operation. The result is the program's return value:
//! 0 or more on success, a negative errno otherwise.

/// Makes `slot` a new root in state STARTING, owned by the caller: `[op, slot, old generation, parent | flags << 32, name × 8]`
/// with flags of [`crate::record::R_SUPERVISED`] and [`crate::record::R_FOREGROUND`].
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
/// `[op, slot, gen, deadline, tgid, start, inode]`: adopt mode until then (CLOCK_MONOTONIC ns); deadline 0 ends it.
/// `start` is in clock ticks, as /proc has it; `inode` 0 is not compared. With slot 0 only the edges of forks are
/// logged. Two more arguments, slot and generation of another root: its members are moved, too (`adopt --move`).
pub const ADOPT_MODE: u64 = 13;
/// `[op, slot, gen, signal, uid, outcome]`: notes the last signal for `status`.
pub const NOTE_KILL: u64 = 14;
/// `[op, 0, 0, total]`: that many skipped hook runs have been accounted for.
pub const NOTE_MISSES: u64 = 15;
/// `[op, 0, 0, until]`: the programs write to their log until then (CLOCK_MONOTONIC ns).
pub const LOG: u64 = 16;
/// Begins a walk: answers its number.
pub const WALK_BEGIN: u64 = 32;
/// `[op, 0, 0, key, tgid, start]`: claims an entry of `births` whose process user space has found dead; answers 1 when it
/// was there and the same.
pub const CLAIM_DEAD: u64 = 33;
/// `[op, 0, 0, tgid, start]`: an entry of `ancestors` without living descendants goes to `dead`; answers 1 when it was there.
pub const LET_GO: u64 = 34;
/// Answers what was patched into the programs, as `HAS_*` bits.
pub const FEATURES: u64 = 17;
/// `[op, slot, gen, flags, skipped]`: the root's freeze state becomes one of `R_FREEZING`, `R_FROZEN`,
/// `R_THAWING`, or 0; answers what it was.
pub const FREEZE: u64 = 18;
/// `[op, slot, gen, tgid, on]`: notes whether a member was stopped before the freeze.
pub const NOTE_STOPPED: u64 = 19;
/// Newborns of a gated root can be killed at birth (gate D).
pub const HAS_SIGNAL_TASK: u32 = 1;
/// Members carry pidfs inodes.
pub const HAS_INODES: u32 = 2;
/// The raw tracepoint programs of the second object: no BTF.
pub const HAS_RAW: u32 = 0x100;
/// Its classic tracepoint programs: members are known by thread id.
pub const HAS_CLASSIC: u32 = 0x200;
/// The birth witness is loaded.
pub const HAS_WITNESS: u32 = 4;
/// The kernel can skip a program whose instance on the same processor was preempted.
pub const HAS_SKIPS: u32 = 0x10;
/// Programs that decide at births see which signals wait for a creator.
pub const HAS_PENDING: u32 = 8;

/// Arguments of the on-demand program.
pub const ARGS: usize = 12;

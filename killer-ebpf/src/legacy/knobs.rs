//! Constants that the loader writes into the instructions themselves ([`killer_common::patch`]): frozen `.rodata` is 5.2+.
//! What the shared files ask for and this object has not is a plain constant.

use core::arch::asm;

use killer_common::patch;

/// Dead ancestors that one end can let go: each is code of its own, and before 5.2 a program has 4096 instructions at most.
pub const MOST_UP: u32 = 4;

macro_rules! patched {
    ($($(#[$doc:meta])* $get:ident: $n:expr;)*) => {
        $(
            $(#[$doc])*
            #[inline(always)]
            pub fn $get() -> u32 {
                let v: u64;
                // SAFETY: loads a number; LLVM does not look into it, so it stays one instruction.
                unsafe { asm!("{0} = {1}", out(reg) v, const patch::KNOB + $n, options(pure, nomem, nostack)) };
                v as u32
            }
        )*
    };
}

patched! {
    /// The tier: 1 raw, 2 legacy.
    second: patch::TIER;
    /// `task_struct.tgid`
    off_tgid: patch::OFF_TGID;
    /// Entries of `ancestors` that one root may have.
    ancestors_most: patch::ANCESTORS_MOST;
    /// 1 where the kernel can skip a program.
    can_skip: patch::CAN_SKIP;
    /// By how much a task's key is shifted left and right again.
    key_shift: patch::KEY_SHIFT;
}

/// What is added to the clock, ns.
#[inline(always)]
pub fn ahead() -> u64 {
    let v: u64;
    // SAFETY: as above.
    unsafe { asm!("{0} = {1} ll", out(reg) v, const patch::AHEAD, options(pure, nomem, nostack)) };
    v
}

/// There is no birth witness.
#[inline(always)]
pub fn witness() -> u32 {
    0
}
/// The shared files ask so whether the current task can be looked at: its threads are counted here.
#[inline(always)]
pub fn have_current_btf() -> u32 {
    1
}
/// Nothing is decided at births here.
#[inline(always)]
pub fn reads_kernel() -> u32 {
    0
}
/// kfuncs need BTF.
#[inline(always)]
pub fn have_signal_task() -> u32 {
    0
}
/// No pidfs inodes.
#[inline(always)]
pub fn off_ino() -> u32 {
    0
}
/// Nothing is refused for tests.
#[inline(always)]
pub fn refuse_births() -> u32 {
    0
}
/// The same.
#[inline(always)]
pub fn refuse_exits() -> u32 {
    0
}

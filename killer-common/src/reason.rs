//! Everything that can make a root's membership doubtful, one bit each.

macro_rules! reasons {
    ($($(#[$doc:meta])* $id:ident = $n:literal, $code:literal, $text:literal;)*) => {
        $($(#[$doc])* pub const $id: u32 = $n;)*
        /// `(bit, code, text)` of every reason.
        pub const ALL: &[(u32, &str, &str)] = &[$(($n, $code, $text)),*];
    };
}

reasons! {
    /// A fork hook was skipped (L1).
    MISSED_HOOK = 0, "missed-hook", "a hook was skipped by the kernel";
    /// The birth was found missing by the second fork hook, which registered it.
    REPAIRED_BIRTH = 1, "late-birth", "a birth was registered by the second fork hook only";
    /// `births` refused an entry (L3, L4, L5).
    MAP_FULL = 2, "map-full", "a birth could not be recorded";
    /// A stale pointer was found: an exit had been missed (I7).
    STALE = 3, "missed-exit", "an exit was missed; its entry was found stale and taken out";
    /// The root was adopted: orphans from before have lost their lineage.
    ADOPTED = 4, "adopted-late", "adopted while running: orphans from before have no lineage";
    /// The adoption saw anomalies or did not become quiet.
    ADOPT_UNSURE = 5, "adopt-unsure", "the adoption did not become quiet, or could not log all that was forked meanwhile";
    /// The tracker's links were gone for a while.
    TRACKER_GAP = 6, "tracker-gap", "the tracker was not attached all the time";
    /// Births of a lineage were found by the repair walk.
    REPAIRED_WALK = 7, "repaired-walk", "the repair walk found a member that no hook had recorded";
    /// A member index entry could not be written.
    INDEX = 8, "index-full", "a member could not be indexed";
    /// `run --kill-on-exit --detach` lost its supervisor.
    SUPERVISOR = 9, "supervisor-gone", "the supervisor ended before the service";
    /// pid_max or threads-max was raised after the maps were sized.
    RESIZED = 10, "limits-raised", "pid_max or threads-max was raised after the maps were sized";
    /// The birth witness was silent, the fork hook registered.
    WITNESS = 11, "witness-silent", "the birth witness did not see a birth; the fork hook did";
    /// The hooks are classic tracepoints on a kernel that loses some of their events (5.11+).
    CLASSIC = 12, "classic-hooks", "classic tracepoints, which lose events on this kernel without a trace";
    /// The tier `scan` keeps the set.
    BEST_EFFORT = 13, "best-effort", "tracked without the kernel's help: a process can slip away unseen";
    /// The named cgroup hierarchy and the set differ.
    WITNESS_DIFFERS = 14, "witness-differs", "the named cgroup hierarchy holds other processes than the set";
    /// A rule matched, and all slots for instances were taken or held: the process stayed where it was.
    RULE_SLOTS = 15, "rule-slots", "a service could not be told apart: all places for instances were taken";
    /// The adopter of the tier `scan` did not hear of all forks.
    FORKS_UNHEARD = 16, "forks-unheard", "the kernel told of more forks than could be heard: an orphan may have slipped away";
}

/// Number of reason counters a root has; those that no reason has yet stay 0. A power of two: the programs mask a reason's number.
pub const COUNT: usize = 32;
const _: () = assert!(ALL.len() <= COUNT && COUNT.is_power_of_two());

//! Each model to its last state, what it found in the code, and the known-bad changes that it has to catch.
//!
//! `cargo test -p killer-models -- --nocapture --test-threads 1` prints the table of docs/internals/MODELS.md; with
//! `MODEL_TRACES=1` also the shortest way to each failure.

use killer_models::{Explored, Verdict, every_state, first_failure, random_walks};

/// States that the random walks of one model see.
const WALK: usize = 400_000;

fn said(kind: &str, name: &str, e: &Explored) {
    let name = name.trim_start_matches("models::");
    let (states, depth, seconds) = (e.states, e.depth, e.time.as_secs_f32());
    let verdict = match e.verdict() {
        Verdict::Holds => "holds".to_owned(),
        Verdict::Fails(p) => format!("fails: {}", p.join("; ")),
        Verdict::Vacuous(p) => format!("never seen: {}", p.join("; ")),
    };
    println!("{kind:9} {name:40} {states:>8} states, depth {depth:>3}, {seconds:>5.1} s: {verdict}");
    if std::env::var_os("MODEL_TRACES").is_some() {
        e.failures.iter().for_each(|f| println!("{f}"));
    }
}

/// Every property holds in every state, and the model can do what it should.
macro_rules! holds {
    ($($name:ident: $model:expr;)*) => {$(
        #[test]
        fn $name() {
            let e = every_state($model);
            said("holds", concat!(module_path!(), "::", stringify!($name)), &e);
            assert!(e.failures.is_empty(), "{}", e.failures[0]);
            assert!(e.unseen.is_empty(), "never seen: {:?}", e.unseen);
        }
    )*};
}

/// A property catches it: this fails when the change survives.
macro_rules! fails {
    ($kind:literal: $($name:ident: $model:expr => $property:literal;)*) => {$(
        #[test]
        fn $name() {
            let e = first_failure($model);
            said($kind, concat!(module_path!(), "::", stringify!($name)), &e);
            let caught = e.failures.iter().any(|f| f.property == $property);
            assert!(caught, "'{}' caught nothing: {:?}", $property, e.verdict());
        }
    )*};
}

/// Seeded random walks through a larger one.
macro_rules! walks {
    ($($name:ident: $model:expr;)*) => {$(
        #[test]
        fn $name() {
            let e = random_walks($model, 20_251_125, WALK);
            said("walks", concat!(module_path!(), "::", stringify!($name)), &e);
            assert!(e.failures.is_empty(), "{}", e.failures[0]);
        }
    )*};
}

mod births {
    use super::*;
    use killer_models::world::{Mutant, Tier::*, World};

    holds! {
        typed: World::three(Typed, Mutant::No);
        typed_nothing_skipped: World::nothing_skipped(Typed, Mutant::No);
        witnessed: World::three(Witnessed, Mutant::No);
        witnessed_nothing_skipped: World::nothing_skipped(Witnessed, Mutant::No);
    }
    walks! {
        large_typed: World::large(Typed);
        large_witnessed: World::large(Witnessed);
    }
    fails! { "mutant":
        exit_hook_attached_last: World::nothing_skipped(Typed, Mutant::ExitHookLast)
            => "in the end the count is 0, unless an exit was missed";
        removal_at_the_leaders_exit: World::nothing_skipped(Typed, Mutant::LeaderExit)
            => "every task that runs is indexed, unless a hook was skipped";
        start_not_compared: World::three(Typed, Mutant::NoStart) => "no stranger is a member";
        counted_after_the_insert: World::three(Typed, Mutant::InsertFirst)
            => "count 0: nobody is alive or coming (I3)";
        stale_entry_kept: World::three(Typed, Mutant::KeepStale) => "every task that runs is registered (I1)";
        task_free_claims_nothing: World::nothing_skipped(Witnessed, Mutant::NoFree)
            => "no stranger is a member";
    }
}

mod seeds {
    use super::*;
    use killer_models::seeds::{Seeds, Variant};

    holds! {
        as_built: Seeds::three(Variant::AsBuilt);
    }
    fails! { "mutant":
        child_first: Seeds::three(Variant::ChildFirst) => "after \"empty\" no task runs that was coming";
        membership_not_asked: Seeds::three(Variant::NoQuestion) => "CMD never runs untracked";
        mark_claimed_before_the_child_is_inserted: Seeds::three(Variant::MarkFirst)
            => "after \"empty\" no task runs that was coming";
        counted_down_without_winning: Seeds::three(Variant::NoWin) => "the count is never negative";
        child_does_not_wait: Seeds::three(Variant::NoPipe) => "CMD never runs untracked";
        mark_counted_late: Seeds::three(Variant::CountLate) => "the count is never negative";
        exit_hook_leaves_marks: Seeds::three(Variant::MarkStays) => "in the end the count is what is there";
    }
}

mod gate {
    use super::*;
    use killer_models::gate::{Gate, Variant};

    holds! {
        one_sweeper: Gate::three(Variant::AsBuilt);
        two_sweepers: Gate::two_sweepers(Variant::AsBuilt);
    }
    walks! {
        large: Gate::large(Variant::AsBuilt);
    }
    fails! { "as built":
        the_later_lease_takes_the_other_along: Gate { strict: true, ..Gate::two_sweepers(Variant::AsBuilt) }
            => "a lease holds while its sweeper works";
    }
    fails! { "mutant":
        gate_read_before_the_insert: Gate::three(Variant::GateFirst)
            => "a task in no pass under the gate is killed at birth";
        no_second_read: Gate::three(Variant::NoSecondRead) => "no stranger is signalled";
        saw_nothing_is_empty: Gate::three(Variant::NothingSeen) => "\"empty\" is never said early";
        no_lease: Gate::three(Variant::NoLease) => "in the end the gate is open";
        opens_anothers: Gate::two_sweepers(Variant::OpensAny) => "nobody's lease is cut short by another";
        shorter_stands: Gate::two_sweepers(Variant::ShorterStands) => "nobody's lease is cut short by another";
        removal_at_the_leaders_exit: Gate::three(Variant::LeaderExit) => "in the end all are dead";
    }
}

mod parents {
    use super::*;
    use killer_models::parents::{Parents, Variant};

    holds! {
        a_star_below_a_star: Parents::two(Variant::AsBuilt);
    }
    fails! { "mutant":
        never_sent: Parents::two(Variant::NeverSent) => "in the end everybody was sent it";
        no_bound: Parents::two(Variant::NoBound) => "in the end everybody was sent it";
        left_at_the_end: Parents::two(Variant::LeftAtTheEnd) => "in the end everybody was sent it";
        youngest_too: Parents::two(Variant::YoungestToo) => "no parent that runs sees all its children end";
        youngest_before: Parents::two(Variant::YoungestBefore)
            => "no parent that runs sees all its children end";
        not_for_each_other: Parents::two(Variant::NotForEachOther)
            => "no parent that runs sees all its children end";
        without_gate: Parents::two(Variant::WithoutGate) => "no process runs that was forked behind the first list";
    }
}

mod broadcast {
    use super::*;
    use killer_models::broadcast::{Broadcast, Variant};

    holds! {
        as_built: Broadcast::three(Variant::AsBuilt);
        as_built_inodes: Broadcast::inodes(Variant::AsBuilt);
    }
    walks! {
        large: Broadcast::large(Variant::AsBuilt);
    }
    fails! { "mutant":
        word_written_after_the_index: Broadcast::three(Variant::OneWrite) => "at most once along a path";
        one_list_in_pid_order: Broadcast::three(Variant::PidOrder) => "in the end once along every path";
        births_counted_before_the_index: Broadcast::three(Variant::CountedEarly)
            => "in the end once along every path";
        entries_asked: Broadcast::three(Variant::EntriesAsked) => "in the end once along every path";
        inner_epoch_hides_outer: Broadcast::three(Variant::InnerFirst) => "in the end once along every path";
        child_inherits_the_mark: Broadcast::three(Variant::NaiveInherit) => "in the end once along every path";
        no_recheck_of_the_epoch: Broadcast::three(Variant::NoRecheck) => "in the end once along every path";
        no_second_read: Broadcast::three(Variant::NoSecondRead) => "no stranger is signalled";
        settled_by_the_sweeper: Broadcast::three(Variant::LateSettle) => "at most once along a path";
        sent_before_the_claim: Broadcast::three(Variant::SendFirst) => "at most once along a path";
        plain_stores: Broadcast::three(Variant::PlainStore) => "at most once along a path";
        one_pass: Broadcast::three(Variant::OnePass) => "in the end once along every path";
    }
}

mod nested {
    use super::*;
    use killer_models::nested::{Nested, Variant};

    holds! {
        members_launch: Nested::three(Variant::AsBuilt);
        an_outsider_launches: Nested::outsider(Variant::AsBuilt);
    }
    walks! {
        large: Nested::large(Variant::AsBuilt);
    }
    fails! { "mutant":
        no_third_look: Nested::outsider(Variant::Twice) => "\"empty\" is never said early";
        single_collect: Nested::three(Variant::Single) => "\"empty\" is never said early";
        insertions_not_compared: Nested::three(Variant::NoInserts) => "\"empty\" is never said early";
        insertions_read_last: Nested::three(Variant::InsertsLast) => "\"empty\" is never said early";
    }
}

mod adoption {
    use super::*;
    use killer_models::adoption::{Adoption, Variant};

    holds! {
        as_built: Adoption::three(Variant::AsBuilt);
        edges: Adoption::three(Variant::Edges);
        edges_hoppers: Adoption::hoppers(Variant::Edges);
    }
    walks! {
        large: Adoption::large(Variant::Edges);
    }
    fails! { "as built":
        two_quiet_passes: Adoption::hoppers(Variant::AsBuilt) => "quiet: all of the lineage are members";
    }
    fails! { "mutant":
        forks_not_logged: Adoption::three(Variant::NoForkLog) => "quiet: all of the lineage are members";
        ends_not_logged: Adoption::three(Variant::NoExitLog) => "quiet: all of the lineage are members";
        no_second_look: Adoption::three(Variant::NoRecheck) => "in the end the count is what is there";
        no_hold: Adoption::three(Variant::NoHold) => "the count is not 0 while the adoption goes on";
        guesses: Adoption::three(Variant::Guesses) => "no outsider is taken in";
    }
}

mod repair {
    use super::*;
    use killer_models::repair::{Repair, Variant};
    use killer_models::world::Tier::*;

    holds! {
        typed: Repair::one_walk(Typed, Variant::AsBuilt);
        witnessed: Repair::one_walk(Witnessed, Variant::AsBuilt);
        lost_thread: Repair::lost_thread(Variant::AsBuilt);
        stamps: Repair::stamps(Variant::AsBuilt);
        stamps_witnessed: Repair::stamps_witnessed(Variant::AsBuilt);
        locked: Repair::stamps(Variant::Locked);
    }
    walks! {
        large_typed: Repair::large(Typed, Variant::AsBuilt);
        large_witnessed: Repair::large(Witnessed, Variant::AsBuilt);
    }
    fails! { "mutant":
        walk_meets_newborns: Repair::one_walk(Typed, Variant::MeetsNewborns)
            => "every task that runs is registered (I1), or it is doubtful";
        walk_fills_in_place: Repair::one_walk(Witnessed, Variant::InPlace)
            => "every task that runs is registered (I1), or it is doubtful";
        thread_exits_while_the_walk_registers_it: Repair::lost_thread(Variant::LiveZero)
            => "in the end the count is 0";
        births_under_a_sweep_not_doubted: Repair::stamps(Variant::NotDoubted)
            => "every task that runs is registered (I1), or it is doubtful";
        stamps_not_renewed: Repair::stamps(Variant::StampsNotRenewed)
            => "every task that runs is registered (I1), or it is doubtful";
        stamps_not_renewed_witnessed: Repair::stamps_witnessed(Variant::StampsNotRenewed)
            => "every task that runs is registered (I1), or it is doubtful";
        one_walk_is_enough: Repair::stamps(Variant::OneWalk)
            => "every task that runs is registered (I1), or it is doubtful";
        counted_down_without_winning: Repair::lost_thread(Variant::NoWin) => "the count is never negative";
        no_second_look: Repair::lost_thread(Variant::NoRecheck) => "in the end the count is 0";
    }
}

mod moving {
    use super::*;
    use killer_models::moving::{Moving, Variant};

    holds! {
        as_built: Moving::two(Variant::AsBuilt);
    }
    fails! { "mutant":
        exiting_is_asked_before_the_claim: Moving::two(Variant::AskedBefore)
            => "the count is never below what is there";
        not_looked_at_again: Moving::two(Variant::NoLookAgain)
            => "in the end the count is what is there, and nobody dead is";
        every_walk_moves: Moving::two(Variant::TwoWalks) => "the count is never below what is there";
        forks_are_not_logged: Moving::two(Variant::NoEdges) => "in the end nobody alive is in no root";
        replaced_in_place: Moving::two(Variant::Replaced) => "the count is never below what is there";
    }
}

mod instances {
    use super::*;
    use killer_models::instances::{Instances, Variant};

    holds! {
        as_built: Instances::three(Variant::AsBuilt);
    }
    fails! { "mutant":
        record_read_before_the_lease: Instances::three(Variant::ReadFirst)
            => "nobody of another service is signalled";
        lease_dropped_before_the_proof: Instances::three(Variant::DroppedEarly)
            => "nobody of another service is signalled";
        opener_does_not_look: Instances::three(Variant::NotLooked)
            => "nobody of another service is signalled";
        key_without_generation: Instances::three(Variant::NoGeneration) => "no slot has two instances";
    }
}

mod holds {
    use super::*;
    use killer_models::holds::{Holds, Variant};

    holds! {
        as_built: Holds::two(Variant::AsBuilt);
    }
    fails! { "mutant":
        nobody_is_counted: Holds::two(Variant::NotCounted) => "nobody's hold is cut short";
        let_go_past_the_deadline: Holds::two(Variant::NoDeadline) => "nobody's hold is cut short";
        clock_before_the_word: Holds::two(Variant::ClockFirst) => "nobody's hold is cut short";
        counted_once_for_good: Holds::two(Variant::CountedOnce) => "nobody's hold is cut short";
    }
}

mod leaders {
    use super::*;
    use killer_models::leaders::{Leaders, Variant};

    holds! {
        as_built: Leaders::three(Variant::AsBuilt);
    }
    fails! { "mutant":
        not_looked_again: Leaders::three(Variant::NotLookedAgain)
            => "nothing is left of one that has ended";
        said_before_it_is: Leaders::three(Variant::SaidFirst) => "a process that runs is found";
        deleted_before_it_is: Leaders::three(Variant::DeletedFirst) => "a process that runs is found";
        dropped_before_it_is_said: Leaders::three(Variant::DroppedFirst) => "a process that runs is found";
        marked_before_it_is_said: Leaders::three(Variant::MarkedFirst) => "a process that runs is found";
        read_once: Leaders::three(Variant::ReadOnce) => "a process that runs is found";
        told_without_a_claim: Leaders::three(Variant::NoClaim) => "its creator is told once";
    }
}

mod reuse {
    use super::*;
    use killer_models::reuse::{Reuse, Variant};

    holds! {
        as_built: Reuse::two(Variant::AsBuilt);
    }
    fails! { "mutant":
        a_slot_is_taken_at_once: Reuse::two(Variant::TakenAtOnce)
            => "no process of a root meets the gate of the root before";
        not_held: Reuse::two(Variant::NotHeld) => "no process of a root meets the gate of the root before";
        record_read_before_the_hold: Reuse::two(Variant::ReadFirst)
            => "no process of a root meets the gate of the root before";
        line_not_asked_again: Reuse::two(Variant::NotAskedAgain)
            => "no process of a root meets the gate of the root before";
        record_not_read_again: Reuse::two(Variant::NotReadAgain)
            => "a sweeper that was late goes on behind an open gate";
    }
}

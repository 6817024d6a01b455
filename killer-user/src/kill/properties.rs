//! Any interleaving of fork, exit, exec and PID re-use between any two steps of the engine leaves no live member
//! unsignalled and no outsider signalled.

mod parents;

use std::cell::RefCell;
use std::time::Duration;

use proptest::prelude::*;

use super::fake::{Event, Fake, World};
use super::{Fate, Order, Refusal, SIGKILL, execute};
use crate::ask::whom::Pick;
use crate::lookup::process::Unread;
use crate::sys::alive::Identity;

fn order(signal: i32) -> Order {
    Order {
        signal,
        value: None,
        picks: vec![Pick::All],
        main: None,
        home: None,
        kept: Vec::new(),
        glob: |_, _| false,
        dry_run: false,
        caller: vec![9999],
        unread: None,
        near: 1,
        include_self: false,
        patience: Duration::from_secs(10),
        newborns: crate::ask::Newborns::Signal,
        most: None,
        passing: false,
    }
}

fn world(members: u32, strangers: u32, inodes: bool, gate_at_birth: bool, script: Vec<Event>) -> Fake {
    let mut w = World { inodes, gate_at_birth, script: script.into(), ..World::default() };
    let init = Identity { pid: 1, start: 0 };
    for i in 0..members {
        w.birth(2 + i, true, init);
    }
    for i in 0..strangers {
        w.birth(2 + members + i, false, init);
    }
    Fake(RefCell::new(w))
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (any::<u8>(), any::<u8>()).prop_map(|(a, b)| Event::Fork(a, b)),
        3 => any::<u8>().prop_map(Event::Exit),
        1 => any::<u8>().prop_map(Event::Exec),
        2 => any::<u8>().prop_map(Event::Stranger),
        1 => any::<u8>().prop_map(Event::StrangerExit),
        1 => Just(Event::Tidy),
        3 => any::<u8>().prop_map(Event::Die),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn kill_leaves_nobody_and_hits_nobody_else(
        members in 1u32..6, strangers in 0u32..4, inodes: bool, gate: bool, kernel: bool, half: bool,
        script in prop::collection::vec(event(), 0..300),
    ) {
        let mut f = world(members, strangers, inodes, gate, script);
        (f.0.get_mut().kernel, f.0.get_mut().half) = (kernel, half);
        let o = execute(&mut f, &order(SIGKILL)).unwrap();
        let w = f.0.borrow();
        prop_assert!(w.violations.is_empty(), "{:?}", w.violations);
        prop_assert!(o.empty, "not empty: {:?}", w.procs);
        prop_assert_eq!(w.alive(), 0);
        prop_assert_eq!(w.gate, 0, "the gate is open again");
    }

    #[test]
    fn other_signals_at_most_once_and_to_members_only(
        members in 1u32..6, strangers in 0u32..4, inodes: bool, later: bool,
        script in prop::collection::vec(event(), 0..120),
    ) {
        let mut f = world(members, strangers, inodes, true, script);
        f.0.borrow_mut().later = later;
        let first: Vec<Identity> = f.0.borrow().procs.iter().filter(|(_, p)| p.member).map(|(k, p)| Identity { pid: *k, start: p.start }).collect();
        execute(&mut f, &order(15)).unwrap();
        let w = f.0.borrow();
        prop_assert!(w.violations.is_empty(), "{:?}", w.violations);
        for (pid, p) in &w.procs {
            prop_assert!(p.signals <= 1, "{pid} got {} signals", p.signals);
            if first.contains(&Identity { pid: *pid, start: p.start }) {
                prop_assert_eq!(p.signals, 1, "{} was a member from the beginning", pid);
            }
        }
        for (pid, p) in w.procs.iter().filter(|(_, p)| p.member && p.owed) {
            prop_assert_eq!(p.signals, 1, "{} is a child of a creator that had not received it", pid);
        }
        for (pid, start, n) in &w.reaped {
            prop_assert!(*n <= 1, "{pid} from {start} got {n} signals");
        }
    }

    #[test]
    fn a_dry_run_touches_nothing(members in 1u32..6, script in prop::collection::vec(event(), 0..40)) {
        let mut f = world(members, 0, true, true, script);
        let mut d = order(SIGKILL);
        d.dry_run = true;
        execute(&mut f, &d).unwrap();
        let w = f.0.borrow();
        prop_assert!(w.procs.values().all(|p| p.signals == 0));
        prop_assert_eq!(w.gate, 0);
    }
}

#[test]
fn refuses_the_caller_and_its_ancestors() {
    let mut f = world(3, 0, true, true, vec![]);
    let mut o = order(SIGKILL);
    o.caller = vec![50, 3];
    assert_eq!(execute(&mut f, &o).unwrap_err(), Refusal::Ancestor(3));
    (o.caller, o.near) = (vec![3], 1);
    assert_eq!(execute(&mut f, &o).unwrap_err(), Refusal::Caller(3));
    assert!(f.0.borrow().procs.values().all(|p| p.signals == 0));
    o.include_self = true;
    assert!(execute(&mut f, &o).unwrap().empty);
}

#[test]
fn refuses_more_than_are_allowed() {
    for signal in [SIGKILL, 15] {
        let mut f = world(3, 0, true, true, vec![]);
        let mut o = order(signal);
        o.most = Some(2);
        assert_eq!(execute(&mut f, &o).unwrap_err(), Refusal::Many(3));
        assert!(f.0.borrow().procs.values().all(|p| p.signals == 0) && f.0.borrow().gate == 0);
        o.dry_run = true;
        assert_eq!(execute(&mut f, &o).unwrap_err(), Refusal::Many(3));
        (o.dry_run, o.most) = (false, Some(3));
        assert!(execute(&mut f, &o).is_ok());
    }
}

/// An ancestor of the caller that cannot be read: behind it there may be anybody who is older than what is known.
#[test]
fn refuses_whoever_may_be_an_ancestor() {
    let mut f = world(3, 0, true, true, vec![]);
    let oldest = f.0.borrow().procs.values().map(|p| p.start).min().expect("somebody");
    let pid = *f.0.borrow().procs.iter().find(|(_, p)| p.start == oldest).expect("the same").0;
    let mut o = order(SIGKILL);
    (o.caller, o.near) = (vec![50, 49], 2);
    o.unread = Some(Unread { pid: 49, until: oldest });
    assert_eq!(execute(&mut f, &o).unwrap_err(), Refusal::Behind(pid, 49));
    assert!(f.0.borrow().procs.values().all(|p| p.signals == 0));
    // All of the set are younger than what is known: none of them is an ancestor.
    o.unread = Some(Unread { pid: 49, until: oldest - 1 });
    assert!(execute(&mut f, &Order { dry_run: true, ..o.clone() }).is_ok());
    (o.include_self, o.unread) = (true, Some(Unread { pid: 49, until: u64::MAX }));
    assert!(execute(&mut f, &o).unwrap().empty);
}

/// The main process of a service that the caller's session was started by, and does not hang on.
#[test]
fn an_ancestor_far_away_may_be_named() {
    let mut f = world(3, 0, true, true, vec![]);
    let start = f.0.borrow().procs[&3].start;
    let mut o = order(15);
    (o.main, o.picks) = (Some(Identity { pid: 3, start }), vec![Pick::Main]);
    o.caller = vec![50, 49, 3];
    for (near, whom, refused) in [
        (3, vec![Pick::Main], true),
        (2, vec![Pick::All], true),
        (2, vec![Pick::Not(Box::new(Pick::Control))], true),
        (2, vec![Pick::All, Pick::Main], false),
        (2, vec![Pick::Main], false),
    ] {
        (o.near, o.picks) = (near, whom.clone());
        let r = execute(&mut f, &o);
        assert_eq!(r.err(), refused.then_some(Refusal::Ancestor(3)), "{near} {whom:?}");
    }
    // Other processes do not matter: only the main process is signalled.
    o.caller = vec![2, 3];
    (o.near, o.picks) = (1, vec![Pick::Main]);
    assert!(execute(&mut f, &o).is_ok());
    assert_eq!(f.0.borrow().procs[&2].signals, 0);
    (o.near, o.caller) = (0, vec![3]);
    assert_eq!(execute(&mut f, &o).unwrap_err(), Refusal::Caller(3));
}

/// Numbers that have wrapped: the newest process has the lowest one.
#[test]
fn the_oldest_ends_first() {
    let mut w = World { inodes: true, gate_at_birth: true, ..World::default() };
    for pid in [30, 20, 10, 25] {
        w.birth(pid, true, Identity { pid: 1, start: 0 });
    }
    let mut f = Fake(RefCell::new(w));
    let o = execute(&mut f, &order(SIGKILL)).unwrap();
    let sent: Vec<u32> = o.targets.iter().map(|t| t.member.tgid).collect();
    assert_eq!(sent, [30, 20, 10, 25]);
    assert!(o.empty);
}

/// The caller and its ancestors, as far as an order may not reach them.
#[test]
fn the_kernel_sweep_spares_whom_the_guard_spares() {
    let mut o = order(SIGKILL);
    (o.caller, o.near) = (vec![5, 4, 3], 2);
    assert_eq!(o.spared(), 3);
    o.picks = vec![Pick::Main];
    assert_eq!(o.spared(), 2);
    o.include_self = true;
    assert_eq!(o.spared(), 0);
}

#[test]
fn an_empty_set_is_nothing_to_do() {
    let mut f = world(0, 2, true, true, vec![]);
    let o = execute(&mut f, &order(SIGKILL)).unwrap();
    assert!(o.empty && o.targets.is_empty());
}

#[test]
fn without_a_gate_at_birth_the_second_pass_closes_system_calls() {
    // Nothing until the first list is made, then forks behind it.
    let script = [vec![Event::Tidy; 12], vec![Event::Fork(0, 0); 8], vec![Event::Tidy; 200]].concat();
    let mut f = world(2, 0, true, false, script);
    let o = execute(&mut f, &order(SIGKILL)).unwrap();
    assert!(o.empty && o.passes > 1 && o.gates.syscalls && f.0.borrow().syscalls);
}

#[test]
fn who_cannot_be_killed_is_a_survivor() {
    // A member that never dies although it is doomed: the script keeps the world busy with nothing.
    let mut f = world(1, 0, true, true, vec![Event::Tidy; 4000]);
    let mut o = order(SIGKILL);
    o.patience = Duration::from_millis(50);
    let r = execute(&mut f, &o).unwrap();
    assert!(!r.empty);
    assert_eq!(r.survivors.len(), 1);
    assert_eq!(r.targets[0].fate, Fate::Signalled);
}

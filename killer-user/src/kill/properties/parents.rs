//! A parent of many and its children.

use super::*;

/// The number of the parent; its children have those behind it.
const PARENT: u32 = 2;
const CHILDREN: u32 = 70;
const YOUNGEST: u32 = PARENT + CHILDREN;

fn star(gate_at_birth: bool, kernel: bool, script: Vec<Event>) -> World {
    let script = script.into();
    let room = CHILDREN + 20;
    let mut w = World { inodes: true, gate_at_birth, kernel, room, script, ..World::default() };
    w.birth(PARENT, true, Identity { pid: 1, start: 0 });
    let parent = Identity { pid: PARENT, start: w.procs[&PARENT].start };
    for child in PARENT + 1..=YOUNGEST {
        w.birth(child, true, parent);
    }
    w
}

fn killed(w: &World) -> Vec<u32> {
    w.kills.iter().map(|k| k.0).collect()
}

#[test]
fn children_first_and_the_youngest_behind_its_parent() {
    let order = order(SIGKILL);
    for kernel in [false, true] {
        let mut f = Fake(RefCell::new(star(true, kernel, vec![])));
        let o = execute(&mut f, &order).unwrap();
        let w = f.0.borrow();
        let all: Vec<u32> = (PARENT + 1..YOUNGEST).chain([PARENT, YOUNGEST]).collect();
        assert_eq!(killed(&w), all);
        assert_eq!(o.targets.iter().map(|t| t.member.tgid).collect::<Vec<u32>>(), all);
        assert!(o.targets.iter().all(|t| t.fate == Fate::Signalled));
        assert_eq!((o.empty, o.passes, w.alive()), (true, 1, 0));
        let alive = w.kills.iter().find(|k| k.0 == PARENT).expect("the parent").2;
        assert_eq!(alive, 2, "the parent and its youngest child");
        drop(w);
        // Without a gate at birth the parent could fork others; and one that waits gains nothing.
        for waits in [false, true] {
            let mut f = Fake(RefCell::new(star(waits, kernel, vec![])));
            f.0.get_mut().waits = waits;
            assert!(execute(&mut f, &order).unwrap().empty);
            assert_eq!(killed(&f.0.borrow())[0], PARENT);
        }
    }
}

/// Whatever its children do: one that hangs in the kernel, and none that ends at all.
#[test]
fn the_parent_does_not_wait_for_ever() {
    let order = order(SIGKILL);
    for kernel in [false, true] {
        let mut f = Fake(RefCell::new(star(true, kernel, vec![])));
        f.0.get_mut().stuck = Some(PARENT + 5);
        let o = execute(&mut f, &order).unwrap();
        let left: Vec<u32> = o.survivors.iter().map(|s| s.member.tgid).collect();
        assert_eq!((o.empty, left), (false, vec![PARENT + 5]));
        let w = f.0.borrow();
        let (first, at) = (w.kills[0].1, w.kills.iter().find(|k| k.0 == PARENT).expect("the parent").1);
        assert!(at - first < 200_000_000, "{} ms", (at - first) / 1_000_000);
        drop(w);
        for patience in [0, 30] {
            let order = Order { patience: Duration::from_millis(patience), ..order.clone() };
            let mut f = Fake(RefCell::new(star(true, kernel, vec![Event::Tidy; 100_000])));
            assert!(!execute(&mut f, &order).unwrap().empty);
            assert_eq!(killed(&f.0.borrow()).len() as u32, CHILDREN + 1);
        }
    }
}

/// What it forks dies, but it would go on with that.
#[test]
fn a_parent_that_forks_is_ended_at_once() {
    let script = [vec![Event::Tidy; 10], vec![Event::Fork(0, 0)], vec![Event::Tidy; 2000]].concat();
    let mut f = Fake(RefCell::new(star(true, true, script)));
    let o = execute(&mut f, &order(SIGKILL)).unwrap();
    assert!(o.empty);
    let w = f.0.borrow();
    let at = w.kills.iter().find(|k| k.0 == PARENT).expect("the parent");
    assert!(at.2 > CHILDREN as usize, "it was left until {} were alive", at.2);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn nobody_is_left_and_the_wait_is_short(
        inodes: bool, kernel: bool, half: bool, script in prop::collection::vec(event(), 0..400),
    ) {
        let mut w = star(true, kernel, script);
        (w.inodes, w.half) = (inodes, half);
        let mut f = Fake(RefCell::new(w));
        let o = execute(&mut f, &order(SIGKILL)).unwrap();
        let w = f.0.borrow();
        prop_assert!(w.violations.is_empty(), "{:?}", w.violations);
        prop_assert!(o.empty && w.alive() == 0 && w.gate == 0, "{:?}", w.procs);
        if let Some(at) = w.kills.iter().find(|k| k.0 == PARENT) {
            prop_assert!(at.1 - w.kills[0].1 < 2_200_000_000);
        }
    }
}

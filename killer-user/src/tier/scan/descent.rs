//! Descent as /proc shows it: from a process up to one that a root is known by.

use std::collections::HashMap;

use super::super::seen::Seen;

/// A process which everything below belongs to a root with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Top {
    /// Its start, clock ticks.
    pub start: u64,
    /// The root's slot.
    pub slot: u32,
    /// It is a member itself.
    pub itself: bool,
}

/// By their numbers.
pub type Tops = HashMap<u32, Top>;

/// What is above a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Up {
    /// Its parent's number.
    pub parent: u32,
    /// Its own start, clock ticks.
    pub start: u64,
}

impl From<&Seen> for Up {
    fn from(s: &Seen) -> Self {
        Self { parent: s.ppid, start: s.start }
    }
}

/// The slot of the nearest top at or above a process.
pub fn climb(pid: u32, tops: &Tops, up: impl Fn(u32) -> Option<Up>) -> Option<u32> {
    let mut at = pid;
    // A snapshot of moving things can hold a ring.
    for _ in 0..1 << 22 {
        let above = up(at)?;
        if let Some(top) = tops.get(&at).filter(|top| top.start == above.start) {
            return (top.itself || at != pid).then_some(top.slot);
        }
        if above.parent <= 1 || above.parent == at {
            return None;
        }
        at = above.parent;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_to_the_nearest_top() {
        // 10 is a supervisor, 20 one below it, 30 was adopted; 40 has another start than the one that was known.
        let known = [(10, (1, 1, false)), (20, (2, 2, false)), (30, (3, 3, true)), (40, (4, 4, true))];
        let tops = known.map(|(pid, (start, slot, itself))| (pid, Top { start, slot, itself }));
        let tops = Tops::from(tops);
        let parents = HashMap::from([
            (10, (1, 1)),
            (11, (10, 5)),
            (20, (11, 2)),
            (21, (20, 6)),
            (30, (1, 3)),
            (31, (30, 7)),
            (40, (1, 9)),
            (41, (40, 9)),
            (50, (51, 9)),
            (51, (50, 9)),
        ]);
        let of = |pid| climb(pid, &tops, |p| parents.get(&p).map(|&(parent, start)| Up { parent, start }));
        assert_eq!((of(10), of(11), of(20), of(21)), (None, Some(1), None, Some(2)));
        assert_eq!((of(30), of(31)), (Some(3), Some(3)));
        assert_eq!((of(40), of(41), of(50), of(99)), (None, None, None, None));
    }
}

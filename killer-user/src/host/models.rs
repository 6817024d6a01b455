//! Kernel records → report models.

use killer_common::record::{B_ADOPTED, B_CONTROL, Member};

use super::exact;
use super::main_process::{self, Main};
use crate::lineage::{self, Home, Node, Outside};
use crate::lookup::{Root, registry};
use crate::report::escape;
use crate::report::model;
use crate::sys::clock;
use crate::tier::Tracker;

/// CLOCK_BOOTTIME ns → RFC 3339 in the local zone.
pub fn when(boottime: u64) -> String {
    model::Moment(boottime).to_string()
}

/// Seconds since a CLOCK_BOOTTIME ns.
pub fn seconds_since(boottime: u64) -> u64 {
    clock::boottime_ns().saturating_sub(boottime) / 1_000_000_000
}

/// A member as a model.
pub fn process(t: &Tracker, m: &Member, main: Option<Main>) -> model::Process {
    let is_main = main.is_some_and(|x| x.is(m));
    model::Process {
        pid: m.tgid,
        start: m.leader_start,
        inode: (m.inode != 0).then_some(m.inode),
        comm: escape::comm(&m.comm),
        uid: m.uid,
        main: is_main,
        guessed: is_main && main.is_some_and(|x| x.guessed),
        control: m.flags & B_CONTROL != 0,
        adopted: m.flags & B_ADOPTED != 0,
        service: registry::in_slot(t, m.root).map(|r| r.name).unwrap_or_default(),
        command: None,
        creator: m.creator_tgid,
    }
}

/// Exactness of a root with its other instances and the roots inside of them.
pub fn exactness(t: &Tracker, root: &Root) -> model::Exactness {
    let reasons = exact::reasons(t, root);
    model::Exactness {
        exact: reasons.is_empty(),
        reasons: reasons
            .into_iter()
            .map(|r| model::Reason {
                code: r.code.into(),
                text: r.text.into(),
                count: r.count,
                since: when(r.first),
            })
            .collect(),
    }
}

/// The main process, while it is a member.
pub fn main_of(t: &Tracker, r: &Root) -> Option<Main> {
    main_process::of(t, r)
}

/// A lineage as a model, with command lines.
pub fn nodes(t: &Tracker, forest: &[Node], main: Option<Main>, home: Option<&Home>) -> Vec<model::Node> {
    // Without recursion on the way down: children first, from the back of a breadth-first order.
    let mut order: Vec<(&Node, Option<usize>)> = forest.iter().map(|n| (n, None)).collect();
    let mut i = 0;
    while i < order.len() {
        let n = order[i].0;
        order.extend(n.children.iter().map(|c| (c, Some(i))));
        i += 1;
    }
    let mut done: Vec<Vec<model::Node>> = vec![Vec::new(); order.len()];
    let mut tops = Vec::new();
    for (i, (n, up)) in order.iter().enumerate().rev() {
        let mut children = std::mem::take(&mut done[i]);
        children.reverse();
        let outside = if n.ended.is_none() { lineage::describe(&n.member) } else { None };
        let mut p = process(t, &n.member, main);
        p.command = outside.as_ref().map(|o| o.cmdline.join(" ")).filter(|c| !c.is_empty());
        let judged = |how: fn(&Home, &Outside) -> Vec<&'static str>| match (home, &outside) {
            (Some(h), Some(o)) => how(h, o).into_iter().map(String::from).collect(),
            _ => Vec::new(),
        };
        let node = model::Node {
            process: p,
            alive: n.ended.is_none(),
            tasks: outside.as_ref().map(|o| o.threads),
            escaped: judged(Home::escapes),
            other_namespaces: judged(Home::other_namespaces),
            age_s: seconds_since(n.member.born),
            unknown_ancestors: n.unknown,
            children,
        };
        match up {
            Some(up) => done[*up].push(node),
            None => tops.push(node),
        }
    }
    tops.reverse();
    tops
}

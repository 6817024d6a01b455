//! Kernel records → report models.

use killer_common::record::{B_ADOPTED, B_CONTROL, Member};

use super::exact;
use super::main_process::{self, Main};
use crate::lineage::{Describer, Home, Node, Outside};
use crate::lookup::{Root, registry};
use crate::report::escape;
use crate::report::model;
use crate::sys::{clock, proc_text};
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
pub struct Forest {
    /// Its trees.
    pub tree: Vec<model::Node>,
    /// Living processes that are in none of them.
    pub more: u64,
}

/// Of so many processes at `most` (all, where there is none), those that are least deep: what each of them is, is looked up in
/// /proc, by what `looks` makes for so many.
pub fn forest(
    t: &Tracker,
    nodes: &[Node],
    main: Option<Main>,
    home: Option<&Home>,
    most: Option<usize>,
    looks: impl FnOnce(usize) -> Describer,
) -> Forest {
    // Without recursion on the way down: children first, from the back of a breadth-first order.
    let mut order: Vec<(&Node, Option<usize>)> = nodes.iter().map(|n| (n, None)).collect();
    let mut i = 0;
    while i < order.len() {
        let n = order[i].0;
        order.extend(n.children.iter().map(|c| (c, Some(i))));
        i += 1;
    }
    let most = most.unwrap_or(order.len());
    let looks = looks(order.iter().take(most).filter(|(n, _)| n.ended.is_none()).count());
    let mut done: Vec<Vec<model::Node>> = vec![Vec::new(); order.len().min(most)];
    let mut hidden = vec![0; order.len()];
    let (mut tree, mut more) = (Vec::new(), 0);
    for (i, (n, up)) in order.iter().enumerate().rev() {
        if i >= most {
            // What is above it may be shown.
            let here = hidden[i] + u64::from(n.ended.is_none());
            more += u64::from(n.ended.is_none());
            if let Some(up) = up {
                hidden[*up] += here;
            }
            continue;
        }
        let mut children = std::mem::take(&mut done[i]);
        children.reverse();
        let mut node = described(t, n, main, home, &looks);
        (node.more, node.children) = (hidden[i], children);
        match up {
            Some(up) => done[*up].push(node),
            None => tree.push(node),
        }
    }
    tree.reverse();
    Forest { tree, more }
}

/// One process, without what is below it.
fn described(
    t: &Tracker,
    n: &Node,
    main: Option<Main>,
    home: Option<&Home>,
    looks: &Describer,
) -> model::Node {
    let outside = if n.ended.is_none() { looks.describe(&n.member) } else { None };
    let mut process = process(t, &n.member, main);
    process.command = outside.as_ref().and_then(|o| proc_text::line(&o.cmdline));
    let judged = |how: fn(&Home, &Outside) -> Vec<&'static str>| match (home, &outside) {
        (Some(h), Some(o)) => how(h, o).into_iter().map(String::from).collect(),
        _ => Vec::new(),
    };
    model::Node {
        process,
        alive: n.ended.is_none(),
        tasks: outside.as_ref().map(|o| o.threads),
        escaped: judged(Home::escapes),
        other_namespaces: judged(Home::other_namespaces),
        age_s: seconds_since(n.member.born),
        unknown_ancestors: n.unknown,
        more: 0,
        children: Vec::new(),
    }
}

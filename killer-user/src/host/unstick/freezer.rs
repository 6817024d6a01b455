//! Freezers of cgroup v1: a frozen process takes no signal, SIGKILL neither. Those of cgroup v2 are no matter: SIGKILL ends who is
//! frozen by `cgroup.freeze` (`kernel/cgroup/freezer.c`).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::look::Stuck;
use super::step::{Act, Step};
use super::users;
use crate::lineage::{self, Freezer};
use crate::report::escape::shell;
use crate::report::model::UnstickStep;
use crate::sys::afterwards::{self, Afterwards};
use crate::sys::kernel_fs::{self, KernelDir};
use crate::sys::proc_text;

/// Whoever is in it is counted for so long at most, and in so many groups.
const TIME: Duration = Duration::from_secs(2);
const GROUPS: usize = 4096;

/// It was frozen itself, and not only one above it.
const SELF: &str = "freezer.self_freezing";
const STATE: &str = "freezer.state";

fn is_set(dir: &KernelDir, file: &str) -> bool {
    dir.read(file).is_ok_and(|s| s.trim() == "1")
}

/// The groups from the one of that path upwards that were frozen themselves, the outermost first. One that is frozen because a group
/// above is, is thawed with that.
fn frozen_above(root: &KernelDir, path: &[u8]) -> io::Result<Vec<(Vec<u8>, KernelDir)>> {
    let mut found = Vec::new();
    let ends = path.iter().enumerate().filter(|(i, b)| *i > 0 && **b == b'/').map(|(i, _)| i);
    for end in ends.chain([path.len()]) {
        let dir = root.below(&path[..end])?;
        if is_set(&dir, SELF) {
            found.push((path[..end].to_owned(), dir));
        }
    }
    Ok(found)
}

/// Processes in it and below, without those that a freezer of their own holds. `None`: there was no time for all.
fn inside(dir: &KernelDir, family: &BTreeSet<u32>) -> (Option<u64>, Vec<String>) {
    let began = Instant::now();
    let (mut others, mut names, mut groups) = (BTreeSet::new(), Vec::new(), 0);
    let mut open = vec![dir.below(b"")];
    while let Some(next) = open.pop() {
        groups += 1;
        let Ok(at) = next else { return (None, names) };
        let Ok(procs) = at.read("cgroup.procs") else { return (None, names) };
        if groups > GROUPS || began.elapsed() > TIME {
            return (None, names);
        }
        for pid in procs.lines().filter_map(|l| l.parse().ok()).filter(|p| !family.contains(p)) {
            if others.insert(pid) && names.len() < 8 {
                names.push(users::named(pid));
            }
        }
        for name in at.directories().unwrap_or_default() {
            let below = at.below(&name);
            if !below.as_ref().is_ok_and(|d| is_set(d, SELF)) {
                open.push(below);
            }
        }
    }
    (Some(others.len() as u64), names)
}

/// A step for each freezer that holds one of them, the outermost first.
pub fn find(stuck: &[Stuck], family: &BTreeSet<u32>) -> Vec<Step> {
    let mut found: BTreeMap<(String, Vec<u8>), Step> = BTreeMap::new();
    for s in stuck {
        let Some(Freezer { controllers, path, root, .. }) = lineage::freezer(&s.entry) else { continue };
        // It may have been moved meanwhile, and then is held by another, or by none.
        for (path, dir) in frozen_above(&root, &path).unwrap_or_default() {
            let step = found.entry((controllers.clone(), path.clone())).or_insert_with(|| {
                let at = kernel_fs::place(&controllers);
                let shown = [at.as_bytes(), &path].concat();
                let state = shell(&[&shown[..], b"/", STATE.as_bytes()].concat());
                let (others, other_names) = inside(&dir, family);
                Step {
                    told: UnstickStep {
                        kind: "thaw-freezer".into(),
                        target: proc_text::shown(&shown),
                        others,
                        other_names,
                        effect: "everybody in it runs until it is frozen again, which is done when others are in it".into(),
                        command: format!("echo THAWED > {state}"),
                        undo: Some(format!("echo FROZEN > {state}")),
                        result: "shown".into(),
                        ..UnstickStep::default()
                    },
                    act: Act::Thaw(dir),
                    of: Vec::new(),
                    otherwise: None,
                }
            });
            step.told.members.push(s.member.tgid);
            step.of.extend(Stuck::of(&s.member));
        }
    }
    found.into_values().collect()
}

/// Thaws it. `None`: nobody has to be let go any more. As long as the answer is held, it is frozen again when this process is killed.
pub fn thaw(dir: &KernelDir) -> io::Result<Option<Afterwards>> {
    if !is_set(dir, SELF) {
        return Ok(None);
    }
    let again = afterwards::start(dir.as_fd(), || drop(freeze_again(dir, &[], false)))?;
    dir.write(STATE, "THAWED").map(|()| Some(again))
}

/// Freezes it again when others are in it, or those that it was thawed for are there still; true: it is frozen again.
pub fn freeze_again(dir: &KernelDir, of: &[Stuck], over: bool) -> io::Result<bool> {
    // Who has ended is in the list for a moment longer.
    let ended = of.iter().filter(|s| over || !s.lives()).map(|s| s.member.tgid).collect();
    match inside(dir, &ended).0 {
        Some(0) => Ok(false),
        _ => dir.write(STATE, "FROZEN").map(|()| true),
    }
}

//! Waiting on kernel events: until a service is empty, its main process is gone, or it is small enough.

use std::io::IsTerminal;
use std::os::fd::OwnedFd;
use std::time::Duration;

use super::failure::Failure;
use crate::kill::{Waited, released, until};
use crate::lineage::{Family, Lineage};
use crate::sys::proc::{self, Ends};
use killer_common::record::Member;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// The kernel's count is 0.
    Empty,
    /// The main process has ended.
    MainGone,
    /// At most so many processes.
    Size(usize),
}

/// Live members to sleep on, at most so many, from the last in PID order: the one most likely to be the last to end.
fn somebody(f: &Lineage<'_>, most: usize, among: &dyn Fn(&Member) -> bool) -> Option<Ends> {
    let members = f.members(&f.listed());
    let live = members.iter().rev().filter(|m| among(m)).filter_map(|m| {
        let fd = f.open(m.tgid).ok()?;
        let same = m.inode == 0 || f.inode(&fd) == Some(m.inode);
        (same && !f.ended(&fd)).then_some(fd)
    });
    let held: Vec<OwnedFd> = live.take(most).collect();
    if held.is_empty() { None } else { Ends::new(held).ok() }
}

/// A line on a terminal for waits over a second.
fn progress(f: &Lineage<'_>, quiet: bool) -> impl FnMut() {
    let show = !quiet && std::io::stderr().is_terminal();
    let name = f.root().name.clone();
    let (tracker, root) = (f.tracker(), f.root().clone());
    move || {
        if show {
            let n = Lineage::new(tracker, root.clone()).listed().len();
            eprint!("\r\x1b[Kkiller: {name}: {n} alive");
        }
    }
}

fn end_progress(quiet: bool) {
    if !quiet && std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
}

/// Waits for a condition of the whole service.
pub fn wait(f: &Lineage<'_>, what: For, limit: Option<Duration>, quiet: bool) -> Result<Waited, Failure> {
    let main = (f.root().record.main_tgid, f.root().record.main_start);
    let is_main = |m: &Member| (m.tgid, m.leader_start) == main;
    let all = |_: &Member| true;
    let r = match what {
        For::Empty => until(limit, progress(f, quiet), || crate::kill::empty(f), || somebody(f, 1, &all)),
        For::MainGone => until(
            limit,
            progress(f, quiet),
            // A look that fails says nothing.
            || f.member(main.0).is_ok_and(|m| !m.is_some_and(|m| is_main(&m))),
            || somebody(f, 1, &is_main),
        ),
        // Every member is held: any of them may be the one whose end is enough.
        For::Size(n) => {
            until(limit, progress(f, quiet), || f.listed().len() <= n, || somebody(f, 4096, &all))
        }
    };
    end_progress(quiet);
    Ok(r?)
}

/// Waits until everything that was signalled has let go of files, ports and memory, and (`whole`) the service is
/// empty. Answers what is still held.
pub fn wait_released(
    f: &Lineage<'_>,
    whole: bool,
    mut held: Vec<(Member, OwnedFd)>,
    limit: Option<Duration>,
    quiet: bool,
) -> Result<(Waited, Vec<(Member, OwnedFd)>), Failure> {
    let held = std::cell::RefCell::new(std::mem::take(&mut held));
    let empty = || !whole || crate::kill::empty(f);
    let w = until(
        limit,
        progress(f, quiet),
        || empty() && released(&mut held.borrow_mut()),
        || {
            let mut h = held.borrow_mut();
            h.retain(|(_, fd)| !proc::pidfd_ended(fd));
            if let Some((_, fd)) = h.last() {
                return fd.try_clone().and_then(|fd| Ends::new(vec![fd])).ok();
            }
            drop(h);
            if whole { somebody(f, 1, &|_| true) } else { None }
        },
    );
    end_progress(quiet);
    Ok((w?, held.into_inner()))
}

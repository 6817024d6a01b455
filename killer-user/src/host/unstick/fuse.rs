//! FUSE: who waits for an answer that its server has read and never gives sleeps uninterruptibly, SIGKILL or not
//! (`fs/fuse/dev.c:request_wait_answer`). To abort the connection ends all requests of everybody who uses it.
//!
//! Which connection that is must not rest on what a member can arrange: descriptors are shared and replaced, mounts are bound to other
//! places. The kernel counts for each connection of the host how many requests wait, and that of a stuck process waits all the time.
//! So a connection that was seen with none is not the one; when one is left, it is. When several are left, what the process has open
//! and sees mounted only makes one of them likely, and somebody who was shown it has to say yes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use super::look::Stuck;
use super::step::{Act, Step};
use super::users;
use crate::host::mounts::{self, Mount};
use crate::report::model::UnstickStep;
use crate::sys::kernel_fs::{self, KernelDir};
use crate::sys::proc_text;

/// So often, and so far apart, connections are looked at.
const LOOKS: u32 = 8;
const APART: Duration = Duration::from_millis(40);

/// So many connections are offered when nothing says which one it is.
const CANDIDATES: usize = 8;
/// So many places are named where it is mounted.
const PLACES: usize = 4;

/// Where people find it.
const PLACE: &str = "/sys/fs/fuse/connections";

fn waiting(dir: &KernelDir) -> u64 {
    dir.read("waiting").ok().and_then(|n| n.trim().parse().ok()).unwrap_or(0)
}

/// The connections of this host in which a request has waited all the time.
fn stuck_connections() -> io::Result<BTreeMap<u64, KernelDir>> {
    let root = kernel_fs::fuse_connections()?;
    let mut all = BTreeMap::new();
    for name in root.directories()? {
        let number = std::str::from_utf8(&name).ok().and_then(|n| n.parse().ok());
        if let (Some(number), Ok(dir)) = (number, root.below(&name)) {
            all.insert(number, dir);
        }
    }
    for _ in 0..LOOKS {
        all.retain(|_, dir| waiting(dir) > 0);
        std::thread::sleep(APART);
    }
    Ok(all)
}

/// What is known of where a process waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Evidence {
    /// The connection of the descriptor that its call is about.
    open: BTreeSet<u64>,
    /// Those of all FUSE mounts that it sees.
    mounted: BTreeSet<u64>,
}

/// `own`: the mounts that it sees; `all`: those of every mount namespace.
fn evidence(s: &Stuck, own: &[Mount], all: &[Mount]) -> Evidence {
    let of = s.threads.iter().filter(|t| t.in_fuse()).filter_map(|t| t.argument);
    let on: BTreeSet<u64> = of.filter_map(|fd| mounts::of_descriptor(&s.entry, fd)).collect();
    let open = all.iter().filter(|m| m.is_fuse() && on.contains(&m.id));
    Evidence {
        open: open.map(Mount::connection).collect(),
        mounted: own.iter().filter(|m| m.is_fuse()).map(Mount::connection).collect(),
    }
}

/// Which connection a process waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Which {
    /// This one: no other one of the host can be it.
    Certain(u64),
    /// This one, as far as the process shows.
    Likely(u64),
    /// One of these; none: the kernel shows none.
    Unknown(Vec<u64>),
}

fn choose(stuck: &BTreeSet<u64>, e: &Evidence) -> Which {
    let one = |of: &BTreeSet<u64>| {
        let both: Vec<u64> = stuck.intersection(of).copied().collect();
        <[u64; 1]>::try_from(both).ok().map(|[n]| n)
    };
    match one(stuck) {
        Some(n) => Which::Certain(n),
        None => match one(&e.open).or_else(|| one(&e.mounted)) {
            Some(n) => Which::Likely(n),
            None => Which::Unknown(stuck.iter().copied().collect()),
        },
    }
}

fn command(number: u64) -> String {
    format!("echo 1 > {PLACE}/{number}/abort")
}

/// The step for one connection.
fn step(number: u64, dir: KernelDir, doubt: Option<&str>, all: &[Mount], family: &BTreeSet<u32>) -> Step {
    let of = all.iter().filter(|m| m.is_fuse() && m.connection() == number);
    let at: BTreeSet<String> = of.map(|m| proc_text::shown(&m.at)).collect();
    let at: Vec<String> = at.into_iter().take(PLACES).collect();
    let at = if at.is_empty() { "that is mounted nowhere".into() } else { format!("at {}", at.join(", ")) };
    let dev = ((number >> 20) as u32, (number & 0xf_ffff) as u32);
    let users = users::of(dev, family);
    let doubt_told = doubt.map_or(String::new(), |d| format!("; other connections wait, too: {d}"));
    Step {
        told: UnstickStep {
            kind: "abort-fuse".into(),
            target: format!("{number} {at}"),
            others: users.others,
            other_names: users.names,
            effect: format!(
                "every use of this file system fails from then on, for everybody; mapped files are not counted{doubt_told}"
            ),
            command: command(number),
            result: "shown".into(),
            ..UnstickStep::default()
        },
        act: Act::Abort { dir, certain: doubt.is_none() },
        of: Vec::new(),
        otherwise: None,
    }
}

/// What is told where the kernel shows no connection in which a request waits, or nobody may look.
fn unknown() -> Step {
    Step {
        told: UnstickStep {
            kind: "abort-fuse".into(),
            target: "of a connection that nobody knows".into(),
            effect: "every use of that file system fails from then on, for everybody".into(),
            command: format!("grep . {PLACE}/*/waiting; echo 1 > {PLACE}/NUMBER/abort"),
            result: "by-hand".into(),
            why: Some("the kernel shows none in which a request waits".into()),
            ..UnstickStep::default()
        },
        act: Act::ByHand,
        of: Vec::new(),
        otherwise: None,
    }
}

/// A step for each connection that one of them waits for, or may wait for.
pub fn find(stuck: &[Stuck], family: &BTreeSet<u32>) -> Vec<Step> {
    let held: Vec<&Stuck> = stuck.iter().filter(|s| s.threads.iter().any(|t| t.in_fuse())).collect();
    if held.is_empty() {
        return Vec::new();
    }
    // Where there is no looking, every one is unknown.
    let mut dirs = stuck_connections().unwrap_or_default();
    let numbers: BTreeSet<u64> = dirs.keys().copied().collect();
    let all = mounts::everywhere();
    let mut found: BTreeMap<Option<u64>, Step> = BTreeMap::new();
    for s in held {
        let own = mounts::of(&s.entry);
        let (these, doubt) = match choose(&numbers, &evidence(s, &own, &all)) {
            Which::Certain(n) => (vec![Some(n)], None),
            Which::Likely(n) => (vec![Some(n)], Some("that it is this one is only likely")),
            Which::Unknown(of) if of.is_empty() => (vec![None], None),
            Which::Unknown(of) => {
                (of.into_iter().take(CANDIDATES).map(Some).collect(), Some("nothing says which one it is"))
            }
        };
        for number in these {
            let made = match (found.remove(&number), number) {
                (Some(known), _) => Some(known),
                (None, None) => Some(unknown()),
                (None, Some(n)) => dirs.remove(&n).map(|dir| step(n, dir, doubt, &all, family)),
            };
            let Some(mut made) = made else { continue };
            made.told.members.push(s.member.tgid);
            made.of.extend(Stuck::of(&s.member));
            found.insert(number, made);
        }
    }
    found.into_values().collect()
}

/// Aborts it. `Ok(false)`: nobody waits in it any more.
pub fn abort(dir: &KernelDir, of: &[Stuck]) -> io::Result<bool> {
    let waits = |s: &Stuck| Stuck::of(&s.member).is_some_and(|s| s.threads.iter().any(|t| t.in_fuse()));
    if waiting(dir) == 0 || !of.iter().any(waits) {
        return Ok(false);
    }
    dir.write("abort", "1").map(|()| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(of: &[u64]) -> BTreeSet<u64> {
        of.iter().copied().collect()
    }

    #[test]
    fn which_one_it_is() {
        let e = |open: &[u64], mounted: &[u64]| Evidence { open: set(open), mounted: set(mounted) };
        // The only one in which something waits: whatever the process shows.
        assert_eq!(choose(&set(&[57]), &e(&[99], &[98, 99])), Which::Certain(57));
        assert_eq!(choose(&set(&[57]), &e(&[], &[])), Which::Certain(57));
        // A stranger's one waits, too: what the process shows makes one likely, and never certain.
        assert_eq!(choose(&set(&[57, 58]), &e(&[58], &[57, 58])), Which::Likely(58));
        assert_eq!(choose(&set(&[57, 58]), &e(&[], &[57, 60])), Which::Likely(57));
        assert_eq!(choose(&set(&[57, 58]), &e(&[], &[57, 58])), Which::Unknown(vec![57, 58]));
        assert_eq!(choose(&set(&[57, 58]), &e(&[60], &[])), Which::Unknown(vec![57, 58]));
        assert_eq!(choose(&set(&[]), &e(&[60], &[60])), Which::Unknown(vec![]));
    }
}

//! Trackers of other ABI versions beside ours. Their layouts are theirs: what can be read is read, the rest is said.

use std::path::Path;

use killer_common::names::{POP, ROOTS};
use killer_common::record::{self, R_FREE, RootRecord};

use super::pins::{self, Paths};
use super::{canary, maps, sign};
use crate::sys::bpf;
use crate::sys::map::Mapped;

/// A tracker of another version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// Name of its directory: `v` and a number.
    pub version: String,
    /// Its programs are attached, as far as pins and a keeper show.
    pub acts: bool,
    /// Names of its services that are alive; `None`: they cannot be read.
    pub live: Option<Vec<String>>,
}

impl Other {
    /// True when some service of it may be alive.
    pub fn holds(&self) -> bool {
        self.acts && self.live.as_ref().is_none_or(|l| !l.is_empty())
    }
}

impl Paths {
    /// Trackers of other versions, with what can be read of them.
    pub fn trackers(&self) -> Vec<Other> {
        let found = pins::in_host_mounts(self, || {
            let names = self.others().into_iter();
            Ok(names.map(|version| read(&self.root.join(&version), version)).collect())
        });
        found.unwrap_or_default()
    }
}

fn read(dir: &Path, version: String) -> Other {
    let links = std::fs::read_dir(dir.join("links")).is_ok_and(|mut d| d.next().is_some());
    let acts = links || sign::alive(dir) == Some(true);
    Other { version, acts, live: live(&dir.join("maps")) }
}

/// Names in its registry, where that has records of our size: more than size and sense cannot be checked.
fn live(maps: &Path) -> Option<Vec<String>> {
    let get = |name: &str| {
        let fd = bpf::obj_get(&maps.join(name)).ok()?;
        let n = maps::check(&fd, name).ok()? as usize;
        Some((fd, n))
    };
    let ((roots, n), (pop, counts)) = (get(ROOTS)?, get(POP)?);
    let lock = || std::fs::File::open(maps);
    let roots = Mapped::<RootRecord>::new(roots, n, false, lock).ok()?;
    let pop = Mapped::<record::Pop>::new(pop, counts, false, lock).ok()?;
    let mut names = Vec::new();
    for i in 1..n {
        let r = roots.get(i)?;
        if r.state == R_FREE || pop.get(i)?.pop == 0 {
            continue;
        }
        let len = r.name.iter().position(|&b| b == 0).unwrap_or(r.name.len());
        let name = std::str::from_utf8(&r.name[..len]).ok()?;
        if name == canary::NAME {
            continue;
        }
        if name.is_empty() || name.chars().any(char::is_control) || r.generation == 0 {
            return None;
        }
        names.push(name.to_owned());
    }
    names.sort();
    Some(names)
}

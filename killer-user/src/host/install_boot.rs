//! `install-boot`: the boot files of killer come and go. Everything is looked up before anything is written, so that a file of
//! somebody else's in the way is found while nothing has been touched; what makes things run comes last, and goes first.

mod program;
mod refused;
mod step;
mod tools;

use std::path::{Path, PathBuf};

use super::failure::Failure;
use crate::boot::{self, Init, Lock, Tree};
use crate::ending::Ending;
use crate::report::model::{BootFiles, Did};
use refused::refused;
use step::{Act, Step};

/// What was asked.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// For this init; without it the one that is found.
    pub init: Option<Init>,
    /// In this directory instead of `/`.
    pub root: Option<PathBuf>,
    /// Take away, do not put there.
    pub remove: bool,
    /// Only look.
    pub dry_run: bool,
    /// Every process is recorded from then on.
    pub records: bool,
}

/// Does it, and says what became of each path.
///
/// # Errors
/// No such root, no init that is known, a file of somebody else's in the way, another `killer` that does the same, and those of
/// the file system. What this call had newly put there is gone then.
pub fn install_boot(asked: &Asked) -> Result<BootFiles, Failure> {
    let root = asked.root.as_deref().unwrap_or(Path::new("/"));
    let tree = Tree::open(root).map_err(|e| {
        refused(&e, format!("the root {} cannot be opened", root.display()))
            .next("--root=DIR names the directory that will be / of the host that boots")
    })?;
    let init = match (asked.init, asked.remove) {
        (Some(i), _) => Some(i),
        (None, true) => None,
        (None, false) => Some(found(&tree)?),
    };
    let _lock = if asked.dry_run { None } else { Some(lock(&tree)?) };
    let mut done = BootFiles::new(init.map(Init::name), asked.dry_run);
    match (init, asked.remove) {
        (Some(i), false) => put(&tree, i, asked.records, &mut done)?,
        _ => take(&tree, init, &mut done)?,
    }
    Ok(done)
}

fn found(tree: &Tree) -> Result<Init, Failure> {
    let running = if tree.is_host() { boot::running() } else { None };
    running.or_else(|| boot::from_disk(tree)).ok_or_else(|| {
        let names = Init::ALL.map(Init::name).join(", ");
        Failure::new(Ending::Failed, "it is not known which init starts this host")
            .why("neither PID 1 nor /sbin/init nor the directories in /etc tell")
            .next(format!("--init=NAME says it: {names}"))
    })
}

fn lock(tree: &Tree) -> Result<Lock, Failure> {
    tree.lock().map_err(|e| match e.raw_os_error() {
        Some(libc::EWOULDBLOCK) => Failure::new(Ending::Failed, "another killer is at the boot files")
            .why(format!("it holds the lock on {}", tree.shown("etc")))
            .next("give the same command again when that one has ended"),
        _ => refused(&e, format!("{} cannot be locked", tree.shown("etc"))),
    })
}

/// Puts there what the init needs.
fn put(tree: &Tree, init: Init, records: bool, done: &mut BootFiles) -> Result<(), Failure> {
    let program = program::of(tree, &mut done.notes)?;
    let items = (boot::fitting(init, tree).items)(tree);
    let steps =
        items.iter().map(|i| step::to_put(tree, i, &program, records)).collect::<Result<Vec<_>, _>>()?;
    let mut new: Vec<&Step> = Vec::new();
    for s in &steps {
        let did = if done.dry_run { Ok(()) } else { s.perform(tree) };
        if let Err(e) = did {
            // The last one first, as it would have been taken away.
            new.iter().rev().for_each(|s| s.undo(tree));
            return Err(refused(&e, format!("{} cannot be written", tree.shown(&s.path))));
        }
        done.changes.extend(s.change(tree));
        if s.is_new() {
            new.push(s);
        }
    }
    if steps.iter().any(|s| s.act != Act::Nothing(Did::Unchanged)) {
        tools::after_put(tree, &items, done);
    }
    tools::note(tree, init, done);
    Ok(())
}

/// Takes away what any `killer` has put there, for one init or for all.
fn take(tree: &Tree, init: Option<Init>, done: &mut BootFiles) -> Result<(), Failure> {
    let items = boot::every(init, tree);
    let mut failed: Option<Failure> = None;
    let mut removed: Vec<String> = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    for s in items.iter().flat_map(|i| step::to_take(tree, i)) {
        // Two inits may need the same file.
        if seen.contains(&s.path) {
            continue;
        }
        seen.push(s.path.clone());
        let did = if done.dry_run { Ok(()) } else { s.perform(tree) };
        match did {
            // The rest goes all the same.
            Err(e) => {
                failed = failed.or(Some(refused(&e, format!("{} cannot be removed", tree.shown(&s.path)))))
            }
            Ok(()) => {
                done.changes.extend(s.change(tree));
                if matches!(s.act, Act::Remove(_)) {
                    removed.push(s.path);
                }
            }
        }
    }
    tools::after_take(tree, &removed, done);
    failed.map_or(Ok(()), Err)
}

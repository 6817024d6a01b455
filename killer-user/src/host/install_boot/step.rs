//! One path: what is there, what should be, and the way from one to the other.

use std::io;

use super::refused::refused;
use crate::boot::{self, Item, Lines, Spot, Tree, Whose};
use crate::ending::Ending;
use crate::host::failure::Failure;
use crate::report::model::{BootChange, Did};

/// What is to be done with a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Nothing; the word says why.
    Nothing(Did),
    /// Write this text.
    Write(Did, String, u32),
    /// Make a link to there.
    Link(&'static str),
    /// Remove it.
    Remove(Did),
}

/// A path with what is to be done with it.
#[derive(Clone, Debug)]
pub struct Step {
    /// Below the root.
    pub path: String,
    /// What is to be done.
    pub act: Act,
    /// What should be known of it.
    detail: Option<String>,
}

/// Why a file that was changed is left as it is.
const CHANGED: &str = "it was changed by hand";

impl Step {
    fn new(path: &str, act: Act) -> Self {
        Self { path: path.to_owned(), act, detail: None }
    }

    fn kept(path: &str, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..Self::new(path, Act::Nothing(Did::Kept)) }
    }

    /// Does it.
    pub fn perform(&self, tree: &Tree) -> io::Result<()> {
        match &self.act {
            Act::Nothing(_) => Ok(()),
            Act::Write(_, text, mode) => tree.write(&self.path, text, *mode),
            Act::Link(to) => tree.make_link(&self.path, to),
            Act::Remove(_) => {
                tree.remove(&self.path)?;
                // The directory of what a target wants is there for such links only.
                if let Some((dir, _)) = self.path.rsplit_once('/').filter(|(d, _)| d.ends_with(".wants")) {
                    tree.remove_empty(dir);
                }
                Ok(())
            }
        }
    }

    /// True when nothing of that name was there before.
    pub fn is_new(&self) -> bool {
        matches!(self.act, Act::Write(Did::Written, ..) | Act::Link(_))
    }

    /// Takes away what [`Step::perform`] has newly put there.
    pub fn undo(&self, tree: &Tree) {
        let _ = tree.remove(&self.path);
    }

    /// As the answer has it.
    pub fn change(&self, tree: &Tree) -> Option<BootChange> {
        let (did, detail) = match &self.act {
            Act::Nothing(did) | Act::Write(did, ..) | Act::Remove(did) => (*did, self.detail.clone()),
            Act::Link(to) => (Did::Linked, Some((*to).to_owned())),
        };
        Some(BootChange { did, path: tree.shown(&self.path), detail })
    }
}

/// What puts `item` there.
///
/// # Errors
/// Something that is not killer's is in the way, or a file that lines go into is not there.
pub fn to_put(tree: &Tree, item: &Item, program: &str, records: bool) -> Result<Step, Failure> {
    match item {
        Item::File { at, text, mode } => {
            let wanted = boot::marked(&boot::filled(text, program, records));
            Ok(match read(tree, at)? {
                None => Step::new(at, Act::Write(Did::Written, wanted, *mode)),
                Some(there) if there == wanted => Step::new(at, Act::Nothing(Did::Unchanged)),
                Some(there) => match boot::whose(&there) {
                    Whose::Ours => Step::new(at, Act::Write(Did::Replaced, wanted, *mode)),
                    Whose::Changed => {
                        Step::kept(at, format!("{CHANGED}; without it this command writes a new one"))
                    }
                    Whose::Foreign => return Err(foreign(tree, at)),
                },
            })
        }
        Item::Link { dir, name, to } => {
            if let Some(there) = links(tree, dir, name, to).into_iter().next() {
                return Ok(Step::new(&there, Act::Nothing(Did::Unchanged)));
            }
            let at = format!("{dir}/{}", name.replace("??", &number(tree, dir)));
            // A name that is taken by something else: readlink(2) answers EINVAL.
            match tree.link(&at) {
                Ok(None) => Ok(Step::new(&at, Act::Link(to))),
                _ => Err(foreign(tree, &at)),
            }
        }
        Item::Line { at, pattern, spot } => {
            let Some(text) = read(tree, at)? else {
                return Err(Failure::new(Ending::Failed, format!("there is no {}", tree.shown(at)))
                    .why("this init runs at boot what is in it, and killer adds a line to it")
                    .next("another --init may be meant, or another --root"));
            };
            let (what, with) = boot::added(
                &text,
                &boot::LINES,
                &boot::filled(pattern, program, records),
                place(&text, *spot),
            );
            Ok(match what {
                Lines::There => Step::new(at, Act::Nothing(Did::Unchanged)),
                Lines::Changed => Step::kept(at, "the line of killer's in it was changed by hand"),
                Lines::Older => Step::new(at, Act::Write(Did::Replaced, with, 0o644)),
                Lines::Absent => Step::new(at, Act::Write(Did::Added, with, 0o644)),
            })
        }
    }
}

/// What takes `item` away, wherever it is; what cannot be read is not killer's.
pub fn to_take(tree: &Tree, item: &Item) -> Vec<Step> {
    match item {
        Item::File { at, .. } => match tree.read(at).ok().flatten().map(|t| boot::whose(&t)) {
            Some(Whose::Ours) => vec![Step::new(at, Act::Remove(Did::Removed))],
            Some(Whose::Changed) => vec![Step::kept(at, format!("{CHANGED}; remove it by hand"))],
            Some(Whose::Foreign) | None => Vec::new(),
        },
        Item::Link { dir, name, to } => {
            let there = links(tree, dir, name, to).into_iter();
            there.map(|at| Step::new(&at, Act::Remove(Did::Removed))).collect()
        }
        Item::Line { at, .. } => {
            let text = tree.read(at).ok().flatten().unwrap_or_default();
            match boot::taken_out(&text, &boot::LINES) {
                (Lines::Absent, _) => Vec::new(),
                (Lines::Changed, _) => {
                    vec![Step::kept(at, "the line of killer's in it was changed by hand; remove it by hand")]
                }
                (_, without) => vec![Step::new(at, Act::Write(Did::TakenOut, without, 0o644))],
            }
        }
    }
}

fn read(tree: &Tree, at: &str) -> Result<Option<String>, Failure> {
    tree.read(at).map_err(|e| match e.kind() {
        io::ErrorKind::InvalidData => {
            foreign(tree, at).why(format!("{e}, so it is not replaced; nothing was changed"))
        }
        _ => refused(&e, format!("{} cannot be read", tree.shown(at))),
    })
}

fn foreign(tree: &Tree, at: &str) -> Failure {
    Failure::new(Ending::Failed, format!("{} is in the way", tree.shown(at)))
        .why("killer did not write it, so it is not replaced; nothing was changed")
        .next("move it away, then give the same command again")
}

/// Links of killer's in a directory, by name and by where they point to.
fn links(tree: &Tree, dir: &str, name: &str, to: &str) -> Vec<String> {
    let (before, behind) = name.split_once("??").unwrap_or((name, ""));
    let ours = |n: &String| match n.strip_prefix(before).and_then(|n| n.strip_suffix(behind)) {
        Some("") => !name.contains("??"),
        Some(number) => number.len() == 2 && number.bytes().all(|b| b.is_ascii_digit()),
        None => false,
    };
    // insserv and update-rc.d write them relative, rc-update and people absolute.
    let end = to.trim_start_matches("../").trim_start_matches('/');
    let end = format!("/{}", end.trim_start_matches("etc/"));
    let names = tree.names(dir).into_iter().filter(ours).map(|n| format!("{dir}/{n}"));
    names.filter(|at| tree.link(at).ok().flatten().is_some_and(|t| t.ends_with(&end))).collect()
}

/// The number that brings a link behind the one that mounts the kernel's file systems, and before udev's.
fn number(tree: &Tree, dir: &str) -> String {
    let mounts = tree.names(dir).into_iter().find(|n| n.starts_with('S') && n.contains("mountkernfs"));
    let number = mounts.and_then(|n| n.get(1..3)?.parse::<u32>().ok());
    format!("{:02}", number.map_or(2, |n| (n + 1).min(99)))
}

/// Where in a text lines go: a byte that begins a line, or its end.
fn place(text: &str, spot: Spot) -> usize {
    let starts = || std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
    match spot {
        Spot::End => text.len(),
        Spot::BehindInterpreter if text.starts_with("#!") => starts().nth(1).unwrap_or(text.len()),
        Spot::BehindInterpreter => 0,
        Spot::Sysinit => {
            let line = |at: &usize| text[*at..].split('\n').next().unwrap_or_default();
            let sysinit =
                |at: &usize| line(at).contains(":sysinit:") && !line(at).trim_start().starts_with('#');
            let lines: Vec<usize> = starts().filter(sysinit).collect();
            match lines.split_last() {
                Some((last, before)) if before.iter().any(|at| line(at).contains("/proc")) => *last,
                Some((last, _)) => starts().find(|s| s > last).unwrap_or(text.len()),
                None => text.len(),
            }
        }
    }
}

//! `why`.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Serialize;

use super::{End, Exactness, File, Node, Process, Tree};

/// Something that a process has executed, as the recorder has it (`killer up --lineage`).
#[derive(Clone, Debug, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Executed {
    /// When.
    pub at: String,
    /// The file that runs; of a script it is the interpreter, and the path is the script's.
    pub file: File,
    /// The file's own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// It had no name any more.
    pub deleted: bool,
    /// It is in memory only, and has no path (memfd_create(2)).
    pub memory: bool,
    /// A script.
    pub script: bool,
    /// The arguments; missing where they could not be read.
    pub args: Vec<String>,
    /// There were more of them.
    pub args_cut: bool,
    /// The working directory, from the root directory of the process on; it begins with `...` when its upper part is not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Real uid after it.
    pub uid: u32,
    /// Effective uid after it.
    pub euid: u32,
}

/// A process of the line.
#[derive(Clone, Debug, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Ancestor {
    /// The process.
    #[serde(flatten)]
    pub process: Process,
    /// False: it has ended.
    pub alive: bool,
    /// How it came into its service: `started` (by `killer run`), `control` (by `killer exec`), `adopted`, `opened` (by a rule, at
    /// an exec), `forked`. Of one that is a member of nothing: `forked`, `before` (it was there before the recorder: its creator is the
    /// parent that it had then), `kernel` (the kernel began it).
    pub how: &'static str,
    /// When it was born; of an adopted one, when it was taken in.
    pub born: String,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// How it ended, where that is known: of the processes that ended last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
    /// From its birth to its end, or until now, microseconds.
    pub age_us: u64,
    /// Programs that it has executed as a member, or since it is recorded.
    pub execs: u32,
    /// Processes between the one before it in the line and this one that are no longer known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown_above: Option<u32>,
    /// What it has executed, as far as that is recorded: its first ones and its last ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub executed: Vec<Executed>,
    /// Execs between those.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub executed_left_out: u64,
    /// Its program now; not of one that has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// Its effective uid now; not of one that has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub euid: Option<u32>,
}

/// `why`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Why {
    /// Version of the form of this document.
    pub version: u32,
    /// Always `why`.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "why")))]
    pub kind: &'static str,
    /// The process that was asked for.
    pub pid: u32,
    /// False: it has ended.
    pub alive: bool,
    /// False: it is a member of no service, and only recorded (`killer up --lineage=all`).
    pub member: bool,
    /// Innermost service that it belongs to; empty: none, or one that has been forgotten.
    pub service: String,
    /// Services around that one, innermost first.
    pub inside: Vec<String>,
    /// How sure the set of that service is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exactness: Option<Exactness>,
    /// Processes above the first one of the line that are no longer known; 0: nobody knows how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown_ancestors: Option<u32>,
    /// Other processes that had this number and have ended, of which the line can be asked with the inode.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Process>,
    /// Processes of the line that are left out between the first and the last ones, where only so many are to be shown (never in a
    /// document).
    #[serde(skip)]
    pub left_out: u64,
    /// From the first process that is known down to the one that was asked for: each forked the next.
    pub chain: Vec<Ancestor>,
}

impl Why {
    /// The same as a tree, for those who draw.
    pub fn tree(&self) -> Tree {
        let mut below = Vec::new();
        for (i, l) in self.chain.iter().enumerate().rev() {
            below = vec![Node {
                process: l.process.clone(),
                alive: l.alive,
                tasks: None,
                escaped: Vec::new(),
                other_namespaces: Vec::new(),
                age_s: l.age_us / 1_000_000,
                unknown_ancestors: self.unknown_ancestors.filter(|_| i == 0),
                more: 0,
                children: below,
            }];
        }
        Tree {
            version: self.version,
            kind: "tree",
            service: self.service.clone(),
            last_kill: None,
            note: None,
            more: 0,
            tree: below,
        }
    }
}

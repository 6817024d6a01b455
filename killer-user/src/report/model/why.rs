//! `why`.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Serialize;

use super::{End, Exactness, Node, Process, Tree};

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
    /// an exec), `forked`.
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
    /// Programs that it has executed as a member.
    pub execs: u32,
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
    /// Innermost service that it belongs to; empty: that one has been forgotten.
    pub service: String,
    /// Services around that one, innermost first.
    pub inside: Vec<String>,
    /// How sure the set of that service is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exactness: Option<Exactness>,
    /// Members above the first process of the line that are no longer known; 0: nobody knows how many.
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

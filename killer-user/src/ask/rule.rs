//! What can be asked about rules.

use std::path::PathBuf;

use super::Word;

/// What is to be done with rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Show them.
    List,
    /// Write one.
    Add,
    /// Take a file away.
    Remove,
    /// Say what an exec would do.
    Test,
    /// Say what is wrong in the files.
    Check,
    /// Put them in force.
    Load,
}

impl Word for Action {
    const ALL: &[(Self, &'static str)] = &[
        (Self::List, "list"),
        (Self::Add, "add"),
        (Self::Remove, "remove"),
        (Self::Test, "test"),
        (Self::Check, "check"),
        (Self::Load, "load"),
    ];
}

/// A rule that is asked for: the fields of a rule file with their words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRule {
    /// The name of its file, without `.toml`.
    pub file: String,
    /// The fields, in the order of the file.
    pub fields: Vec<(&'static str, Vec<String>)>,
}

/// An exec that is asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exec {
    /// The file, as it would be typed.
    pub path: PathBuf,
    /// What would stand behind it.
    pub args: Vec<String>,
    /// Who would execute it; `None`: the caller, as it stands here.
    pub user: Option<String>,
}

/// What is asked about rules, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rules {
    /// [`Action::List`]; true: the text of the built-in ones.
    List(bool),
    /// [`Action::Add`]
    Add(NewRule),
    /// [`Action::Remove`]
    Remove(String),
    /// [`Action::Test`]
    Test(Exec),
    /// [`Action::Check`]; with a file that is not in force, as if it were.
    Check(Option<PathBuf>),
    /// [`Action::Load`]
    Load,
}

//! A rule as it was written.

use std::path::PathBuf;

use super::pattern::{Except, Strip};
use super::place::{Place, Spot};

/// Says which executed files name a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Where it begins.
    pub at: Place,
    /// Which files.
    pub what: What,
    /// The user whose execs match; `None`: root.
    pub user: Option<Spot<String>>,
}

/// Which files a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The scripts in these directories: each names a service by its file name.
    Scripts {
        /// The directories.
        dirs: Vec<Spot<PathBuf>>,
        /// What a file name begins with that is no part of the service's name.
        strip: Strip,
        /// Files that name no service.
        except: Vec<Spot<Except>>,
    },
    /// Programs that run a script: the file name of their first argument names the service.
    Argument {
        /// The programs.
        programs: Vec<Spot<PathBuf>>,
    },
    /// Shells: a script that they are given counts as executed.
    Shell {
        /// The programs.
        programs: Vec<Spot<PathBuf>>,
    },
    /// `./run` in a directory below these: that directory names the service.
    Run {
        /// The directories of service directories.
        dirs: Vec<Spot<PathBuf>>,
    },
    /// Programs by path.
    Program(Program),
}

/// A program that is a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// The files.
    pub files: Vec<Spot<PathBuf>>,
    /// The service's name; `None`: that of the file.
    pub name: Option<Spot<String>>,
    /// Other names of it.
    pub aliases: Vec<Spot<String>>,
    /// Where it writes the number of its main process.
    pub pidfile: Option<PathBuf>,
    /// The command that stops it, in words; empty: none.
    pub stop: Vec<String>,
}

impl Program {
    /// The name of the service that a file of it is.
    pub fn name_of(&self, file: &std::path::Path) -> Option<String> {
        match &self.name {
            Some(n) => Some(n.value.clone()),
            None => file.file_name()?.to_str().map(String::from),
        }
    }
}

impl Rule {
    /// The paths that it names.
    pub fn paths(&self) -> &[Spot<PathBuf>] {
        match &self.what {
            What::Scripts { dirs, .. } | What::Run { dirs } => dirs,
            What::Argument { programs } | What::Shell { programs } => programs,
            What::Program(p) => &p.files,
        }
    }

    /// Its kind, as the field that makes it one is called.
    pub fn kind(&self) -> &'static str {
        match &self.what {
            What::Scripts { .. } => "scripts",
            What::Argument { .. } => "argument",
            What::Shell { .. } => "shell",
            What::Run { .. } => "run",
            What::Program(_) => "program",
        }
    }
}

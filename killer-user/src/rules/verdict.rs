//! What an exec would do, and why.

use super::place::Place;
use super::table::{Entry, Kind};
use crate::ask::name;

/// Words after a script that only ask, or end: nothing is opened for them.
pub const NOTHING: [&str; 2] = ["stop", "status"];

/// Whose exec it is, and where it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum From {
    /// In no service.
    #[default]
    Nowhere,
    /// In a service from where a match moves: an instance, an adopted one, one of `run --service`.
    Service(String),
    /// In a service of a plain `run`, which keeps all that it ever starts.
    Run(String),
}

/// An exec that is asked about.
#[derive(Clone, Debug)]
pub struct Exec<'a> {
    /// The file's name in its directory; for `run` the name of the service directory.
    pub file: &'a [u8],
    /// What stands behind the program.
    pub args: &'a [String],
    /// Real and effective user.
    pub uid: (u32, u32),
    /// The users are the host's own, not those of a user namespace.
    pub host_users: bool,
    /// The root directory is the host's.
    pub host_root: bool,
    /// Why the file is not one that only root can change.
    pub not_roots: Option<String>,
    /// Why the kernel would not execute it.
    pub not_executable: Option<String>,
    /// Which service the caller is in.
    pub from: From,
    /// The entry that fits.
    pub entry: Option<Entry>,
}

/// What it would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A new instance of this service begins, by this rule.
    Opens(String, Place),
    /// The process stays in the instance of this service that it is in.
    Stays(String, Place),
    /// Nothing is opened.
    Nothing(Why),
}

/// Why nothing is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// No rule is about the file.
    NoRule,
    /// It is a shell that is given a script, and no rule is about that.
    Shell(String),
    /// It is an exception.
    Excepted(Place),
    /// Its name does not begin as the names of services do there.
    NotStripped(Place, String),
    /// What is left of its name is no name.
    NoName(Place, String),
    /// It is not executable, or not there.
    NotExecutable(String),
    /// Somebody else than root can change it.
    NotRoots(String),
    /// Nobody whose execs count: real and effective user, and the one that it has to be.
    User(u32, u32, u32),
    /// Root of a user namespace.
    UserNamespace,
    /// Another root directory.
    Chroot,
    /// It only asks, or ends.
    Word(String),
    /// A plain `run` keeps it.
    Run(String),
}

impl Why {
    /// In words.
    pub fn text(&self) -> String {
        match self {
            Self::NoRule => "no rule is about this file".into(),
            Self::Shell(script) => format!(
                "what is executed is the shell; '{script}' is only read by it, and no rule is about both: execute it itself, or add a rule with 'shell'"
            ),
            Self::Excepted(at) => format!("it is an exception, at {}", at.line()),
            Self::NotStripped(at, strip) => {
                format!("its name does not begin with '{strip}', as the rule at {} has it", at.line())
            }
            Self::NoName(at, why) => format!("{why}, so the rule at {} does not cover it", at.line()),
            Self::NotExecutable(why) => format!("it cannot be executed: {why}"),
            Self::NotRoots(why) => format!("it is not root's alone: {why}"),
            Self::User(uid, euid, of) => {
                let is = match uid == euid {
                    true => format!("uid {uid} executes it"),
                    false => format!("it is executed with uid {uid} and effective uid {euid}"),
                };
                match of {
                    0 => format!("{is}, and only root's execs name a service"),
                    of => format!("{is}, and the rule is for uid {of}"),
                }
            }
            Self::UserNamespace => "its root is the root of a user namespace, not the host's".into(),
            Self::Chroot => "its root directory is not the host's: it is in a chroot or a container".into(),
            Self::Word(word) => format!("with '{word}' it starts nothing"),
            Self::Run(name) => {
                format!("it is in '{name}', which 'killer run' started: that one keeps all that it starts")
            }
        }
    }
}

/// True for a program that reads a script which is given to it.
pub(super) fn is_shell(file: &[u8]) -> bool {
    ["sh", "dash", "bash", "ash", "ksh", "zsh", "busybox"].iter().any(|s| s.as_bytes() == file)
}

/// The judgement. Whatever is against it is told in the order in which an administrator can mend it: the rule, the file, the caller.
pub fn verdict(x: &Exec<'_>) -> Verdict {
    match rule_and_file(x) {
        Err(why) => Verdict::Nothing(why),
        Ok((name, entry)) => match caller(x, &entry) {
            Some(why) => Verdict::Nothing(why),
            None => match &x.from {
                From::Service(s) if *s == name && entry.value.kind == Kind::Program => {
                    Verdict::Stays(name, entry.at)
                }
                _ => Verdict::Opens(name, entry.at),
            },
        },
    }
}

fn rule_and_file(x: &Exec<'_>) -> Result<(String, Entry), Why> {
    let Some(entry) = x.entry.clone().filter(|e| e.value.kind != Kind::Shell) else {
        let shell = is_shell(x.file);
        let script = x.args.iter().find(|a| !a.starts_with('-')).filter(|a| shell && a.contains('/'));
        return Err(script.map_or(Why::NoRule, |s| Why::Shell(s.clone())));
    };
    let at = entry.at.clone();
    if entry.value.kind == Kind::Except {
        return Err(Why::Excepted(at));
    }
    let name = match entry.value.kind {
        Kind::Argument => {
            let Some(first) = x.args.first() else {
                return Err(Why::NoName(at, "it is given no script".into()));
            };
            let file = first.rsplit('/').next().unwrap_or_default();
            name::parse_new(file).map_err(|why| Why::NoName(at.clone(), why))?
        }
        _ => match entry.value.name_of(x.file) {
            Some(n) => n,
            None if entry.value.strip.cut(x.file).is_none() => {
                return Err(Why::NotStripped(at, entry.value.strip.text()));
            }
            None => {
                let rest = entry.value.strip.cut(x.file).unwrap_or_default();
                let text = String::from_utf8_lossy(rest);
                let why = name::parse_new(&text).err();
                return Err(Why::NoName(
                    at,
                    why.unwrap_or_else(|| format!("'{text}' is no name of a service")),
                ));
            }
        },
    };
    if let Some(why) = &x.not_roots {
        return Err(Why::NotRoots(why.clone()));
    }
    if let Some(why) = &x.not_executable {
        return Err(Why::NotExecutable(why.clone()));
    }
    Ok((name, entry))
}

fn caller(x: &Exec<'_>, entry: &Entry) -> Option<Why> {
    let (uid, euid) = x.uid;
    if !x.host_users {
        return Some(Why::UserNamespace);
    }
    if uid != euid || uid != entry.value.uid {
        return Some(Why::User(uid, euid, entry.value.uid));
    }
    if !x.host_root {
        return Some(Why::Chroot);
    }
    let word = match entry.value.kind {
        Kind::Argument => x.args.get(1),
        _ => x.args.first(),
    };
    if let Some(w) = word.filter(|w| NOTHING.contains(&w.as_str())) {
        return Some(Why::Word(w.clone()));
    }
    match &x.from {
        From::Run(name) => Some(Why::Run(name.clone())),
        From::Nowhere | From::Service(_) => None,
    }
}

#[cfg(test)]
mod tests;

//! `rule test`: what an exec would do, and why.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use killer_common::record::{R_ADOPTED, R_INSTANCE, R_SERVICE};
use rustix::fs::{Mode, OFlags};

use super::check::told;
use super::find::{Found, Trouble, by_stat, find};
use super::{place, source};
use crate::ask::rule;
use crate::ending::Ending;
use crate::host::{Failure, Host, Tell};
use crate::lookup::registry;
use crate::lookup::trusted::Top;
use crate::report::model::{RuleTest, SCHEMA_VERSION};
use crate::rules::{Entry, Exec, From, Kind, Verdict, Why, verdict};
use crate::sys::entry;

/// What it would do.
pub fn test(asked: &rule::Exec, tell: &dyn Tell) -> Result<RuleTest, Failure> {
    let (typed, real) = resolved(&asked.path)?;
    let (uid, own) = user(asked)?;
    // In a user namespace the host's root can look like anybody: whose the rules are cannot be told there, and need not be.
    if own && !host_users() && std::fs::metadata("/").is_ok_and(|m| m.uid() != 0) {
        return Ok(told_as(asked, &real, uid.0, Verdict::Nothing(Why::UserNamespace)));
    }
    let top = place::top()?;
    let sources = source::read(&top, None).map_err(|w| wrong(Trouble::Wrong(w), tell))?;
    let found = find(&top, &sources, &by_stat).map_err(|t| wrong(t, tell))?;
    let (mut entry, mut file) = entry_for(&found, &typed, &real)?;
    let (mut args, mut checked) = (&asked.args[..], real.clone());
    if entry.as_ref().is_some_and(|e| e.value.kind == Kind::Shell)
        && let Some((script, rest)) = given(args)
        && let Ok((typed, real)) = resolved(script)
        && let (Some(e), name) = entry_for(&found, &typed, &real)?
        && matches!(e.value.kind, Kind::Script | Kind::Run | Kind::Except)
    {
        (entry, file, args, checked) = (Some(e), name, rest, real);
    }
    let x = Exec {
        file: &file,
        args,
        uid,
        host_users: !own || host_users(),
        host_root: !own || host_root(),
        not_roots: Top::host()
            .and_then(|t| t.walk(&checked))
            .and_then(|f| f.root_s())
            .err()
            .map(|e| e.to_string()),
        not_executable: not_executable(&real),
        from: if own { from() } else { From::Nowhere },
        entry,
    };
    Ok(told_as(asked, &real, uid.0, verdict(&x)))
}

fn wrong(trouble: Trouble, tell: &dyn Tell) -> Failure {
    told(trouble, "what an exec does is told when they are right", tell)
}

fn told_as(asked: &rule::Exec, real: &Path, uid: u32, verdict: Verdict) -> RuleTest {
    let (outcome, service, by, why) = match verdict {
        Verdict::Opens(name, at) => ("opens", Some(name), Some(at.line()), None),
        Verdict::Stays(name, at) => ("stays", Some(name), Some(at.line()), None),
        Verdict::Nothing(why) => ("nothing", None, None, Some(why.text())),
    };
    RuleTest {
        version: SCHEMA_VERSION,
        kind: "rule-test",
        path: asked.path.display().to_string(),
        file: real.display().to_string(),
        args: asked.args.clone(),
        uid,
        outcome,
        service,
        rule: by,
        why,
    }
}

/// The script that a shell is given, and the words after it; `None`: it is given none.
fn given(args: &[String]) -> Option<(&Path, &[String])> {
    let at = args.iter().position(|a| !a.starts_with('-'))?;
    let is_command = |a: &String| !a.starts_with("--") && a.contains('c');
    (!args[..at].iter().any(is_command)).then(|| (Path::new(&args[at]), &args[at + 1..]))
}

/// The file as it is typed, made absolute, and the one that is executed: no link in it.
fn resolved(path: &Path) -> Result<(PathBuf, PathBuf), Failure> {
    let none = |why: String| {
        Failure::new(Ending::Failed, format!("there is no file {}", path.display()))
            .why(why)
            .next("give the path of the file as execve(2) gets it")
    };
    let typed = match path.components().count() {
        1 if !path.is_absolute() && !path.as_os_str().as_bytes().starts_with(b".") => {
            let dirs = std::env::var_os("PATH").unwrap_or_default();
            let found = std::env::split_paths(&dirs).map(|d| d.join(path)).find(|p| p.is_file());
            found.ok_or_else(|| none("it is in no directory of PATH".into()))?
        }
        _ => std::path::absolute(path).map_err(|e| none(e.to_string()))?,
    };
    let real = std::fs::canonicalize(&typed).map_err(|e| none(e.to_string()))?;
    if real.is_dir() {
        return Err(none("it is a directory".into()));
    }
    Ok((typed, real))
}

/// The entry for a file, as the kernel finds it: by the file itself, for `run` by the directory above its own; where no program sees
/// scripts, by what is typed, which finds the same or less. With the name that the entry is about.
fn entry_for(found: &Found, typed: &Path, real: &Path) -> Result<(Option<Entry>, Vec<u8>), Failure> {
    let at = |path: &Path| -> Result<Option<(Entry, Vec<u8>)>, Failure> {
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { return Ok(None) };
        let Some(key) = key(dir)? else { return Ok(None) };
        let entry = found.table.find(key, name.as_bytes()).filter(|e| e.value.kind != Kind::Run);
        Ok(entry.map(|e| (e, name.as_bytes().to_vec())))
    };
    if let Some((e, name)) = at(real)?.or(at(typed)?) {
        return Ok((Some(e), name));
    }
    let name = real.file_name().unwrap_or(OsStr::new("")).as_bytes().to_vec();
    if let (b"run", Some(dir)) = (&*name, real.parent())
        && let (Some(up), Some(service)) = (dir.parent(), dir.file_name())
        && let Some(key) = key(up)?
        && let Some(e) = found.table.find(key, &name).filter(|e| e.value.kind == Kind::Run)
    {
        return Ok((Some(e), service.as_bytes().to_vec()));
    }
    Ok((None, name))
}

fn key(dir: &Path) -> Result<Option<crate::rules::DirKey>, Failure> {
    match rustix::fs::open(dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
        Ok(fd) => by_stat(&fd).map(Some),
        Err(_) => Ok(None),
    }
}

fn not_executable(real: &Path) -> Option<String> {
    let m = match std::fs::metadata(real) {
        Ok(m) => m,
        Err(e) => return Some(e.to_string()),
    };
    match (m.is_file(), m.mode() & 0o111) {
        (false, _) => Some("it is no regular file".into()),
        (true, 0) => Some("nobody may execute it (its mode)".into()),
        _ => None,
    }
}

/// Real and effective user, and whether it is the caller, as it stands here.
fn user(asked: &rule::Exec) -> Result<((u32, u32), bool), Failure> {
    let Some(word) = &asked.user else {
        let (r, e) = (rustix::process::getuid().as_raw(), rustix::process::geteuid().as_raw());
        return Ok(((r, e), true));
    };
    let uid = match (nix::unistd::User::from_name(word), word.parse()) {
        (Ok(Some(u)), _) => u.uid.as_raw(),
        (_, Ok(uid)) => uid,
        _ => {
            return Err(Failure::new(Ending::Failed, format!("there is no user '{word}'"))
                .next("give a name or a number"));
        }
    };
    Ok(((uid, uid), false))
}

/// True when this process's users are the host's.
fn host_users() -> bool {
    // The initial namespace maps all numbers to themselves (`kernel/user.c:init_user_ns`).
    let map = entry::record("self/uid_map").unwrap_or_default();
    let words: Vec<String> = String::from_utf8_lossy(&map).split_whitespace().map(String::from).collect();
    words.is_empty() || words == ["0", "0", "4294967295"]
}

/// True when this process's root directory is that of the host's init, as far as can be seen.
fn host_root() -> bool {
    let of = |p: &str| std::fs::metadata(p).map(|m| (m.dev(), m.ino())).ok();
    of("/proc/1/root").is_none_or(|init| of("/") == Some(init))
}

/// The service that the caller is in, as far as it may be known.
fn from() -> From {
    let Some(host) = Host::open().ok().flatten() else { return From::Nowhere };
    let Some(mine) = host.whose().ok().flatten().and_then(|s| registry::in_slot(&host, s)) else {
        return From::Nowhere;
    };
    let mut at = Some(mine.clone());
    while let Some(root) = at {
        if root.record.flags & (R_INSTANCE | R_ADOPTED | R_SERVICE) == 0 {
            return From::Run(root.name);
        }
        at = registry::in_slot(&host, root.record.parent).filter(|_| root.record.parent != 0);
    }
    From::Service(mine.name)
}

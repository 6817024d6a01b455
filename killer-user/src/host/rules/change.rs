//! `rule add`, `rule remove`: one file of the administrator's.

use std::ffi::OsStr;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};

use super::check::told;
use super::find::{Trouble, by_stat, find};
use super::place::{self, ADMIN, PACKAGES};
use super::source::{self, Change, Origin};
use super::{list, load};
use crate::ask::rule::NewRule;
use crate::ending::Ending;
use crate::host::{Failure, Tell};
use crate::lookup::trusted::{Refused, Top};
use crate::report::message;
use crate::rules::{BUILT_IN, written};

/// How often the lock is tried for.
const LOCK_TRIES: u32 = 40;

/// The name of a rule file that a word means.
fn file_name(word: &str) -> Result<String, Failure> {
    let name = format!("{}.toml", word.strip_suffix(".toml").unwrap_or(word));
    match source::is_rule_file(&name) {
        true => Ok(name),
        false => Err(Failure::new(Ending::Usage, format!("'{word}' is no name of a rule file"))
            .next("letters, digits, and . _ + - @ may stand in it")),
    }
}

/// Writes a rule into a file of its own. Everything is checked first, as it would be.
pub fn add(wish: &NewRule, tell: &dyn Tell) -> Result<(), Failure> {
    let name = file_name(&wish.file)?;
    let top = place::top()?;
    let text = written(&wish.fields);
    match place_of(&top, &name)? {
        None => {}
        Some(at) => {
            return Err(Failure::new(Ending::Failed, format!("there is {} already", at.display()))
                .next(format!("'killer rule remove {}' takes it away; or choose another name", wish.file)));
        }
    }
    let change = Change { name: &name, text: Some(&text) };
    would_be_good(&top, &change, tell)?;
    let dir = directory(&top)?;
    // Another `rule add` may have come first with what this one says, too.
    would_be_good(&top, &change, tell)?;
    let io = |e: rustix::io::Errno| failed(&top, &name, e);
    write(&dir, &name, text.as_bytes()).map_err(io)?;
    say(&format!("'{}' has the rule", shown(&top, &name).display()), tell)
}

/// Takes a rule file away.
pub fn remove(word: &str, tell: &dyn Tell) -> Result<(), Failure> {
    let name = file_name(word)?;
    let top = place::top()?;
    let Some(at) = place_of(&top, &name)? else {
        return Err(nothing(&top, &name));
    };
    let dir = directory(&top)?;
    would_be_good(&top, &Change { name: &name, text: None }, tell)?;
    let io = |e: rustix::io::Errno| failed(&top, &name, e);
    rustix::fs::unlinkat(&dir, &*name, AtFlags::empty()).map_err(io)?;
    sync(&dir).map_err(io)?;
    say(&format!("'{}' is gone", at.display()), tell)
}

/// The failure for a file that is not the administrator's.
fn nothing(top: &Top, name: &str) -> Failure {
    let admin = shown(top, name);
    let f = Failure::new(Ending::Failed, format!("there is no {}", admin.display()));
    let packaged = Path::new(PACKAGES).join(name);
    let whose = match (top.walk(&packaged), name) {
        (Ok(_), _) => format!("{} is a package's", top.shown(&packaged).display()),
        (_, BUILT_IN) => "these rules are built in".into(),
        _ => {
            return f.next(format!(
                "the files are in {}; 'killer rule list' shows the rules",
                top.shown(Path::new(ADMIN)).display()
            ));
        }
    };
    f.why(whose).next(format!("an empty file switches them off: 'touch {}'", admin.display()))
}

/// Its path, for people.
fn shown(top: &Top, name: &str) -> PathBuf {
    top.shown(&Path::new(ADMIN).join(name))
}

/// Where an administrator's file is, whatever it is; `None`: there is none.
fn place_of(top: &Top, name: &str) -> Result<Option<PathBuf>, Failure> {
    match top.walk(Path::new(ADMIN)) {
        Err(Refused::Missing(_)) => Ok(None),
        Err(why) => Err(place::refused(&top.shown(Path::new(ADMIN)), &why)),
        Ok(dir) => match rustix::fs::statat(&dir.dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(Some(shown(top, name))),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(e) => Err(failed(top, name, e)),
        },
    }
}

fn would_be_good(top: &Top, change: &Change<'_>, tell: &dyn Tell) -> Result<(), Failure> {
    let wrong = |t| told(t, "nothing was written", tell);
    let sources = source::read(top, Some(*change)).map_err(|w| wrong(Trouble::Wrong(w)))?;
    debug_assert!(
        change.text.is_none() || sources.iter().any(|s| s.name == change.name && s.origin == Origin::Admin)
    );
    find(top, &sources, &by_stat).map(drop).map_err(wrong)
}

/// The administrator's directory, which is made when it is not there, under a lock that goes with the descriptor.
fn directory(top: &Top) -> Result<OwnedFd, Failure> {
    let mut at = PathBuf::from("/");
    for step in Path::new(ADMIN).components().skip(1) {
        let up = top.walk(&at).map_err(|why| place::refused(&top.shown(&at), &why))?;
        at.push(step);
        match rustix::fs::mkdirat(&up.dir, step.as_os_str(), Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(e) => return Err(refused(&format!("{} could not be made", top.shown(&at).display()), e)),
        }
    }
    let dir = top.walk(&at).map_err(|why| place::refused(&top.shown(&at), &why))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = || {
        let fd = rustix::fs::openat(&dir.dir, ".", flags, Mode::empty())?;
        // Anybody may hold it: then two commands at once can write rules that the next load refuses, and no more.
        for _ in 0..LOCK_TRIES {
            if rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(fd)
    };
    open().map_err(|e| refused(&format!("{} could not be opened", top.shown(&at).display()), e))
}

/// A file that is there whole or not at all, and that takes nobody's place.
fn write(dir: &OwnedFd, name: &str, text: &[u8]) -> rustix::io::Result<()> {
    // No name of a rule file, so that nobody reads it meanwhile.
    let temp = format!(".{name}.{}", std::process::id());
    let _ = rustix::fs::unlinkat(dir, &*temp, AtFlags::empty());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let fd = rustix::fs::openat(dir, &*temp, flags, Mode::from_raw_mode(0o644))?;
    let done = (|| {
        rustix::fs::fchmod(&fd, Mode::from_raw_mode(0o644))?;
        let mut file = std::fs::File::from(fd);
        let errno = |e: std::io::Error| rustix::io::Errno::from_io_error(&e).unwrap_or(rustix::io::Errno::IO);
        file.write_all(text).and_then(|()| file.sync_all()).map_err(errno)?;
        rustix::fs::linkat(dir, &*temp, dir, name, AtFlags::empty())
    })();
    let _ = rustix::fs::unlinkat(dir, OsStr::new(&temp), AtFlags::empty());
    done.and_then(|()| sync(dir))
}

fn sync(dir: &OwnedFd) -> rustix::io::Result<()> {
    match rustix::fs::fsync(dir) {
        // Some file systems have nothing to do for a directory.
        Err(rustix::io::Errno::INVAL) => Ok(()),
        r => r,
    }
}

fn failed(top: &Top, name: &str, e: rustix::io::Errno) -> Failure {
    refused(&format!("{} could not be changed", shown(top, name).display()), e)
}

fn refused(what: &str, e: rustix::io::Errno) -> Failure {
    let f = Failure::new(Ending::Failed, what).why(std::io::Error::from(e).to_string());
    match e {
        rustix::io::Errno::PERM | rustix::io::Errno::ACCESS => {
            f.with(Ending::NotPermitted).next("run it as root")
        }
        rustix::io::Errno::ROFS => f.next("'mount -o remount,rw' lets it be written"),
        rustix::io::Errno::NOSPC | rustix::io::Errno::DQUOT => f.next("make room there; nothing was changed"),
        _ => f.next("nothing was changed"),
    }
}

/// Says what was changed, and puts it in force where rules are.
fn say(what: &str, tell: &dyn Tell) -> Result<(), Failure> {
    match list::in_force() {
        Ok(Some(_)) => {
            tell.message(&message::render(what, None, None));
            load::load(tell).map(drop)
        }
        r => {
            let why = r.err().map_or("no rule is in force yet".to_owned(), |f| f.what);
            tell.message(&message::render(what, Some(&why), Some("'killer up --rules' loads the rules")));
            Ok(())
        }
    }
}

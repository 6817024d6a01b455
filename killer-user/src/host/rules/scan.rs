//! What lies in the directories that rules name.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use super::find::{Covered, Finder, Known, Link};
use crate::ask::name;
use crate::lookup::trusted::{Refused, Trusted};
use crate::rules::{DirKey, Except, Key, Kind, NAME_BYTES, Spot, Value, Wrong, provided};

/// Names in one directory.
const MOST_NAMES: usize = 2048;
/// How often a directory is read that changes meanwhile.
const TRIES: u32 = 3;
/// Bytes of a script's head.
const HEAD: usize = 4096;

/// What is known of one file of a directory.
enum Is {
    /// A service.
    Service(Known),
    /// No service: why, and whether the programs have to be told.
    Not(String, bool),
    /// Nothing to speak of.
    Nothing,
}

impl Finder<'_> {
    /// A directory of scripts.
    pub fn scripts(&mut self, c: &mut Covered, d: &Spot<PathBuf>, value: &Value, except: &[Spot<Except>]) {
        let Some((dir, key)) = self.directory(c, d) else { return };
        self.put(Key::begins(key, b""), value.clone(), &d.at);
        for e in except {
            let start = e.value.start.as_bytes();
            let key = if e.value.prefix { Key::begins(key, start) } else { Key::file(key, start) };
            self.put(key, Value::except(), &e.at);
        }
        let Some(names) = self.names(&dir, d) else { return };
        for file in names {
            match self.script((&dir, key), &file, value, except, d) {
                Is::Service(k) => c.services.push(k),
                Is::Not(why, tell) => {
                    c.uncovered.push((self.top.shown(&dir.path.join(&file)), why));
                    if tell {
                        self.put(Key::file(key, file.as_bytes()), Value::except(), &d.at);
                    }
                }
                Is::Nothing => {}
            }
        }
    }

    /// The names in a directory, which is read again when it changes meanwhile.
    fn names(&mut self, dir: &Trusted, d: &Spot<PathBuf>) -> Option<Vec<OsString>> {
        let mut names = dir.names(MOST_NAMES);
        for _ in 1..TRIES {
            if !matches!(names, Err(Refused::Changes(_))) {
                break;
            }
            names = self.top.walk(&dir.path).and_then(|d| d.names(MOST_NAMES));
        }
        names.map_err(|why| self.wrong.push(Wrong::new(&d.at, why.to_string()))).ok()
    }

    fn script(
        &mut self,
        (dir, key): (&Trusted, DirKey),
        file: &OsStr,
        value: &Value,
        except: &[Spot<Except>],
        d: &Spot<PathBuf>,
    ) -> Is {
        let path = dir.path.join(file);
        if file.as_bytes().starts_with(b".") {
            return Is::Nothing;
        }
        let script = match self.top.walk(&path) {
            Ok(t) if t.name.is_none() => return Is::Nothing,
            Ok(t) => t,
            Err(Refused::Missing(_)) => return Is::Nothing,
            Err(why) => return Is::Not(why.to_string(), true),
        };
        if let Some(e) = except.iter().find(|e| e.value.is_about(file.as_bytes())) {
            return Is::Not(format!("an exception at {}", e.at.line()), false);
        }
        if file.len() >= NAME_BYTES {
            return Is::Not(
                format!("its name has {} bytes, at most {} are possible", file.len(), NAME_BYTES - 1),
                false,
            );
        }
        let Some(rest) = value.strip.cut(file.as_bytes()) else {
            return Is::Not(format!("its name does not begin with '{}'", value.strip.text()), false);
        };
        let Some(service) = value.name_of(file.as_bytes()) else {
            let text = String::from_utf8_lossy(rest).into_owned();
            return Is::Not(
                name::parse_new(&text).err().unwrap_or_else(|| format!("'{text}' is no name of a service")),
                true,
            );
        };
        if FileType::from_raw_mode(script.stat.st_mode) != FileType::RegularFile {
            return Is::Not("it is no file".into(), true);
        }
        if let Err(why) = script.root_s() {
            return Is::Not(why.to_string(), true);
        }
        if script.stat.st_mode & 0o111 == 0 {
            return Is::Not("it is not executable".into(), false);
        }
        if script.path.parent() == Some(&dir.path) && script.path != path {
            let is = script.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return Is::Not(format!("it is a link to '{is}', and that is what is executed"), false);
        }
        let header = script.head(HEAD).map(|h| provided(&h)).unwrap_or_default();
        let is_link = script.path != path;
        let known = Known {
            name: service.clone(),
            file: self.top.shown(&path),
            script: true,
            provides: header.provides.into_iter().filter(|p| *p != service).collect(),
            pidfile: header.pidfile.map(|p| self.top.shown(Path::new(&p))),
            ..Known::default()
        };
        if is_link {
            let value = Value { name: service, strip: Default::default(), ..value.clone() };
            let key = Key::file(key, file.as_bytes());
            self.links.push(Link { key, shown: known.file.clone(), script, value, at: d.at.clone() });
        }
        Is::Service(known)
    }

    /// A directory of service directories.
    pub fn run(&mut self, c: &mut Covered, d: &Spot<PathBuf>, value: &Value) {
        let Some((dir, key)) = self.directory(c, d) else { return };
        self.put(Key::file(key, b"run"), value.clone(), &d.at);
        let Some(names) = self.names(&dir, d) else { return };
        for service in names.into_iter().filter(|n| !n.as_bytes().starts_with(b".")) {
            match self.service(&dir, &service) {
                Is::Service(k) => c.services.push(k),
                Is::Not(why, _) => c.uncovered.push((self.top.shown(&dir.path.join(&service)), why)),
                Is::Nothing => {}
            }
        }
    }

    fn service(&mut self, dir: &Trusted, service: &OsStr) -> Is {
        let path = dir.path.join(service);
        let own = match self.top.walk(&path) {
            Ok(t) if t.name.is_none() => t,
            Ok(_) | Err(Refused::Missing(_)) => return Is::Nothing,
            Err(why) => return Is::Not(why.to_string(), false),
        };
        if let Some(up) = own.path.parent().filter(|up| *up != dir.path) {
            self.elsewhere.insert(self.top.shown(&path), up.to_owned());
            let why = format!(
                "its directory is {}, which needs a rule with run = \"{}\"",
                own.path.display(),
                up.display()
            );
            return Is::Not(why, false);
        }
        let text = service.to_string_lossy();
        let run = Value { kind: Kind::Run, uid: 0, strip: Default::default(), name: String::new() };
        let Some(name) = run.name_of(service.as_bytes()) else {
            return Is::Not(
                name::parse_new(&text).err().unwrap_or_else(|| format!("'{text}' is no name of a service")),
                false,
            );
        };
        match self.top.walk(&path.join("run")) {
            Err(Refused::Missing(_)) => Is::Nothing,
            Err(why) => Is::Not(why.to_string(), false),
            Ok(f) => match f.root_s() {
                Err(why) => Is::Not(why.to_string(), false),
                Ok(()) => Is::Service(Known {
                    name,
                    file: self.top.shown(&path),
                    supervised: true,
                    ..Known::default()
                }),
            },
        }
    }
}

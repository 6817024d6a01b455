//! What the rules are about on this host: the table, the services, and what is not covered.

use std::collections::HashMap;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::source::{Origin, Source};
use crate::host::Failure;
use crate::lookup::trusted::{Refused, Top, Trusted};
use crate::rules::{
    DirKey, Key, Kind, NAME_BYTES, Place, Program, Rule, Spot, Strip, Table, Value, What, Wrong,
};

/// A service that a rule knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub name: String,
    /// The file that names it: script, program, or service directory.
    pub file: PathBuf,
    /// The rule's programs.
    pub programs: Vec<PathBuf>,
    /// True when the file is a script that takes `start`, `stop`, `status`.
    pub script: bool,
    /// True when the file is the directory of a supervised service.
    pub supervised: bool,
    /// Other names, by the rule.
    pub aliases: Vec<String>,
    /// Other names, by the script.
    pub provides: Vec<String>,
    /// Where its main process is noted.
    pub pidfile: Option<PathBuf>,
    /// The command that stops it, in words; empty: none is known.
    pub stop: Vec<String>,
}

/// A rule on this host.
#[derive(Clone, Debug)]
pub struct Covered {
    /// The rule.
    pub rule: Rule,
    /// Whose file it stands in.
    pub origin: Origin,
    /// Its services.
    pub services: Vec<Known>,
    /// Files that name no service, each with the reason.
    pub uncovered: Vec<(PathBuf, String)>,
    /// What it names and is not there.
    pub absent: Vec<PathBuf>,
}

/// What all rules are on this host.
#[derive(Debug, Default)]
pub struct Found {
    /// What the programs look files up in.
    pub table: Table,
    /// Each rule.
    pub rules: Vec<Covered>,
}

impl Covered {
    /// Services whose files are links to exceptions are none.
    fn except(&mut self, links: &HashMap<PathBuf, String>) {
        self.services.retain(|k| match links.get(&k.file) {
            None => true,
            Some(why) => {
                self.uncovered.push((k.file.clone(), why.clone()));
                false
            }
        });
    }
}

/// A link out of a directory of scripts.
#[derive(Debug)]
pub(super) struct Link {
    /// Its own entry.
    pub key: Key,
    /// Its path, as people are shown it.
    pub shown: PathBuf,
    /// Where it leads.
    pub script: Trusted,
    /// What it is there.
    pub value: Value,
    /// Where its rule names the directory.
    pub at: Place,
}

/// Why there is no table.
#[derive(Debug)]
pub enum Trouble {
    /// By what stands in rule files.
    Wrong(Vec<Wrong>),
    /// By something else.
    Failed(Failure),
}

/// Tells which directory one is.
pub type Ask<'a> = &'a dyn Fn(&OwnedFd) -> Result<DirKey, Failure>;

/// By what `stat` shows: good enough to compare directories that were both asked so.
pub fn by_stat(dir: &OwnedFd) -> Result<DirKey, Failure> {
    let st = rustix::fs::fstat(dir).map_err(std::io::Error::from)?;
    Ok(DirKey { dev: st.st_dev, ino: st.st_ino })
}

/// A directory that is open, as a path.
pub fn path_of(dir: &OwnedFd) -> PathBuf {
    format!("/proc/self/fd/{}", dir.as_raw_fd()).into()
}

impl Found {
    /// Every service, by name: what several rules say of one is put together.
    pub fn services(self) -> Vec<Known> {
        let mut all: Vec<Known> = Vec::new();
        for k in self.rules.into_iter().flat_map(|r| r.services) {
            match all.iter_mut().find(|a| a.name == k.name) {
                None => all.push(k),
                Some(a) => {
                    a.aliases.extend(k.aliases);
                    a.provides.extend(k.provides);
                    // A rule's own words count, whatever a script says.
                    if !k.script && k.pidfile.is_some() || a.pidfile.is_none() {
                        a.pidfile = k.pidfile;
                    }
                    if a.stop.is_empty() {
                        a.stop = k.stop;
                    }
                    a.programs.extend(k.programs);
                }
            }
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }
}

/// Looks at everything that rules name.
pub fn find(top: &Top, sources: &[Source], ask: Ask<'_>) -> Result<Found, Trouble> {
    let mut f = Finder {
        top,
        ask,
        keys: HashMap::new(),
        table: Table::default(),
        wrong: Vec::new(),
        failed: None,
        links: Vec::new(),
        elsewhere: HashMap::new(),
    };
    let mut rules = Vec::new();
    for (source, rule) in sources.iter().flat_map(|s| s.rules.iter().map(move |r| (s, r))) {
        let empty = Covered {
            rule: rule.clone(),
            origin: source.origin,
            services: Vec::new(),
            uncovered: Vec::new(),
            absent: Vec::new(),
        };
        rules.push(f.rule(empty));
    }
    let excepted = f.follow();
    for c in &mut rules {
        c.except(&excepted);
        c.uncovered.retain(|(path, _)| !f.is_run(path));
        c.services.sort_by(|a, b| a.name.cmp(&b.name));
        c.services.dedup_by(|a, b| a.name == b.name);
        c.uncovered.sort();
        c.uncovered.dedup();
    }
    if let (Some(why), Some(last)) = (f.table.too_much(), rules.last()) {
        f.wrong.push(Wrong::new(&last.rule.at, why));
    }
    match (f.failed, f.wrong.is_empty()) {
        (Some(e), _) => Err(Trouble::Failed(e)),
        (None, true) => Ok(Found { table: f.table, rules }),
        (None, false) => Err(Trouble::Wrong(f.wrong)),
    }
}

pub(super) struct Finder<'a> {
    pub top: &'a Top,
    ask: Ask<'a>,
    keys: HashMap<PathBuf, DirKey>,
    pub table: Table,
    pub wrong: Vec<Wrong>,
    failed: Option<Failure>,
    /// Links out of directories of scripts.
    pub links: Vec<Link>,
    /// Links to service directories: what is above those.
    pub elsewhere: HashMap<PathBuf, PathBuf>,
}

impl Finder<'_> {
    /// Which directory this is; `None`: the rest is of no use.
    pub fn key(&mut self, dir: &OwnedFd, path: &Path) -> Option<DirKey> {
        if let Some(k) = self.keys.get(path) {
            return Some(*k);
        }
        match (self.ask)(dir) {
            Ok(k) => {
                self.keys.insert(path.into(), k);
                self.table.typed(&self.top.shown(path), k);
                Some(k)
            }
            Err(f) => {
                self.failed.get_or_insert(f);
                None
            }
        }
    }

    /// An entry; a conflict is noted.
    pub fn put(&mut self, key: Key, value: Value, at: &Place) {
        if let Err(w) = self.table.add(key, value, at) {
            self.wrong.push(w);
        }
    }

    /// A directory that a rule names; `None`: it is not there, or wrong.
    pub fn directory(&mut self, c: &mut Covered, spot: &Spot<PathBuf>) -> Option<(Trusted, DirKey)> {
        let dir = match self.top.walk(&spot.value) {
            Ok(t) if t.name.is_none() => t,
            Ok(_) => {
                self.wrong.push(Wrong::new(&spot.at, format!("{} is no directory", spot.value.display())));
                return None;
            }
            Err(Refused::Missing(p)) => {
                c.absent.push(p);
                return None;
            }
            Err(why) => {
                self.wrong.push(Wrong::new(&spot.at, why.to_string()));
                return None;
            }
        };
        let key = self.key(&dir.dir, &dir.path)?;
        self.table.typed(&self.top.shown(&spot.value), key);
        Some((dir, key))
    }

    fn rule(&mut self, mut c: Covered) -> Covered {
        let rule = c.rule.clone();
        let uid = match &rule.user {
            None => 0,
            Some(u) => self.user(u),
        };
        let value = |kind, strip| Value { kind, uid, strip, name: String::new() };
        match &rule.what {
            What::Scripts { dirs, strip, except } => {
                for d in dirs {
                    self.scripts(&mut c, d, &value(Kind::Script, *strip), except);
                }
            }
            What::Run { dirs } => {
                dirs.iter().for_each(|d| self.run(&mut c, d, &value(Kind::Run, Strip::default())));
            }
            What::Argument { programs } => {
                programs.iter().for_each(|p| self.file(&mut c, p, &value(Kind::Argument, Strip::default())));
            }
            What::Shell { programs } => {
                programs.iter().for_each(|p| self.shell(&mut c, p, &value(Kind::Shell, Strip::default())));
            }
            What::Program(p) => self.program(&mut c, p, uid),
        }
        c
    }

    fn user(&mut self, user: &Spot<String>) -> u32 {
        let known = nix::unistd::User::from_name(&user.value);
        match (known, user.value.parse::<u32>()) {
            (Ok(Some(u)), _) => u.uid.as_raw(),
            (_, Ok(uid)) => uid,
            (Ok(None), _) => {
                self.wrong.push(Wrong::new(&user.at, format!("there is no user '{}'", user.value)));
                0
            }
            (Err(e), _) => {
                self.wrong.push(Wrong::new(
                    &user.at,
                    format!("the user '{}' cannot be looked up: {}", user.value, e.desc()),
                ));
                0
            }
        }
    }

    fn program(&mut self, c: &mut Covered, p: &Program, uid: u32) {
        for f in &p.files {
            let Some(name) = p.name_of(&f.value) else { continue };
            let value = Value { kind: Kind::Program, uid, strip: Strip::default(), name: name.clone() };
            self.file(c, f, &value);
            c.services.push(Known {
                name,
                file: self.top.shown(&f.value),
                programs: vec![self.top.shown(&f.value)],
                aliases: p.aliases.iter().map(|a| a.value.clone()).collect(),
                pidfile: p.pidfile.as_deref().map(|f| self.top.shown(f)),
                stop: p.stop.clone(),
                ..Known::default()
            });
        }
    }

    /// A shell that is one program, and not every command of a host.
    fn shell(&mut self, c: &mut Covered, spot: &Spot<PathBuf>, value: &Value) {
        if let Ok(f) = self.top.walk(&spot.value)
            && let Some(is) = f.name.as_deref().and_then(|n| n.to_str())
            && ["busybox", "toybox"].contains(&is)
        {
            let why = format!(
                "'{}' is {is}, which is every command of this host: only a program that is nothing but a shell can be a 'shell'",
                spot.value.display()
            );
            return self.wrong.push(Wrong::new(&spot.at, why));
        }
        self.file(c, spot, value);
    }

    /// A file that need not be there yet: its directory and name, and where a link leads.
    fn file(&mut self, c: &mut Covered, spot: &Spot<PathBuf>, value: &Value) {
        let (Some(parent), Some(name)) = (spot.value.parent(), spot.value.file_name()) else { return };
        if name.len() >= NAME_BYTES {
            let why =
                format!("the file name has {} bytes, at most {} are possible", name.len(), NAME_BYTES - 1);
            self.wrong.push(Wrong::new(&spot.at, why));
            return;
        }
        let up = Spot { at: spot.at.clone(), value: parent.to_owned() };
        let Some((dir, key)) = self.directory(c, &up) else { return };
        self.put(Key::file(key, name.as_bytes()), value.clone(), &spot.at);
        let file = match self.top.walk(&spot.value) {
            Ok(f) => f,
            Err(Refused::Missing(p)) => return c.absent.push(p),
            Err(why) => return self.wrong.push(Wrong::new(&spot.at, why.to_string())),
        };
        let Some(is) = file.name.clone() else {
            return self.wrong.push(Wrong::new(&spot.at, format!("{} is a directory", spot.value.display())));
        };
        if let Err(why) = file.root_s() {
            return self.wrong.push(Wrong::new(&spot.at, why.to_string()));
        }
        let real = file.path.parent().map(Path::to_owned).unwrap_or_default();
        if (real.as_path(), is.as_os_str()) != (dir.path.as_path(), name)
            && let Some(key) = self.key(&file.dir, &real)
        {
            self.put(Key::file(key, is.as_bytes()), value.clone(), &spot.at);
        }
    }

    /// True for a link to a service directory that a rule covers where it is.
    fn is_run(&self, link: &Path) -> bool {
        let key = self.elsewhere.get(link).and_then(|up| self.keys.get(up));
        key.and_then(|k| self.table.find(*k, b"run")).is_some_and(|e| e.value.kind == Kind::Run)
    }

    /// Scripts that lie elsewhere: those that no rule covers there get an entry. Links to exceptions are exceptions, also where the
    /// programs see no more than what was typed; answers these, each with the reason.
    fn follow(&mut self) -> HashMap<PathBuf, String> {
        let mut excepted = HashMap::new();
        for l in std::mem::take(&mut self.links) {
            let (Some(name), Some(dir)) = (&l.script.name, l.script.path.parent()) else { continue };
            let Some(key) = self.key(&l.script.dir, dir) else { break };
            match self.table.find(key, name.as_bytes()) {
                None if name.len() < NAME_BYTES => self.put(Key::file(key, name.as_bytes()), l.value, &l.at),
                Some(e) if e.value.kind == Kind::Except => {
                    let to = self.top.shown(&l.script.path);
                    let why =
                        format!("it is a link to {}, which is no service, by {}", to.display(), e.at.line());
                    excepted.insert(l.shown, why);
                    self.put(l.key, Value::except(), &e.at);
                }
                _ => {}
            }
        }
        excepted
    }
}

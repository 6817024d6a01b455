//! Rules are put in force: what the files say, all of it or nothing.

use std::os::unix::ffi::OsStrExt;

use killer_common::NAME_LEN;
use killer_common::rule as abi;

use super::check::told;
use super::find::{Found, Known, Trouble, find, path_of};
use super::{late, place, source};
use crate::ending::Ending;
use crate::host::{Failure, Host, Tell, by_script, tracker};
use crate::keep;
use crate::report::human::count;
use crate::report::message;
use crate::rules::{Alias, DirKey, Entry, Kind, Table};
use crate::tier::Tracker;

/// What was put in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Rules; 0 when nothing that they name is there.
    pub rules: usize,
    /// Services that are there now, by name.
    pub services: Vec<String>,
    /// Directories, and files, that rules name and are not there.
    pub absent: Vec<String>,
}

impl Loaded {
    /// In a sentence.
    pub fn text(&self) -> String {
        let rules = count(self.rules as u64, "rule", "rules");
        let services = count(self.services.len() as u64, "service", "services");
        match self.rules {
            0 => "no rule is in force: no file has one, or nothing that they name is there".into(),
            1 => format!("{rules} is in force, for {services}"),
            _ => format!("{rules} are in force, for {services}"),
        }
    }
}

/// Loads the tracker when it is not there, puts the rules in force, and takes in what runs already. Answers what is so now, in
/// sentences.
pub fn up(cross_check: bool, guess: bool, tell: &dyn Tell) -> Result<Vec<String>, Failure> {
    tracker::up(cross_check, tell)?;
    by_script::decide(Host::open()?.is_none_or(|host| host.rules().is_none()));
    let (loaded, known) = both(tell)?;
    let mut notes = vec![loaded.text()];
    notes.extend(late::adopt(&known, guess, tell)?);
    Ok(notes)
}

/// Puts the rules in force, as the files are now, in the place of those before.
pub fn load(tell: &dyn Tell) -> Result<Loaded, Failure> {
    both(tell).map(|b| b.0)
}

fn both(tell: &dyn Tell) -> Result<(Loaded, Vec<Known>), Failure> {
    let host = Host::open()?.ok_or_else(|| {
        Failure::new(Ending::Failed, "the tracker is not loaded, so no rule can be in force")
            .next("'killer up --rules' loads it, and the rules")
    })?;
    let found = put(&host, tell)?;
    let rules = if found.table.is_empty() { 0 } else { found.rules.len() };
    let absent = found.rules.iter().flat_map(|r| r.absent.iter().map(|p| p.display().to_string())).collect();
    let known = found.services();
    let services = known.iter().map(|k| k.name.clone()).collect();
    let loaded = Loaded { rules, services, absent };
    tell.message(&message::render(&loaded.text(), None, None));
    for p in loaded.absent.iter().filter(|_| tell.verbose() > 0) {
        tell.message(&message::render(&format!("not there: {p}"), None, None));
    }
    Ok((loaded, known))
}

/// The capability, or what to do without it.
fn rules_of(t: &Tracker) -> Result<&dyn keep::Rules, Failure> {
    t.rules().ok_or_else(|| {
        let lacks = "rules need programs that see each exec, which the tiers witnessed and typed have";
        let why = match t.better() {
            Some(why) => format!("the tier {} has none: {lacks}; {why}", t.tier().name()),
            None => format!("the tier {} has none: {lacks}", t.tier().name()),
        };
        Failure::new(Ending::Failed, "no rule is in force: services do not get their names by themselves here")
            .why(why)
            .next(
                "start them with 'killer run --name NAME -- CMD'; 'killer install-boot' puts a file into /lib/lsb/init-functions.d that \
                 does it for init scripts; 'killer adopt' takes in what runs",
            )
    })
}

fn put(t: &Tracker, tell: &dyn Tell) -> Result<Found, Failure> {
    let rules = rules_of(t)?;
    let top = place::top()?;
    let wrong = |t| told(t, "nothing was loaded; the rules that are in force stay in force", tell);
    // Of two loads at once the later one has read the files later.
    let _lock = t.lock()?;
    let sources = source::read(&top, None).map_err(|w| wrong(Trouble::Wrong(w)))?;
    let ask = |dir: &std::os::fd::OwnedFd| {
        let (dev, ino) = rules.directory(&path_of(dir))?;
        Ok(DirKey { dev, ino })
    };
    let found = find(&top, &sources, &ask).map_err(wrong)?;
    match found.table.is_empty() {
        // Nothing would match: the hooks are spared.
        true => drop(rules.withdraw()?),
        false => rules.put(&table(&found.table))?,
    }
    Ok(found)
}

/// The table as the programs have it.
fn table(t: &Table) -> keep::Table {
    keep::Table {
        files: t.entries().map(|e| file(&e)).collect(),
        paths: t.aliases().filter_map(path).collect(),
        other_users: t.entries().any(|e| e.value.uid != 0),
    }
}

/// Bytes as words, padded with NUL.
fn words<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let mut w = [0; N];
    for (i, b) in bytes.iter().take(8 * N).enumerate() {
        w[i / 8] |= u64::from(*b) << (8 * (i % 8));
    }
    w
}

fn file(e: &Entry) -> (abi::FileKey, abi::Rule) {
    let prefix_len = match e.key.whole {
        true => abi::FileKey::FILE,
        false => abi::FileKey::DIRECTORY + 8 * e.key.start.len() as u32,
    };
    let kind = match e.value.kind {
        Kind::Script => abi::SCRIPT,
        Kind::Program => abi::PROGRAM,
        Kind::Argument => abi::ARGUMENT,
        Kind::Run => abi::RUN,
        Kind::Shell => abi::SHELL,
        Kind::Except => abi::EXCEPT,
    };
    let key = abi::FileKey {
        prefix_len,
        set: 0,
        dev: e.key.dir.dev,
        ino: e.key.dir.ino,
        file: words(&e.key.start),
    };
    let name = words::<{ NAME_LEN / 8 }>(e.value.name.as_bytes());
    (key, abi::Rule { kind, uid: e.value.uid, strip: u64::from_le_bytes(e.value.strip.bytes()), name })
}

fn path(a: &Alias) -> Option<(abi::PathKey, abi::Directory)> {
    let mut typed = a.path.as_os_str().as_bytes().to_vec();
    typed.push(b'/');
    if typed.len() >= abi::PATH_LEN {
        return None;
    }
    let prefix_len = 32 + 8 * typed.len() as u32;
    let key = abi::PathKey { prefix_len, set: 0, path: words(&typed) };
    Some((key, abi::Directory { dev: a.dir.dev, ino: a.dir.ino, len: typed.len() as u64 }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Key, MOST_DIRECTORIES, MOST_FILES, NAME_BYTES, PATH_BYTES, Place, Strip, Value};

    #[test]
    fn limits_are_those_of_the_programs() {
        assert_eq!((NAME_BYTES, PATH_BYTES), (abi::FILE_LEN, abi::PATH_LEN));
        assert_eq!((MOST_DIRECTORIES, MOST_FILES), (abi::MAX_DIRECTORIES as usize, abi::MAX_FILES as usize));
    }

    #[test]
    fn an_entry_is_as_the_programs_read_it() {
        let dir = DirKey { dev: 7, ino: 9 };
        let mut t = Table::default();
        let script =
            Value { kind: Kind::Script, uid: 0, strip: Strip::parse("S??").unwrap(), name: String::new() };
        t.add(Key::begins(dir, b""), script, &Place::whole("f")).unwrap();
        t.add(Key::begins(dir, b"umount"), Value::except(), &Place::whole("f")).unwrap();
        let named = Value { kind: Kind::Program, uid: 5, strip: Strip::default(), name: "my".into() };
        t.add(Key::file(dir, b"x"), named, &Place::whole("f")).unwrap();
        t.typed("/etc/init.d".as_ref(), dir);
        let t = table(&t);
        let lens: Vec<u32> = t.files.iter().map(|f| f.0.prefix_len).collect();
        assert_eq!(lens, [160, 160 + 48, 160 + 512]);
        assert_eq!(t.files[0].1.strip.to_le_bytes(), *b"S??\0\0\0\0\0");
        assert_eq!(
            (t.files[2].1.name[0], t.files[2].1.uid, t.other_users),
            (u64::from_le_bytes(*b"my\0\0\0\0\0\0"), 5, true)
        );
        assert_eq!((t.paths[0].0.prefix_len, t.paths[0].1.len), (32 + 8 * 12, 12));
    }
}

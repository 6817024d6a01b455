//! The table that the programs look executed files up in: by directory and file name. An entry for a whole name comes before one for
//! how names begin, and that before one for all of a directory.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::PathBuf;

use super::pattern::{NAME_BYTES, Strip};
use super::place::{Place, Wrong};

/// Bytes of a directory's path that is looked up as it was typed, at most.
pub const PATH_BYTES: usize = 128;
/// Directories that a table may be about.
pub const MOST_DIRECTORIES: usize = 64;
/// Entries that a table may have.
pub const MOST_FILES: usize = 512;

/// A directory as the kernel knows it: device of its file system (`s_dev`, encoded as the kernel has it) and inode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DirKey {
    /// Device.
    pub dev: u64,
    /// Inode.
    pub ino: u64,
}

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A script: each exec is an instance.
    Script,
    /// A program.
    Program,
    /// A program that is given the script: its first argument names the service.
    Argument,
    /// `run` in a service directory: the directory's name is the service's. Its key is of the directory above that.
    Run,
    /// A shell: the script that it is given counts as executed.
    Shell,
    /// No service.
    Except,
}

/// What is looked up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The directory.
    pub dir: DirKey,
    /// The file's name, or how it begins.
    pub start: Vec<u8>,
    /// It is the whole name.
    pub whole: bool,
}

impl Key {
    /// One file of a directory.
    pub fn file(dir: DirKey, name: &[u8]) -> Self {
        Self { dir, start: name.to_vec(), whole: true }
    }

    /// All files of a directory that begin so.
    pub fn begins(dir: DirKey, start: &[u8]) -> Self {
        Self { dir, start: start.to_vec(), whole: false }
    }

    /// Bytes of the name that have to be equal: a whole name ends with a NUL.
    pub fn len(&self) -> usize {
        self.start.len() + usize::from(self.whole)
    }
}

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Which kind of file it is.
    pub kind: Kind,
    /// The user whose execs count.
    pub uid: u32,
    /// What is cut off the file name.
    pub strip: Strip,
    /// The service; empty: what is left of the file name.
    pub name: String,
}

impl Value {
    /// No service.
    pub fn except() -> Self {
        Self { kind: Kind::Except, uid: 0, strip: Strip::default(), name: String::new() }
    }

    /// The service that a file of this name is; `None`: none.
    pub fn name_of(&self, file: &[u8]) -> Option<String> {
        if matches!(self.kind, Kind::Except | Kind::Shell) {
            return None;
        }
        if !self.name.is_empty() {
            return Some(self.name.clone());
        }
        let rest = std::str::from_utf8(self.strip.cut(file)?).ok()?;
        // A name with a blank in it is none that a file gives (`killer-ebpf/src/rules/find.rs:valid`).
        crate::ask::name::parse_new(rest).ok().filter(|n| n == rest && !rest.contains(' '))
    }
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What is looked up.
    pub key: Key,
    /// What it says.
    pub value: Value,
    /// The rule that it comes from.
    pub at: Place,
}

/// A directory as it may be typed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alias {
    /// Its path.
    pub path: PathBuf,
    /// Which one it is.
    pub dir: DirKey,
}

/// All entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    entries: BTreeMap<Key, (Value, Place)>,
    aliases: BTreeSet<Alias>,
}

impl Table {
    /// Adds an entry. One that says the same already stays as it is.
    ///
    /// # Errors
    /// One that is there already says something else.
    pub fn add(&mut self, key: Key, value: Value, at: &Place) -> Result<(), Wrong> {
        debug_assert!(key.len() <= NAME_BYTES);
        match self.entries.get(&key) {
            None => drop(self.entries.insert(key, (value, at.clone()))),
            Some((old, _)) if *old == value => {}
            Some((_, first)) => {
                let what = match (&key.whole, key.start.is_empty()) {
                    (_, true) => "the directory".into(),
                    (true, _) => format!("the file '{}'", String::from_utf8_lossy(&key.start)),
                    _ => format!("'{}*'", String::from_utf8_lossy(&key.start)),
                };
                return Err(Wrong::new(at, format!("{what} is another service's at {}", first.line())));
            }
        }
        Ok(())
    }

    /// Adds a path by which a directory may be typed; a longer one than the programs look at is left out.
    pub fn typed(&mut self, path: &std::path::Path, dir: DirKey) {
        if path.as_os_str().len() < PATH_BYTES {
            self.aliases.insert(Alias { path: path.to_owned(), dir });
        }
    }

    /// What is too much.
    pub fn too_much(&self) -> Option<String> {
        let dirs: BTreeSet<DirKey> = self.entries.keys().map(|k| k.dir).collect();
        if dirs.len() > MOST_DIRECTORIES {
            return Some(format!(
                "the rules are about {} directories, at most {MOST_DIRECTORIES} are possible",
                dirs.len()
            ));
        }
        if self.entries.len() > MOST_FILES {
            return Some(format!(
                "the rules make {} entries, at most {MOST_FILES} are possible",
                self.entries.len()
            ));
        }
        if self.aliases.len() > 2 * MOST_DIRECTORIES {
            return Some(format!(
                "the directories have {} paths, at most {} are possible",
                self.aliases.len(),
                2 * MOST_DIRECTORIES
            ));
        }
        None
    }

    /// Every entry.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        let of = |(key, (value, at)): (&Key, &(Value, Place))| Entry {
            key: key.clone(),
            value: value.clone(),
            at: at.clone(),
        };
        self.entries.iter().map(of)
    }

    /// True when nothing can match.
    pub fn is_empty(&self) -> bool {
        self.entries.values().all(|(value, _)| value.kind == Kind::Except)
    }

    /// Every path by which a directory may be typed.
    pub fn aliases(&self) -> impl Iterator<Item = &Alias> {
        self.aliases.iter()
    }

    /// The entry for a file: the one with the longest key that fits, as the kernel's trie finds it.
    pub fn find(&self, dir: DirKey, file: &[u8]) -> Option<Entry> {
        if file.len() >= NAME_BYTES {
            return None;
        }
        let whole = Key::file(dir, file);
        let begins = (0..=file.len()).rev().map(|n| Key::begins(dir, &file[..n]));
        std::iter::once(whole).chain(begins).find_map(|key| {
            let (value, at) = self.entries.get(&key)?.clone();
            Some(Entry { key, value, at })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DIR: DirKey = DirKey { dev: 1, ino: 2 };

    fn script(name: &str) -> Value {
        Value { kind: Kind::Script, uid: 0, strip: Strip::default(), name: name.into() }
    }

    #[test]
    fn the_longest_fits() {
        let (mut t, at) = (Table::default(), Place::whole("a"));
        t.add(Key::begins(DIR, b""), script(""), &at).unwrap();
        t.add(Key::begins(DIR, b"umount"), Value::except(), &at).unwrap();
        t.add(Key::file(DIR, b"umountx"), script("x"), &at).unwrap();
        let name = |f: &str| t.find(DIR, f.as_bytes()).and_then(|e| e.value.name_of(f.as_bytes()));
        assert_eq!(name("cron").as_deref(), Some("cron"));
        assert_eq!((name("umountfs"), name("-x"), name("a*")), (None, None, None));
        assert_eq!(name("umountx").as_deref(), Some("x"));
        assert_eq!(name(&"x".repeat(63)).as_deref(), Some(&*"x".repeat(63)));
        assert_eq!(name(&"x".repeat(64)), None);
        assert_eq!(t.find(DirKey::default(), b"cron"), None);
    }

    #[test]
    fn two_that_differ_are_told() {
        let (mut t, a, b) =
            (Table::default(), Place { file: "a".into(), line: 3, column: 1 }, Place::whole("b"));
        t.add(Key::file(DIR, b"x"), script("one"), &a).unwrap();
        t.add(Key::file(DIR, b"x"), script("one"), &b).unwrap();
        let e = t.add(Key::file(DIR, b"x"), script("two"), &b).unwrap_err();
        assert_eq!(e.to_string(), "b: the file 'x' is another service's at a:3");
        assert_eq!(t.entries().count(), 1);
    }

    #[test]
    fn as_much_as_fits() {
        let (mut t, at) = (Table::default(), Place::whole("a"));
        for i in 0..64 {
            t.add(Key::begins(DirKey { dev: 1, ino: i }, b""), script(""), &at).unwrap();
        }
        assert_eq!(t.too_much(), None);
        t.add(Key::begins(DirKey { dev: 2, ino: 0 }, b""), script(""), &at).unwrap();
        assert!(t.too_much().unwrap().contains("65 directories"));
    }

    proptest! {
        /// As a trie of bits would find it: no other entry that fits has a longer key.
        #[test]
        fn found_is_the_longest(keys in prop::collection::btree_set(("[ab]{0,3}", any::<bool>()), 0..8), file in "[ab]{1,4}") {
            let (mut t, at) = (Table::default(), Place::whole("a"));
            for (start, whole) in &keys {
                let key = Key { dir: DIR, start: start.clone().into_bytes(), whole: *whole };
                t.add(key, script(""), &at).unwrap();
            }
            let fits = |(start, whole): &&(String, bool)| if *whole { *start == file } else { file.starts_with(start) };
            let best = keys.iter().filter(fits).map(|(s, w)| s.len() + usize::from(*w)).max();
            prop_assert_eq!(t.find(DIR, file.as_bytes()).map(|e| e.key.len()), best);
        }
    }
}

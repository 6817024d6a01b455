//! The rule files: which there are, whose, and what stands in them.

use std::collections::BTreeMap;
use std::path::Path;

use super::place::{ADMIN, PACKAGES};
use crate::lookup::trusted::{Refused, Top, Trusted};
use crate::rules::{BUILT_IN, Place, Rule, Wrong, built_in, check, read as parse};

/// Rule files of one directory.
const MOST_FILES: usize = 256;
/// Bytes of one file.
const MOST_BYTES: usize = 64 << 10;
/// How often a directory is read that changes meanwhile.
const TRIES: u32 = 3;

/// Where a rule file comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Built in.
    BuiltIn,
    /// A package.
    Package,
    /// The administrator.
    Admin,
}

impl Origin {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::BuiltIn => "built-in",
            Self::Package => "package",
            Self::Admin => "admin",
        }
    }
}

/// A rule file that counts.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name in its directory.
    pub name: String,
    /// Whose it is.
    pub origin: Origin,
    /// Its path, for people.
    pub shown: String,
    /// What it takes the place of.
    pub replaces: Option<Origin>,
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// A file of the administrator's as it would be.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its text; `None`: it is not there.
    pub text: Option<&'a str>,
}

/// A file's text, or why it cannot be had.
type Text = Result<String, String>;

/// Reads every rule file, sorted by name, with the change made.
///
/// # Errors
/// Everything that is wrong in all of them.
pub fn read(top: &Top, change: Option<Change<'_>>) -> Result<Vec<Source>, Vec<Wrong>> {
    let mut wrong = Vec::new();
    let mut files: BTreeMap<String, (Origin, Option<Origin>, Text)> = BTreeMap::new();
    let mut put = |name: String, origin, text| {
        let before = files.get(&name).map(|f| f.0);
        files.insert(name, (origin, before, text));
    };
    put(BUILT_IN.into(), Origin::BuiltIn, Ok(defaults(top)));
    for (dir, origin) in [(PACKAGES, Origin::Package), (ADMIN, Origin::Admin)] {
        match directory(top, dir) {
            Ok(all) => all.into_iter().for_each(|(name, text)| {
                if origin != Origin::Admin || change.is_none_or(|c| c.name != name) {
                    put(name, origin, text);
                }
            }),
            Err(why) => wrong.push(Wrong::new(&Place::whole(dir), why.to_string())),
        }
    }
    if let Some(Change { name, text: Some(text) }) = change {
        put(name.into(), Origin::Admin, Ok(text.into()));
    }
    let mut sources = Vec::new();
    for (name, (origin, replaces, text)) in files {
        let shown = match origin {
            Origin::BuiltIn => format!("built-in/{name}"),
            Origin::Package => top.shown(&Path::new(PACKAGES).join(&name)).display().to_string(),
            Origin::Admin => top.shown(&Path::new(ADMIN).join(&name)).display().to_string(),
        };
        let rules =
            text.map_err(|why| vec![Wrong::new(&Place::whole(&shown), why)]).and_then(|t| parse(&shown, &t));
        match rules {
            Ok(rules) => sources.push(Source { name, origin, shown, replaces, rules }),
            Err(mut w) => wrong.append(&mut w),
        }
    }
    let all: Vec<Rule> = sources.iter().flat_map(|s| s.rules.iter().cloned()).collect();
    wrong.extend(check(&all));
    if wrong.is_empty() { Ok(sources) } else { Err(wrong) }
}

/// The built-in rules for what is there.
pub fn defaults(top: &Top) -> String {
    let systemd = top.walk(Path::new("/run/systemd/system")).is_ok_and(|d| d.name.is_none());
    // A link to a directory is another way to type it.
    let is = |path: &str| top.walk(Path::new(path)).is_ok();
    built_in(systemd, is)
}

/// True for the name of a rule file.
pub fn is_rule_file(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '-' | '@');
    name.len() > ".toml".len()
        && name.len() <= 128
        && name.ends_with(".toml")
        && !name.starts_with('.')
        && name.chars().all(plain)
}

/// The rule files of a directory, which need not be there.
fn directory(top: &Top, dir: &str) -> Result<Vec<(String, Text)>, Refused> {
    let mut tries = 0;
    loop {
        tries += 1;
        match once(top, Path::new(dir)) {
            Err(Refused::Changes(_)) if tries < TRIES => {}
            Err(Refused::Missing(_)) => return Ok(Vec::new()),
            r => return r,
        }
    }
}

fn once(top: &Top, dir: &Path) -> Result<Vec<(String, Text)>, Refused> {
    let mut all = Vec::new();
    for name in top.walk(dir)?.names(MOST_FILES)? {
        let Some(name) =
            name.to_str().filter(|n| n.ends_with(".toml") && !n.starts_with('.')).map(String::from)
        else {
            continue;
        };
        let text = match is_rule_file(&name) {
            true => text(top.walk(&dir.join(&name))),
            false => Err("the name of a rule file has letters, digits, and . _ + - @ only".into()),
        };
        all.push((name, text));
    }
    Ok(all)
}

/// The text of a file. A link to `/dev/null` is an empty one.
pub fn text(file: Result<Trusted, Refused>) -> Text {
    let file = file.map_err(|e| e.to_string())?;
    if file.is_null() {
        return Ok(String::new());
    }
    file.root_s().map_err(|e| e.to_string())?;
    let bytes = file.text(MOST_BYTES).map_err(|e| e.to_string())?;
    String::from_utf8(bytes)
        .map_err(|e| format!("it is no text: byte {} is not UTF-8", e.utf8_error().valid_up_to()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rule_files() {
        assert!(["a.toml", "00-defaults.toml", "x@1.toml"].iter().all(|n| is_rule_file(n)));
        assert!(![".toml", ".a.toml", "a", "a b.toml", "a/b.toml", "é.toml"].iter().any(|n| is_rule_file(n)));
    }
}

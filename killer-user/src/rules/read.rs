//! The text of a rule file → rules, or everything that is wrong with it.

use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::fields::{Fields, Reader, path};
use super::pattern::{Except, Strip};
use super::place::{Place, Spot, Wrong};
use super::rule::{Program, Rule, What};
use super::verdict::is_shell;
use crate::ask::name;

/// The fields of which a rule has exactly one.
const KINDS: [&str; 5] = ["scripts", "argument", "run", "program", "shell"];

/// The other fields, with the kinds that they go with.
const OTHERS: [(&str, &[&str]); 7] = [
    ("user", &KINDS),
    ("strip", &["scripts"]),
    ("except", &["scripts"]),
    ("name", &["program"]),
    ("aliases", &["program"]),
    ("pidfile", &["program"]),
    ("stop", &["program"]),
];

/// Reads the text of a rule file. A file without a rule is no error: it switches off the file whose place it takes.
///
/// # Errors
/// Everything that is wrong, in the order of the text.
pub fn read(file: &str, text: &str) -> Result<Vec<Rule>, Vec<Wrong>> {
    let mut r = Reader { file: Arc::from(file), text, wrong: Vec::new() };
    let (table, errors) = DeTable::parse_recoverable(text);
    for e in &errors {
        let at = r.place(e.span().map_or(0, |s| s.start));
        r.wrong(&at, format!("this is no TOML: {}", e.message()));
    }
    // What follows a mistake in the form may be no more than its echo.
    let rules = if errors.is_empty() { rules(&mut r, table.get_ref()) } else { Vec::new() };
    if r.wrong.is_empty() {
        return Ok(rules);
    }
    r.wrong.sort();
    r.wrong.dedup();
    Err(r.wrong)
}

fn rules(r: &mut Reader<'_>, top: &DeTable<'_>) -> Vec<Rule> {
    let mut rules = Vec::new();
    for (key, value) in top {
        let at = r.place(key.span().start);
        match (&**key.get_ref(), value.get_ref()) {
            ("rule", DeValue::Array(all)) => rules = each(r, all),
            ("rule", DeValue::Table(_)) => r.wrong(&at, "a rule begins with [[rule]], in two brackets"),
            ("rule", _) => r.wrong(&at, "a rule begins with [[rule]], and its fields follow"),
            (word, DeValue::Table(_) | DeValue::Array(_)) => {
                r.wrong(&at, format!("'{}' is unknown: there is only [[rule]]", word.escape_debug()));
            }
            (word, _) => {
                let word = word.escape_debug();
                r.wrong(&at, format!("'{word}' stands before the first [[rule]], or is none of its fields"));
            }
        }
    }
    rules
}

fn each(r: &mut Reader<'_>, all: &DeArray<'_>) -> Vec<Rule> {
    all.iter().filter_map(|one| rule(r, one)).collect()
}

fn rule(r: &mut Reader<'_>, one: &Spanned<DeValue<'_>>) -> Option<Rule> {
    let at = r.place(one.span().start);
    let DeValue::Table(table) = one.get_ref() else {
        r.wrong(&at, "a rule is a table: [[rule]], and its fields follow");
        return None;
    };
    let f = Fields { at, table };
    let kind = kind(r, &f);
    known(r, &f, kind);
    let user = f.string(r, "user");
    if let Some(u) = user.as_ref().filter(|u| u.value.is_empty()) {
        r.wrong(&u.at, "the user is empty");
    }
    let what = what(r, &f, kind?)?;
    Some(Rule { at: f.at, what, user })
}

/// The one field that says what the rule is about.
fn kind(r: &mut Reader<'_>, f: &Fields<'_, '_>) -> Option<&'static str> {
    let have: Vec<&'static str> = KINDS.into_iter().filter(|k| f.get(k).is_some()).collect();
    match have[..] {
        [one] => Some(one),
        // What is misspelt is told as that.
        [] if f.table.keys().any(|k| !is_field(k.get_ref())) => None,
        [] => {
            r.wrong(
                &f.at,
                "the rule says no file: it needs one of 'scripts', 'argument', 'run', 'program', 'shell'",
            );
            None
        }
        _ => {
            let starts = have.iter().filter_map(|k| Some(f.get(k)?.span().start));
            let at = starts.max().map_or_else(|| f.at.clone(), |byte| r.place(byte));
            let have = have.iter().map(|k| format!("'{k}'")).collect::<Vec<_>>().join(" and ");
            r.wrong(
                &at,
                format!(
                    "a rule has one of 'scripts', 'argument', 'run', 'program', 'shell', not {have}: make two"
                ),
            );
            None
        }
    }
}

fn is_field(word: &str) -> bool {
    KINDS.contains(&word) || OTHERS.iter().any(|o| o.0 == word)
}

/// Notes every field that there is not, or that does not go with this kind.
fn known(r: &mut Reader<'_>, f: &Fields<'_, '_>, kind: Option<&str>) {
    for key in f.table.keys() {
        let at = r.place(key.span().start);
        let word = &**key.get_ref();
        if KINDS.contains(&word) {
            continue;
        }
        match (OTHERS.iter().find(|o| o.0 == word), kind) {
            (None, _) => {
                let all = KINDS.into_iter().chain(OTHERS.iter().map(|o| o.0));
                let near = name::suggest(word, all).map(|n| format!(": did you mean '{n}'?"));
                let word = word.escape_debug();
                r.wrong(&at, format!("a rule has no field '{word}'{}", near.unwrap_or_default()));
            }
            (Some((_, with)), Some(k)) if !with.contains(&k) => {
                r.wrong(&at, format!("'{word}' goes with '{}', not with '{k}'", with[0]));
            }
            _ => {}
        }
    }
}

fn what(r: &mut Reader<'_>, f: &Fields<'_, '_>, kind: &str) -> Option<What> {
    let paths = f.paths(r, kind)?;
    Some(match kind {
        "scripts" => What::Scripts { dirs: paths, strip: strip(r, f), except: except(r, f) },
        "argument" => {
            for p in &paths {
                if is_shell(p.value.file_name().unwrap_or_default().as_bytes()) {
                    r.wrong(
                        &p.at,
                        "whatever a shell is given would be a service: give the directory with 'scripts', and this with 'shell'",
                    );
                }
            }
            What::Argument { programs: paths }
        }
        "run" => What::Run { dirs: paths },
        "shell" => What::Shell { programs: paths },
        _ => What::Program(program(r, f, paths)),
    })
}

fn strip(r: &mut Reader<'_>, f: &Fields<'_, '_>) -> Strip {
    let s = f.string(r, "strip").and_then(|s| r.good(&s.at, Strip::parse(&s.value)));
    s.unwrap_or_default()
}

fn except(r: &mut Reader<'_>, f: &Fields<'_, '_>) -> Vec<Spot<Except>> {
    let mut all: Vec<Spot<Except>> = Vec::new();
    for s in f.strings(r, "except").unwrap_or_default() {
        let Some(value) = r.good(&s.at, Except::parse(&s.value)) else { continue };
        if all.iter().any(|e| e.value == value) {
            r.wrong(&s.at, format!("the exception '{}' stands here twice", s.value));
        }
        all.push(Spot { at: s.at, value });
    }
    all
}

fn program(r: &mut Reader<'_>, f: &Fields<'_, '_>, files: Vec<Spot<std::path::PathBuf>>) -> Program {
    let name = f.name(r, "name");
    if f.get("name").is_none() {
        for p in &files {
            let file = p.value.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if let Err(why) = name::parse_new(file) {
                r.wrong(&p.at, format!("{why}: give the service a name with 'name'"));
            }
        }
    }
    let mut aliases: Vec<Spot<String>> = Vec::new();
    for s in f.strings(r, "aliases").unwrap_or_default() {
        let Some(value) = r.good(&s.at, name::parse_new(&s.value)) else { continue };
        if aliases.iter().any(|a| a.value == value) || name.as_ref().is_some_and(|n| n.value == value) {
            r.wrong(&s.at, format!("the name '{value}' stands here twice"));
        }
        aliases.push(Spot { at: s.at, value });
    }
    let pidfile = f.string(r, "pidfile").and_then(|s| r.good(&s.at, path(&s.value)));
    let stop = stop(r, f);
    let one = f.get("aliases").or(f.get("pidfile")).or(f.get("stop"));
    if let Some(v) = one.filter(|_| f.get("name").is_none() && files.len() > 1) {
        let at: Place = r.place(v.span().start);
        r.wrong(&at, "this is of one service, and the rule makes several: give them one 'name', or make a rule of each");
    }
    Program { files, name, aliases, pidfile, stop }
}

/// What only a shell would understand.
const SHELL: [char; 17] =
    ['\'', '"', '\\', '$', '`', ';', '|', '&', '<', '>', '(', ')', '*', '?', '[', '~', '#'];

/// A command: one string of words with blanks between them, or a list of words.
fn stop(r: &mut Reader<'_>, f: &Fields<'_, '_>) -> Vec<String> {
    let is_list = f.get("stop").is_some_and(|v| v.get_ref().is_array());
    let Some(words) = f.strings(r, "stop") else { return Vec::new() };
    let Some(first) = words.first() else { return Vec::new() };
    let at = first.at.clone();
    let command: Vec<String> = match is_list {
        true => words.iter().map(|w| w.value.clone()).collect(),
        false => first.value.split_ascii_whitespace().map(String::from).collect(),
    };
    if let Some(c) = first.value.chars().find(|c| !is_list && SHELL.contains(c)) {
        r.wrong(&at, format!("'stop' has a '{c}', and no shell reads it: give a list of words instead"));
    }
    if command.iter().any(|w| w.contains('\0')) {
        r.wrong(&at, "'stop' has a NUL in it");
    }
    match command.first() {
        None => r.wrong(&at, "'stop' has no command in it"),
        Some(program) => {
            drop(r.good(&at, path(program).map_err(|why| format!("'stop' begins with a program: {why}"))))
        }
    }
    command
}

#[cfg(test)]
mod tests;

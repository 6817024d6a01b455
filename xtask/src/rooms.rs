//! The rooms of killer-user and which may know which: dependencies point one way, only bpf/ knows aya, only sys/ is
//! unsafe, nobody above tier/ knows which tier keeps the sets.

use std::path::{Path, PathBuf};

use anyhow::Result;

/// Lower rooms first; a room may name itself and those before it. Rooms of one row may name each other.
const ROWS: [&[&str]; 19] = [
    &["ending"],
    &["sys", "ask"],
    &["kernel"],
    &["rules"],
    &["keep"],
    &["bpf"],
    &["tier"],
    &["lineage", "lookup"],
    &["kill"],
    &["selftest"],
    &["boot"],
    &["report"],
    &["ledger"],
    &["capture"],
    &["host"],
    &["api", "cli"],
    &["top"],
    &["verbs"],
    &["program"],
];

/// A word that only the room `sys` may say.
const UNSAFE: &str = "unsafe";

/// Names of tiers, which no room above bpf/ may ask for; as a type or as a word in quotes.
const TIERS: [&str; 7] =
    ["Tier", "\"witnessed\"", "\"typed\"", "\"raw\"", "\"legacy\"", "\"named\"", "\"scan\""];

/// Every line that breaks a rule, as `file:line: what`.
pub fn check(source: &Path) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for file in rust_files(source)? {
        let path = file.strip_prefix(source)?.to_owned();
        let room = path.components().next().and_then(|c| c.as_os_str().to_str()).unwrap_or_default();
        let room = room.trim_end_matches(".rs");
        if rank(room).is_none() {
            continue;
        }
        for (n, line) in std::fs::read_to_string(&file)?.lines().enumerate() {
            let complaints = complaints(room, line);
            wrong.extend(complaints.into_iter().map(|c| format!("{}:{}: {c}", path.display(), n + 1)));
        }
    }
    Ok(wrong)
}

fn rust_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            found.append(&mut rust_files(&path)?);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn rank(room: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&room))
}

fn complaints(room: &str, line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or_default();
    let mut found = Vec::new();
    for part in code.split("crate::").skip(1) {
        // `use crate::{bpf, kill}` and `crate::bpf::Tracker` alike.
        let part =
            part.strip_prefix('{').map_or_else(|| first_word(part).into(), |list| list.replace('}', ""));
        for other in part.split(',').map(|p| first_word(p.trim())) {
            if rank(other) > rank(room) {
                found.push(format!("{room}/ must not know {other}/"));
            } else if ["tier", "host"].contains(&other) && room == "cli" {
                found.push(format!("cli/ must not know {other}/"));
            } else if other == "bpf" && rank(room) > rank("tier") {
                found.push(format!("{room}/ must not know bpf/, only what tier/ shows of it"));
            }
        }
    }
    let words = |w: &str| code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|x| x == w);
    if room != "bpf" && ["aya", "aya_obj", "aya_log"].iter().any(|w| words(w)) {
        found.push("only bpf/ names aya".into());
    }
    if room != "top" && words("ratatui_core") {
        found.push("only top/ names ratatui".into());
    }
    if room != "sys" && words(UNSAFE) {
        found.push("unsafe belongs into sys/".into());
    }
    if room != "cli" && room != "verbs" && words("clap") {
        found.push("only cli/ and verbs/ know clap".into());
    }
    let prints = ["print", "println", "eprint", "eprintln", "stdout", "stderr"].iter().any(|w| words(w));
    if room == "host" && prints {
        found.push("host/ prints nothing: it tells a Tell".into());
    }
    if room == "kill" && TIERS.iter().any(|t| if t.starts_with('"') { code.contains(t) } else { words(t) }) {
        found.push("kill/ must not know on which tier it runs".into());
    }
    found
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{UNSAFE, complaints};

    #[test]
    fn one_way_only() {
        assert!(complaints("kill", "use crate::lineage::{Family, Pick};").is_empty());
        assert!(complaints("lineage", "use crate::lookup::Root;").is_empty());
        assert_eq!(complaints("sys", "use crate::{bpf, kill};").len(), 2);
        assert_eq!(complaints("cli", "fn f(t: &crate::bpf::Tracker) {}").len(), 1);
        assert_eq!(complaints("verbs", "use crate::bpf::Tracker;").len(), 1);
        assert!(complaints("verbs", "use crate::tier::Tracker;").is_empty());
    }

    #[test]
    fn some_words_have_their_place() {
        assert!(complaints("sys", &format!("{UNSAFE} {{ f() }} // aya")).is_empty());
        assert_eq!(complaints("verbs", &format!("{UNSAFE} {{ f() }}")).len(), 1);
        assert_eq!(complaints("host", "eprintln!();").len(), 1);
        assert_eq!(complaints("host", "use clap::Args;").len(), 1);
        assert_eq!(complaints("kill", "if tier == Tier::Raw { aya::f() }").len(), 2);
    }
}

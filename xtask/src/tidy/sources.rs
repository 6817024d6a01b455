//! The texts of the checkout that are checked.

use std::path::Path;

use anyhow::{Context, Result};

/// Where they lie; what else the checkout holds is made from them.
const PLACES: [&str; 8] =
    ["docs", "killer-common", "killer-ebpf", "killer-user", "models", "packaging", "tests", "xtask"];
/// Whose texts are read.
const KINDS: [&str; 5] = ["rs", "md", "toml", "jsonl", "svg"];

/// Paths relative to the checkout with their texts, sorted.
#[derive(Debug, Default)]
pub struct Sources {
    files: Vec<(String, String)>,
}

impl Sources {
    /// Reads the checkout at `root`.
    pub fn read(root: &Path) -> Result<Sources> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(root)? {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            if PLACES.contains(&&*name) || root.join(&*name).is_file() {
                walk(root, &name, &mut files)?;
            }
        }
        files.sort();
        Ok(Sources { files })
    }

    /// These texts, for tests.
    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Sources {
        Sources { files: files.iter().map(|(p, t)| ((*p).into(), (*t).into())).collect() }
    }

    /// All, as (path, text).
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(p, t)| (&**p, &**t))
    }

    /// Rust's, as (path, text).
    pub fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.all().filter(|(p, _)| p.ends_with(".rs"))
    }

    /// The text of one.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.all().find(|(p, _)| *p == path).map(|(_, t)| t)
    }
}

fn walk(root: &Path, path: &str, files: &mut Vec<(String, String)>) -> Result<()> {
    let full = root.join(path);
    if full.is_dir() {
        for entry in std::fs::read_dir(&full)? {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            // A crate's own target/ lies beside its manifest.
            let made = name == "target" && full.join("Cargo.toml").exists();
            if !made && !name.starts_with('.') {
                walk(root, &format!("{path}/{name}"), files)?;
            }
        }
    } else if full.extension().and_then(|e| e.to_str()).is_some_and(|e| KINDS.contains(&e)) {
        let text = std::fs::read_to_string(&full).with_context(|| path.to_owned())?;
        files.push((path.to_owned(), text));
    }
    Ok(())
}

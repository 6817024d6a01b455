//! The fields of one rule, with their places and what is wrong with them.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::place::{Place, Spot, Wrong};
use crate::ask::name;

/// A file while it is read: its name, its text, and all that is wrong.
pub(super) struct Reader<'t> {
    pub file: Arc<str>,
    pub text: &'t str,
    pub wrong: Vec<Wrong>,
}

impl Reader<'_> {
    pub fn place(&self, byte: usize) -> Place {
        Place::at(&self.file, self.text, byte)
    }

    /// Notes an error.
    pub fn wrong(&mut self, at: &Place, why: impl Into<String>) {
        self.wrong.push(Wrong::new(at, why));
    }

    /// The value, or the error noted.
    pub fn good<T>(&mut self, at: &Place, r: Result<T, String>) -> Option<T> {
        r.map_err(|why| self.wrong(at, why)).ok()
    }
}

/// What a value is, in words.
fn kind(v: &DeValue<'_>) -> &'static str {
    match v {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// The fields of one rule.
pub(super) struct Fields<'a, 'i> {
    pub at: Place,
    pub table: &'a DeTable<'i>,
}

impl<'a, 'i> Fields<'a, 'i> {
    /// The value of a field.
    pub fn get(&self, field: &str) -> Option<&'a Spanned<DeValue<'i>>> {
        self.table.get(field)
    }

    /// A string.
    pub fn string(&self, r: &mut Reader<'_>, field: &str) -> Option<Spot<String>> {
        let v = self.get(field)?;
        one(r, field, v, "a string")
    }

    /// A string, or a list of strings. `None`: there is no such field.
    pub fn strings(&self, r: &mut Reader<'_>, field: &str) -> Option<Vec<Spot<String>>> {
        let v = self.get(field)?;
        let DeValue::Array(list) = v.get_ref() else {
            return Some(one(r, field, v, "a string or a list of strings").into_iter().collect());
        };
        if list.is_empty() {
            let at = r.place(v.span().start);
            r.wrong(&at, format!("'{field}' is an empty list"));
        }
        let each = list.iter();
        Some(each.filter_map(|v| one(r, field, v, "a list of strings, and of nothing else")).collect())
    }

    /// Paths. `None`: there is no such field.
    pub fn paths(&self, r: &mut Reader<'_>, field: &str) -> Option<Vec<Spot<PathBuf>>> {
        let words = self.strings(r, field)?;
        let mut paths: Vec<Spot<PathBuf>> = Vec::new();
        for w in words {
            let Some(value) = r.good(&w.at, path(&w.value)) else { continue };
            if paths.iter().any(|p| p.value == value) {
                r.wrong(&w.at, format!("'{}' stands here twice", value.display()));
            }
            paths.push(Spot { at: w.at, value });
        }
        Some(paths)
    }

    /// The name of a service.
    pub fn name(&self, r: &mut Reader<'_>, field: &str) -> Option<Spot<String>> {
        let s = self.string(r, field)?;
        let value = r.good(&s.at, name::parse_new(&s.value))?;
        Some(Spot { at: s.at, value })
    }
}

fn one(r: &mut Reader<'_>, field: &str, v: &Spanned<DeValue<'_>>, wanted: &str) -> Option<Spot<String>> {
    let at = r.place(v.span().start);
    match v.get_ref() {
        DeValue::String(s) => Some(Spot { at, value: s.to_string() }),
        other => {
            r.wrong(&at, format!("'{field}' is {wanted}, not {}", kind(other)));
            None
        }
    }
}

/// An absolute path in its plain form; the error is text.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.chars().any(char::is_control) {
        return Err(format!("the path '{}' has control characters", text.escape_debug()));
    }
    let p = Path::new(text);
    if !p.is_absolute() {
        return Err(format!("'{text}' is no absolute path"));
    }
    if p.components().any(|c| c == Component::ParentDir) {
        return Err(format!("the path '{text}' goes up again with '..'"));
    }
    if text.len() >= libc::PATH_MAX as usize {
        return Err("the path is longer than the kernel takes".into());
    }
    if p.parent().is_none() {
        return Err("'/' names no service".into());
    }
    // As it is without doubled slashes, dots and a slash at the end.
    Ok(p.components().collect())
}

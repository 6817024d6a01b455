//! `--name value` pairs.

use std::collections::HashMap;

/// What was asked for.
#[derive(Debug, Default)]
pub struct Options(HashMap<String, String>);

impl Options {
    /// Reads pairs.
    pub fn parse(args: &[String]) -> Result<Options, String> {
        let mut found = HashMap::new();
        for pair in args.chunks(2) {
            match pair {
                [name, value] if name.starts_with("--") => {
                    found.insert(name[2..].to_owned(), value.clone());
                }
                _ => return Err(format!("'{}' is no pair of --name and value", pair.join(" "))),
            }
        }
        Ok(Options(found))
    }

    /// A number, or what it is without.
    pub fn number(&self, name: &str, or: u64) -> Result<u64, String> {
        self.0.get(name).map_or(Ok(or), |v| v.parse().map_err(|_| format!("--{name} {v}: not a number")))
    }

    /// A text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

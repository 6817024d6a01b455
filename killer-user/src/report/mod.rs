//! What is told: models with a published schema, and one renderer a format.

pub mod escape;
pub mod events;
pub mod graph;
pub mod human;
pub mod ktap;
pub mod message;
pub mod metrics;
pub mod model;
mod nest;
#[cfg(test)]
mod samples;
mod svg;

pub use svg::svg;

use serde::Serialize;

/// How to render for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// ANSI colours.
    pub color: bool,
    /// Line drawing characters.
    pub utf8: bool,
}

/// JSON, in one line or indented, with a newline; nothing in it that a terminal would obey.
pub fn json<T: Serialize>(value: &T, pretty: bool) -> String {
    let text = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
    text.map(|t| escape::json(&t)).unwrap_or_else(|e| format!("{{\"error\":\"{e}\"}}")) + "\n"
}

#[cfg(feature = "schema")]
/// The JSON schema of everything that `-o json` prints.
pub fn schema() -> String {
    let s = schemars::schema_for!(model::Any);
    serde_json::to_string_pretty(&s).unwrap_or_default() + "\n"
}

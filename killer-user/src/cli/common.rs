//! What every form has: how it is shown.

use clap::ArgAction;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::ask::Word;

/// Output format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Short,
    /// One line of JSON.
    Json,
    /// JSON, indented.
    JsonPretty,
    /// Graphviz (tree, why).
    Dot,
    /// Mermaid (tree, why).
    Mermaid,
    /// A picture (tree, why).
    Svg,
    /// The kernel's Test Anything Protocol (selftest).
    Ktap,
}

impl Output {
    /// The verbs that this format is for, when it is for some only.
    pub fn only_for(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Short | Self::Json | Self::JsonPretty => None,
            Self::Dot | Self::Mermaid | Self::Svg => Some(&["tree", "why"]),
            Self::Ktap => Some(&["selftest"]),
        }
    }
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

// No documentation comment: clap would take it for what the form is about.
#[derive(Clone, Debug, clap::Args)]
#[allow(missing_docs)]
pub struct Look {
    /// Output: short, json, json-pretty; of 'tree' and 'why' also dot, mermaid, svg
    #[arg(
        short,
        long,
        value_enum,
        value_name = "FORMAT",
        default_value = "short",
        hide_possible_values = true
    )]
    pub output: Output,
    /// Say more; -vvv shows the log of the eBPF programs
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,
    /// Print nothing
    #[arg(short, long)]
    pub quiet: bool,
    /// Colour: auto, always, never
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    pub color: Color,
}

/// What every request has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Common {
    /// Format of stdout.
    pub output: Output,
    /// `-v` counted; `-vvv` reads the programs' log.
    pub verbose: u8,
    /// Print nothing.
    pub quiet: bool,
    /// Colour.
    pub color: Color,
}

/// One of the words of a choice.
pub fn choice<T: Word>() -> impl TypedValueParser<Value = T> {
    let words = T::ALL.iter().map(|(_, w)| *w);
    PossibleValuesParser::new(words).map(|w| T::read(&w).unwrap_or(T::ALL[0].0))
}

impl From<Look> for Common {
    fn from(l: Look) -> Self {
        Self { output: l.output, verbose: l.verbose, quiet: l.quiet, color: l.color }
    }
}

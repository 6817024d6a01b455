//! Lines that scripts type, `-s SIG NAME…`, read without clap, which takes longer to set up than the rest of a start.
//!
//! It answers only when it knows every word exactly, and then as clap does (a property test compares them); mistakes, help and all
//! that is rare it leaves to clap.

use std::ffi::OsString;

use super::common::{Color, Look, Output};
use super::entry::{Entry, RESERVED};
use super::main_form::MainForm;
use super::options::{self, Put, Takes};
use super::receipt_options::ReceiptOptions;
use super::unstick_options::UnstickOptions;
use super::usage::Exit;
use super::words::is_signal;
use crate::ask::whom::Whom;
use crate::ask::{Newborns, name, signal, value};

/// `--version` alone.
pub fn version(args: &[OsString]) -> Option<Exit> {
    let asked = matches!(args, [one] if one == "--version" || one == "-V");
    asked.then(|| Exit::print(concat!("killer ", env!("CARGO_PKG_VERSION"), "\n").to_owned()))
}

/// What the words behind the program's name ask for; `None`: clap has to say.
pub fn read<A>(args: &[OsString], verbs: &[Entry<A>]) -> Option<MainForm> {
    let mut form = nothing_said();
    let mut words = args.iter().map(|w| w.to_str());
    while let Some(word) = words.next() {
        let word = word?;
        if word == "--" {
            for name in words.by_ref() {
                form.names.push(name::parse(name?).ok()?);
            }
        } else if !word.starts_with('-') {
            // `killer list` is a verb; `killer web list` has two names.
            if form.names.is_empty() && (RESERVED.contains(&word) || verbs.iter().any(|v| v.name == word)) {
                return None;
            }
            form.names.push(name::parse(word).ok()?);
        } else if let Some((put, value)) = option(&mut form, word)? {
            let value = match value {
                Some(attached) => attached,
                None => words.next()??,
            };
            put(&mut form, value)?;
        }
    }
    // `-q 5` is a value to other tools, and refused here.
    let refused = form.look.quiet && form.names.iter().any(|n| value::parse(n).is_ok());
    (!form.names.is_empty() && !refused && form.look.output.only_for().is_none()).then_some(form)
}

/// Puts an option without a value into the form; of one with a value: what does that, and the value where it is in the word.
fn option<'a>(form: &mut MainForm, word: &'a str) -> Option<Option<(Put, Option<&'a str>)>> {
    if word.starts_with("--") {
        let (name, attached) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        return match (options::long(name)?.takes, attached) {
            (Takes::Nothing(set), None) => {
                set(form);
                Some(None)
            }
            (Takes::Word(put), value) => Some(Some((put, value))),
            (Takes::Attached(usual, put), value) => Some(Some((put, value.or(Some(usual))))),
            _ => None,
        };
    }
    let letters = &word[1..];
    if is_signal(letters) {
        form.signal = signal::parse(letters).is_ok().then(|| letters.to_owned())?;
        return Some(None);
    }
    let first = letters.chars().next()?;
    let rest = &letters[first.len_utf8()..];
    match (options::short(first)?.takes, rest) {
        (Takes::Nothing(set), "") => {
            set(form);
            Some(None)
        }
        (Takes::Word(put), "") => Some(Some((put, None))),
        (Takes::Word(put), rest) => Some(Some((put, Some(rest)))),
        _ => None,
    }
}

/// The form of an empty line, as clap's defaults have it.
fn nothing_said() -> MainForm {
    MainForm {
        signal: "TERM".into(),
        whom: Whom::default(),
        value: None,
        wait: None,
        max: None,
        max_share: None,
        fail: false,
        dry_run: false,
        require_exact: false,
        include_self: false,
        zap: false,
        newborns: Newborns::default(),
        keep_going: false,
        unstick: UnstickOptions::default(),
        receipts: ReceiptOptions::default(),
        list: false,
        table: false,
        look: Look { output: Output::default(), verbose: 0, quiet: false, color: Color::default() },
        names: Vec::new(),
    }
}

//! The options of the main form in one table, for what reads words without clap: which word is a value of the one before (`words`),
//! and lines that need no clap at all (`plain`). A test compares the table with clap's.

use clap::ValueEnum;

use super::common::{Color, Output};
use super::main_form::MainForm;
use crate::ask::receipts::When;
use crate::ask::{Newborns, Word, fuse, signal, value, wait, whom};

/// Puts what was typed behind an option into the form; `None`: only clap has the words for what is wrong with it.
pub type Put = fn(&mut MainForm, &str) -> Option<()>;

/// What may stand behind an option.
#[derive(Clone, Copy)]
pub enum Takes {
    /// Nothing.
    Nothing(fn(&mut MainForm)),
    /// A word: the next one, or what follows `=`.
    Word(Put),
    /// What follows `=`; without it the given text is meant.
    Attached(&'static str, Put),
    /// Nothing, and it prints something instead of a kill: that is clap's.
    Prints,
}

/// One option.
pub struct Row {
    /// `--signal`, and its other names.
    pub long: &'static [&'static str],
    /// `-s`
    pub short: Option<char>,
    /// What may stand behind it.
    pub takes: Takes,
}

const fn row(long: &'static [&'static str], short: Option<char>, takes: Takes) -> Row {
    Row { long, short, takes }
}

/// Every option of the main form.
pub static OPTIONS: [Row; 26] = [
    row(
        &["--signal"],
        Some('s'),
        Takes::Word(|f, w| {
            f.signal = signal::parse(w).is_ok().then(|| w.to_owned())?;
            Some(())
        }),
    ),
    row(
        &["--whom", "--who", "--kill-who", "--kill-whom"],
        None,
        Takes::Word(|f, w| {
            f.whom = whom::parse(w).ok()?;
            Some(())
        }),
    ),
    row(
        &["--value", "--kill-value"],
        None,
        Takes::Word(|f, w| {
            f.value = Some(value::parse(w).ok()?);
            Some(())
        }),
    ),
    row(
        &["--wait"],
        None,
        Takes::Attached("infinity", |f, w| {
            f.wait = Some(wait::parse(w).ok()?);
            Some(())
        }),
    ),
    row(
        &["--max"],
        None,
        Takes::Word(|f, w| {
            f.max = Some(fuse::max(w).ok()?);
            Some(())
        }),
    ),
    row(
        &["--max-share"],
        None,
        Takes::Word(|f, w| {
            f.max_share = Some(fuse::share(w).ok()?);
            Some(())
        }),
    ),
    row(&["--fail"], None, Takes::Nothing(|f| f.fail = true)),
    row(&["--dry-run"], Some('n'), Takes::Nothing(|f| f.dry_run = true)),
    row(&["--require-exact"], None, Takes::Nothing(|f| f.require_exact = true)),
    row(&["--include-self"], None, Takes::Nothing(|f| f.include_self = true)),
    row(&["--zap"], None, Takes::Nothing(|f| f.zap = true)),
    row(
        &["--newborns"],
        None,
        Takes::Word(|f, w| {
            f.newborns = Newborns::read(w)?;
            Some(())
        }),
    ),
    row(&["--keep-going"], None, Takes::Nothing(|f| f.keep_going = true)),
    row(&["--unstick"], None, Takes::Nothing(|f| f.unstick.unstick = true)),
    row(&["--yes"], None, Takes::Nothing(|f| f.unstick.yes = true)),
    row(
        &["--receipt"],
        None,
        Takes::Word(|f, w| {
            f.receipts.receipt = When::read(w)?;
            Some(())
        }),
    ),
    row(&["--no-receipt"], None, Takes::Nothing(|f| f.receipts.no_receipt = true)),
    row(
        &["--sign-key"],
        None,
        Takes::Word(|f, w| {
            f.receipts.sign_key = Some(w).filter(|w| !w.is_empty() && !w.starts_with('-')).map(Into::into);
            f.receipts.sign_key.as_ref().map(drop)
        }),
    ),
    row(&["--list"], Some('l'), Takes::Prints),
    row(&["--table"], Some('L'), Takes::Prints),
    row(
        &["--output"],
        Some('o'),
        Takes::Word(|f, w| {
            f.look.output = Output::from_str(w, false).ok()?;
            Some(())
        }),
    ),
    row(&["--verbose"], Some('v'), Takes::Nothing(|f| f.look.verbose = f.look.verbose.saturating_add(1))),
    row(&["--quiet"], Some('q'), Takes::Nothing(|f| f.look.quiet = true)),
    row(
        &["--color"],
        None,
        Takes::Word(|f, w| {
            f.look.color = Color::from_str(w, false).ok()?;
            Some(())
        }),
    ),
    // What clap adds by itself.
    row(&["--help"], Some('h'), Takes::Prints),
    row(&["--version"], Some('V'), Takes::Prints),
];

/// The option of this long name, dashes included.
pub fn long(name: &str) -> Option<&'static Row> {
    OPTIONS.iter().find(|r| r.long.contains(&name))
}

/// The option of this letter.
pub fn short(letter: char) -> Option<&'static Row> {
    OPTIONS.iter().find(|r| r.short == Some(letter))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// An option as text: its names, its letter, and what may stand behind it.
    fn shown(names: impl Iterator<Item = String>, letter: Option<char>, takes: &str) -> String {
        let mut names: Vec<String> = names.collect();
        names.sort();
        format!("{} {letter:?} {takes}", names.join(" "))
    }

    #[test]
    fn the_table_has_what_clap_has() {
        let mut form = MainForm::command();
        form.build();
        let of_clap = form.get_arguments().filter(|a| !a.is_positional()).map(|a| {
            let takes = match (a.get_action().takes_values(), a.is_require_equals_set()) {
                (false, _) => "nothing",
                (true, false) => "a word",
                (true, true) => "attached",
            };
            let names = a.get_long_and_visible_aliases().unwrap_or_default();
            let hidden = a.get_all_aliases().unwrap_or_default();
            let mut names: Vec<String> = names.iter().chain(&hidden).map(|n| format!("--{n}")).collect();
            names.sort();
            names.dedup();
            shown(names.into_iter(), a.get_short(), takes)
        });
        let of_table = OPTIONS.iter().map(|r| {
            let takes = match r.takes {
                Takes::Nothing(_) | Takes::Prints => "nothing",
                Takes::Word(_) => "a word",
                Takes::Attached(..) => "attached",
            };
            shown(r.long.iter().map(|l| (*l).to_owned()), r.short, takes)
        });
        let (mut a, mut b) = (of_clap.collect::<Vec<_>>(), of_table.collect::<Vec<_>>());
        a.sort();
        b.sort();
        assert_eq!(a, b);
    }
}

//! The man page, from the one definition of the options.

use std::io::{self, Write};

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::main_form::MainForm;
use super::{EXAMPLES, Entry, verb_command};
use crate::ending;

/// Options that every verb has.
const COMMON: [&str; 5] = ["output", "verbose", "quiet", "color", "help"];

/// One page for everything: a verb has a section, not a page.
///
/// # Errors
/// Those of writing to memory.
pub fn man<A>(verbs: &[Entry<A>]) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    write_man(verbs, &mut page)?;
    Ok(page)
}

fn write_man<A>(verbs: &[Entry<A>], out: &mut Vec<u8>) -> io::Result<()> {
    let main = MainForm::command();
    // For administrators; section 1 has another killer, in Debian.
    let page = Man::new(main.clone()).section("8");
    page.render_title(out)?;
    page.render_name_section(out)?;
    writeln!(out, ".SH SYNOPSIS")?;
    writeln!(out, "{}", lines(&["killer [-s SIG | -SIG] [OPTIONS] NAME...", "killer VERB [OPTIONS] ..."]))?;
    page.render_description_section(out)?;
    page.render_options_section(out)?;
    writeln!(out, ".SH VERBS")?;
    writeln!(out, "A service that is called like a verb is reached with {}.", roff("'killer -- NAME'"))?;
    let mut verbs = verb_command(verbs);
    verbs.build();
    for verb in verbs.get_subcommands() {
        section(verb, out)?;
    }
    writeln!(out, ".SH EXAMPLES\n{}", lines(&EXAMPLES.lines().map(str::trim).collect::<Vec<_>>()))?;
    writeln!(out, ".SH \"EXIT STATUS\"")?;
    for (code, meaning) in ending::codes() {
        writeln!(out, ".TP\n{}\n{}", roff(&code), roff(meaning))?;
    }
    page.render_version_section(out)
}

/// A verb: how it is called, what it does, its own options.
fn section(verb: &Command, out: &mut Vec<u8>) -> io::Result<()> {
    let usage = verb.clone().render_usage().to_string();
    writeln!(out, ".SS \"{}\"", roff(usage.trim_start_matches("Usage: ")))?;
    let about = [verb.get_about(), verb.get_after_help()];
    for text in about.into_iter().flatten() {
        writeln!(out, "{}.", roff(text.to_string().trim_end_matches('.')))?;
    }
    let mut own = verb.clone();
    for common in COMMON {
        own = own.mut_arg(common, |a| a.hide(true));
    }
    let mut options = Vec::new();
    Man::new(own).render_options_section(&mut options)?;
    for line in String::from_utf8_lossy(&options).lines().filter(|l| !l.starts_with(".SH")) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn lines(text: &[&str]) -> String {
    format!(".nf\n{}\n.fi", text.iter().map(|l| roff(l)).collect::<Vec<_>>().join("\n"))
}

/// Text for troff: no hyphens for dashes, no curly quotes, no requests by accident.
fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq").replace('"', "\\(dq");
    if text.starts_with('.') { format!("\\&{text}") } else { text }
}

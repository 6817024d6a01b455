//! `install-boot`: what was done, a line for each path.

use super::last;
use crate::report::Style;
use crate::report::escape::text;
use crate::report::model::{BootFiles, Did};

/// `install-boot`
pub fn boot_files(b: &BootFiles, s: &Style) -> String {
    let mut out = String::new();
    if let Some(init) = b.init {
        out.push_str(&format!("init: {init}\n"));
    }
    for c in &b.changes {
        let detail = match (&c.detail, c.did) {
            (None, _) => String::new(),
            (Some(to), Did::Linked) => format!(" -> {}", text(to)),
            (Some(d), _) => format!(": {}", text(d)),
        };
        out.push_str(&format!("{} {}{detail}\n", word(c.did, b.dry_run), text(&c.path)));
    }
    if b.changes.is_empty() {
        out.push_str("there is nothing of killer's\n");
    }
    for n in &b.notes {
        out.push_str(&format!("note: {}\n", text(n)));
    }
    last(s, out)
}

fn word(did: Did, dry_run: bool) -> &'static str {
    match (did, dry_run) {
        (Did::Unchanged, _) => "as it should be:",
        (Did::Kept, _) => "kept",
        (Did::Written, false) => "wrote",
        (Did::Written, true) => "would write",
        (Did::Replaced, false) => "replaced",
        (Did::Replaced, true) => "would replace",
        (Did::Linked, false) => "linked",
        (Did::Linked, true) => "would link",
        (Did::Added, false) => "added two lines to",
        (Did::Added, true) => "would add two lines to",
        (Did::Removed, false) => "removed",
        (Did::Removed, true) => "would remove",
        (Did::TakenOut, false) => "took two lines out of",
        (Did::TakenOut, true) => "would take two lines out of",
        (Did::Ran, false) => "ran",
        (Did::Ran, true) => "would run",
    }
}

//! The pictures in docs/TOP.md: screens of tmux, as a test has seen them. `SNAPSHOTS=overwrite` makes them again.

use std::path::Path;

use killer_tests::eventually;

use crate::screen::{AFTER, SOON, Screen, chosen, world};

/// The line behind which docs/TOP.md shows a screen.
const PICTURE: &str = "<!-- made by tests/tests/top/picture.rs -->\n\n";

#[test]
fn the_document_shows_it_as_it_is() {
    let Some(env) = world("the_document_shows_it_as_it_is") else { return };
    let start = |name: &str, script: &str| {
        env.killer(["run", "--name", name, "--detach", "--", "sh", "-c", script]).ok();
    };
    start("backup", "sleep 600 & wait");
    start("mail", "sleep 600 & sleep 600 & sleep 600 & wait");
    start("web", "for i in 1 2 3 4; do setsid sleep 600 & done; while sleep 0.1; do :; done");
    let screen = Screen::script(&env, AFTER, &[], (80, 16), &[]);
    screen.shows(&["> backup", "  mail", "  web"]);
    screen.keys(&["j", "j"]);
    let settled = || chosen(&screen.text(), "web").is_some_and(|l| !l.contains(" - "));
    assert!(eventually(SOON, settled), "{}", screen.text());
    let list = screen.text();
    screen.keys(&["t"]);
    let tree = screen.shows(&["tree of web", "left its session"]);
    for name in ["backup", "mail", "web"] {
        env.killer(["-KILL", name]).ok();
    }
    let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/TOP.md");
    let document = std::fs::read_to_string(&at).expect("docs/TOP.md");
    let overwrite = std::env::var_os("SNAPSHOTS").is_some_and(|v| v == "overwrite");
    let mut parts = document.split(PICTURE);
    let mut made = parts.next().unwrap_or_default().to_owned();
    for (new, part) in [&list, &tree].into_iter().zip(parts) {
        let (old, text) = picture(part);
        made += &format!("{PICTURE}{}\n{text}", indented(new));
        if !overwrite {
            assert_eq!(steady(&old), steady(new), "SNAPSHOTS=overwrite makes it again\n{new}");
        }
    }
    if overwrite {
        std::fs::write(at, made.trim_end().to_owned() + "\n").expect("docs/TOP.md");
    }
}

/// As a block of code.
fn indented(screen: &str) -> String {
    let line = |l: &str| format!("    {l}").trim_end().to_owned() + "\n";
    screen.trim_end().lines().map(line).collect()
}

/// A picture, which ends where the text is no longer indented, and the text behind it.
fn picture(part: &str) -> (String, String) {
    let is_text = |l: &&str| !l.is_empty() && !l.starts_with("    ");
    let text =
        part.lines().find(is_text).and_then(|l| part.find(&format!("\n{l}"))).map_or(part.len(), |n| n + 1);
    (part[..text].to_owned(), part[text..].to_owned())
}

/// What is the same in every picture: title, heads, names of services and keys, without figures and commands.
fn steady(screen: &str) -> Vec<String> {
    let names =
        ["backup", "mail", "web", "live", "MAIN", "PROCS", "EXACT", "quit", "back", "help", "tree", "signal"];
    let words = screen.split(|c: char| !c.is_ascii_alphabetic());
    words.filter(|w| names.contains(w)).map(str::to_owned).collect()
}

//! Keys and what is drawn for them, without a terminal.

use proptest::prelude::*;
use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;

use super::app::{App, Ask, Wish};
use super::draw::{Looks, draw};
use super::keys::{Key, keys};
use super::pane::Pane;
use super::table::LEAST;
use crate::host::top::{Act, Look, Row, Target, Usage};
use crate::report::Style;
use crate::report::model::{Counts, Exactness, Service};

fn row(name: &str, slot: u32) -> Row {
    let service = Service {
        name: name.into(),
        state: "live".into(),
        main_pid: Some(4711),
        main_guessed: false,
        command: None,
        counts: Counts { processes: 3, tasks: 5 },
        ever: 9,
        ever_at_least: false,
        since: String::new(),
        age_s: 1,
        exactness: Exactness { exact: true, reasons: vec![] },
        inside: None,
        left_over: 0,
    };
    let usage = Usage { forks: Some(f64::from(slot)), looked: 3, of: 3, ..Usage::default() };
    Row { service, target: Target::sample(name, slot), usage: Some(usage) }
}

fn seen(rows: Vec<Row>) -> Look {
    Look { rows, tier: Some("typed"), doubts: vec![] }
}

fn app(names: &[&str]) -> App {
    let mut a = App::new(Style { color: true, utf8: true });
    a.seen(Ok(seen(names.iter().zip(1..).map(|(n, i)| row(n, i)).collect())));
    a
}

fn typed(a: &mut App, text: &str) -> Vec<Wish> {
    keys(text.as_bytes()).into_iter().map(|k| a.key(k)).filter(|w| *w != Wish::None).collect()
}

/// What stands in each line.
fn screen(a: &mut App, width: u16, height: u16, utf8: bool) -> Vec<String> {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    draw(a, Looks { color: false, utf8 }, "1s", &mut buffer);
    let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..height).map(line).collect()
}

#[test]
fn a_yes_is_for_what_was_asked_about() {
    let mut a = app(&["db", "web"]);
    assert_eq!(typed(&mut a, "jskill\r"), []);
    assert!(matches!(&a.ask, Some(Ask::Sure(t, Act::Signal(9), _)) if t.name == "web"), "{:?}", a.ask);
    assert_eq!(screen(&mut a, 80, 24, true)[23].trim(), "signal 3 processes of web with KILL? y/n");
    // Meanwhile it stands elsewhere, and then it is gone.
    a.seen(Ok(seen(vec![row("aaa", 7), row("db", 1), row("web", 2)])));
    a.seen(Ok(seen(vec![row("db", 1), row("web", 8)])));
    assert_eq!(typed(&mut a, "y"), [Wish::Do(Target::sample("web", 2), Act::Signal(9))]);
    // What has its name is chosen now, and is another one.
    assert_eq!(a.chosen, Some(Target::sample("web", 8)));
    assert_eq!(typed(&mut a, "y"), []);
}

#[test]
fn what_is_long_has_two_lines() {
    let mut a = app(&["web"]);
    a.said = format!("{} the end", "word ".repeat(20).trim_end());
    let lines = screen(&mut a, 80, 24, true);
    assert!(lines[21].starts_with("word ") && lines[22].trim_end().ends_with(" the end"), "{lines:?}");
    a.said = "short".into();
    let lines = screen(&mut a, 80, 24, true);
    assert_eq!((lines[21].trim_end(), lines[22].trim_end()), ("web: exact", "short"));
}

#[test]
fn what_is_no_signal_is_told() {
    let mut a = app(&["web"]);
    for (text, said) in
        [("sNOPE\r", "NOPE"), ("s0\r", "does nothing"), ("s\r", "nothing"), ("s\x1b", "nothing")]
    {
        assert_eq!(typed(&mut a, text), []);
        assert!(a.ask.is_none() && a.said.contains(said), "{text:?}: {}", a.said);
    }
    assert_eq!(typed(&mut a, "sKILX\x7fL\r"), []);
    assert!(matches!(a.ask, Some(Ask::Sure(_, Act::Signal(9), _))));
    let mut none = app(&[]);
    assert_eq!(typed(&mut none, "sfwtjk\r"), []);
    assert!(none.ask.is_none() && none.panes.is_empty());
    assert_eq!(typed(&mut none, "q"), [Wish::End]);
}

#[test]
fn the_chosen_one_stays_chosen() {
    let mut a = app(&["a", "b", "c"]);
    typed(&mut a, "j");
    typed(&mut a, "oooo");
    assert_eq!(a.look.rows[0].target.name, "c", "most forks first");
    assert_eq!(a.chosen, Some(Target::sample("b", 2)));
    typed(&mut a, "jjjj");
    assert_eq!(a.chosen, Some(Target::sample("a", 1)));
    assert!(screen(&mut a, 80, 24, true)[4].starts_with("> a "));
}

#[test]
fn what_is_far_below_is_scrolled_to() {
    let names: Vec<String> = (0..100).map(|i| format!("s{i:02}")).collect();
    let mut a = app(&names.iter().map(String::as_str).collect::<Vec<_>>());
    screen(&mut a, 80, 24, true);
    assert_eq!((a.shown.len(), a.high), (19, 19));
    typed(&mut a, "\x1b[F");
    let lines = screen(&mut a, 80, 24, true);
    assert!(lines[20].starts_with("> s99 ") && lines[2].starts_with("  s81 "), "{lines:?}");
    assert_eq!(a.shown.last(), Some(&Target::sample("s99", 100)));
}

proptest! {
    /// Whatever is typed: nothing is done but behind a yes to a question that is on the screen.
    #[test]
    fn only_a_yes_is_a_yes(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut a = app(&["db", "web"]);
        for key in keys(&bytes) {
            // These look into the kernel.
            if a.ask.is_none() && matches!(key, Key::Enter | Key::Char('t' | 'w')) {
                continue;
            }
            let asked = a.ask.clone();
            if let Wish::Do(target, act) = a.key(key) {
                let is = matches!(&asked, Some(Ask::Sure(t, w, _)) if *t == target && *w == act);
                prop_assert!(is && matches!(key, Key::Char('y' | 'Y')), "{asked:?} {key:?}");
            }
        }
    }

    /// Any name, any size: nothing that a terminal obeys, and ASCII where that is all there is.
    #[test]
    fn any_screen_is_clean(name in any::<String>(), text in any::<String>(), w in 1u16..120, h in 1u16..40, utf8: bool) {
        let mut a = app(&[&name, "web"]);
        a.said = text.clone();
        for step in 0..3 {
            match step {
                0 => {}
                1 => a.panes.push(Pane::text(&name, &text)),
                _ => drop(typed(&mut a, "f")),
            }
            let lines = screen(&mut a, w, h, utf8);
            prop_assert!(lines.iter().flat_map(|l| l.chars()).all(|c| !c.is_control()), "{lines:?}");
            prop_assert!(utf8 || lines.iter().all(|l| l.is_ascii()), "{lines:?}");
            let question = w >= LEAST.0 && h >= LEAST.1 && step == 2;
            prop_assert!(!question || lines[h as usize - 1].contains("? y/n"), "{lines:?}");
        }
    }
}

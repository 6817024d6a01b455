//! `killer top`: services and what they do, on a terminal, look after look.
//!
//! `keys` → `app` (what is shown, what is asked) → `draw` → `canvas` (ratatui's cells → a terminal). What is looked at and what is
//! done is `host::top`'s.

mod app;
mod canvas;
mod draw;
mod keys;
mod pane;
mod table;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::time::{Duration, Instant};

use ratatui_core::terminal::Terminal as Drawer;

use crate::ask::Kill;
use crate::ask::top::Top;
use crate::ending::Ending;
use crate::host::top::{Act, Looker, Target, act, usual};
use crate::host::{Failure, Tell};
use crate::report::{Style, human, message};
use crate::sys::terminal::{Came, Terminal, lacking};
use app::{App, Wish, one_line};
use canvas::Canvas;
use draw::{Looks, draw};
use pane::Pane;

/// A look takes a quarter of the time at most, however long it takes.
const SHARE: u32 = 4;
/// Rates are known from the second look on, which does not let people wait.
const SOON: Duration = Duration::from_millis(500);

/// There is room for so much below the list of a terminal of old.
const SHORT: usize = 150;

/// What an order says meanwhile.
#[derive(Debug, Default)]
struct Heard(RefCell<String>);

impl Tell for Heard {
    fn message(&self, text: &str) {
        self.0.borrow_mut().push_str(text);
    }

    fn verbose(&self) -> u8 {
        0
    }
}

/// Shows them until it is to end.
pub fn top(asked: &Top, style: Style) -> Result<Ending, Failure> {
    if let Some(why) = lacking() {
        return Err(Failure::new(Ending::Usage, "top needs a terminal to draw on").why(why).next(
            "'killer list' and 'killer watch' need none; TERM=vt100 is a terminal of the plainest kind",
        ));
    }
    let mut looker = Looker::default();
    let mut app = App::new(style);
    // What fails at once is a failure of the command.
    app.seen(Ok(looker.look(&asked.names, &|_| true)?));
    // Lines of a log would be drawn over.
    log::set_max_level(log::LevelFilter::Off);
    let looks = Looks { color: style.color, utf8: style.utf8 };
    let gone = |e: std::io::Error| Failure::new(Ending::Failed, "the terminal failed").why(e.to_string());
    let canvas = Canvas::on(Terminal::take().map_err(gone)?);
    let drawer = Drawer::new(canvas).map_err(gone)?;
    let mut sight = Sight { drawer, looks, every: span(asked.every) };
    match run(asked, &mut looker, &mut app, &mut sight) {
        Err(e) if e.kind() != std::io::ErrorKind::Interrupted => Err(gone(e)),
        _ => Ok(Ending::Done),
    }
}

/// The terminal with what is drawn on it, and how.
struct Sight {
    drawer: Drawer<Canvas>,
    looks: Looks,
    every: String,
}

impl Sight {
    fn draw(&mut self, app: &mut App) -> std::io::Result<()> {
        let Self { drawer, looks, every } = self;
        let drawn = drawer.draw(|frame| {
            if let Some(at) = draw(app, *looks, every, frame.buffer_mut()) {
                frame.set_cursor_position(at);
            }
        });
        drawn.map(drop)
    }

    fn terminal(&mut self) -> &mut Terminal {
        &mut self.drawer.backend_mut().terminal
    }
}

fn run(asked: &Top, looker: &mut Looker, app: &mut App, sight: &mut Sight) -> std::io::Result<()> {
    let mut next = Instant::now() + asked.every.min(SOON);
    loop {
        sight.draw(app)?;
        match sight.terminal().wait(next.saturating_duration_since(Instant::now())) {
            Came::End => return Ok(()),
            Came::Anew => sight.drawer.clear()?,
            Came::Nothing => next = look(asked, looker, app),
            Came::Keys(bytes) => {
                for key in keys::keys(&bytes) {
                    match app.key(key) {
                        Wish::None => {}
                        Wish::End => return Ok(()),
                        Wish::Redraw => sight.drawer.clear()?,
                        Wish::Suspend => {
                            sight.terminal().rest();
                            sight.drawer.clear()?;
                        }
                        Wish::Do(target, what) => {
                            if obey(asked, &target, what, app, sight)? {
                                return Ok(());
                            }
                            next = look(asked, looker, app);
                            // What was typed meanwhile was typed before its outcome was seen.
                            break;
                        }
                    }
                }
            }
        }
    }
}

/// Does what the answer was yes to; true when everything is to end.
fn obey(asked: &Top, target: &Target, what: Act, app: &mut App, sight: &mut Sight) -> std::io::Result<bool> {
    app.said = "at work; ^C interrupts".into();
    sight.draw(app)?;
    let kill = usual(asked.fuse, asked.receipts.clone());
    let ((), end) = sight.terminal().interruptible(|| done(target, what, &kill, app));
    sight.drawer.clear()?;
    Ok(end)
}

/// Looks again; answers when the next look is due.
fn look(asked: &Top, looker: &mut Looker, app: &mut App) -> Instant {
    let began = Instant::now();
    let look = looker.look(&asked.names, &|t: &Target| app.shown.contains(t));
    app.seen(look);
    let took = began.elapsed();
    began + asked.every.max(took * SHARE)
}

/// Does what the answer was yes to, and shows what came of it: in the lowest line but one, or, where that is more, over the list.
fn done(target: &Target, what: Act, kill: &Kill, app: &mut App) {
    let heard = Heard::default();
    let acted = act(target, what, kill, &heard);
    let mut text = heard.0.into_inner();
    let mut last = String::new();
    let all = acted.unwrap_or_else(|f| vec![Err(f)]);
    for one in all {
        match one {
            Ok(r) => {
                let told = human::receipt(&r, &app.style);
                last = told.lines().last().unwrap_or_default().to_owned();
                if told.lines().count() > 1 && !text.is_empty() {
                    text.push_str(&told);
                }
            }
            Err(f) => {
                last = one_line(&f);
                if last.len() > SHORT {
                    text.push_str(&message::render(&f.what, f.why.as_deref(), f.next.as_deref()));
                }
            }
        }
    }
    if text.lines().count() > 0 {
        if last.len() <= SHORT {
            text.push_str(&last);
        }
        app.panes.push(Pane::text("what came of it", &text));
    }
    app.said = last;
}

/// `1s`, `250ms`
fn span(d: Duration) -> String {
    match d.subsec_millis() {
        0 => human::age(d.as_secs()),
        _ => format!("{}ms", d.as_millis()),
    }
}

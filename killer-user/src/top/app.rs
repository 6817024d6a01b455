//! What is shown and what is asked, and what each key makes of it. It draws nothing and signals nobody.

use super::keys::Key;
use super::pane::Pane;
use super::table::Order;
use crate::ask::signal;
use crate::host::Failure;
use crate::host::top::{Act, Look, Row, Target};
use crate::report::human::count;
use crate::report::{Style, message};

/// What the lowest line asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Which signal, as far as it is typed.
    Which(Target, String),
    /// Whether to do it, to so many processes, in words.
    Sure(Target, Act, String),
}

/// What a key means for the program around this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing.
    None,
    /// To end.
    End,
    /// To stop, as ^Z does.
    Suspend,
    /// To draw everything again.
    Redraw,
    /// The answer was yes.
    Do(Target, Act),
}

/// Everything that is to be seen.
#[derive(Debug, Default)]
pub struct App {
    /// The last look.
    pub look: Look,
    /// Why there was none, in words.
    pub failed: Option<String>,
    /// The chosen service.
    pub chosen: Option<Target>,
    /// The first line of the list on the screen.
    pub first: usize,
    /// The services that were on the screen when it was last drawn.
    pub shown: Vec<Target>,
    /// So many lines of what is scrolled were on it.
    pub high: usize,
    /// In which order they stand.
    pub order: Order,
    /// What lies over the list, the last one above.
    pub panes: Vec<Pane>,
    /// What is asked.
    pub ask: Option<Ask>,
    /// What came of the last key, in a line.
    pub said: String,
    /// Lines of panes.
    pub style: Style,
}

impl App {
    /// For a terminal that can draw so.
    pub fn new(style: Style) -> Self {
        // ANSI sequences in a line would be characters of it.
        Self { style: Style { color: false, ..style }, ..Self::default() }
    }

    /// Another look.
    pub fn seen(&mut self, look: Result<Look, Failure>) {
        match look {
            Ok(mut look) => {
                self.order.put(&mut look.rows);
                self.look = look;
                self.failed = None;
            }
            Err(f) => self.failed = Some(one_line(&f)),
        }
        if self.at().is_none() {
            // One of the same name is what people mean by it now.
            let name = self.chosen.as_ref().map(|c| c.name.clone());
            let same = self.look.rows.iter().find(|r| Some(&r.target.name) == name.as_ref());
            self.chosen = same.or(self.look.rows.first()).map(|r| r.target.clone());
        }
        if let Some(p) = self.panes.last_mut() {
            p.renew(&self.style);
        }
    }

    /// Where the chosen service stands.
    pub fn at(&self) -> Option<usize> {
        self.look.rows.iter().position(|r| Some(&r.target) == self.chosen.as_ref())
    }

    /// The chosen service.
    pub fn row(&self) -> Option<&Row> {
        self.look.rows.get(self.at()?)
    }

    /// What a key means.
    pub fn key(&mut self, key: Key) -> Wish {
        match key {
            Key::Suspend => return Wish::Suspend,
            Key::Redraw => return Wish::Redraw,
            _ => {}
        }
        if let Some(ask) = self.ask.take() {
            return self.answer(ask, key);
        }
        self.said.clear();
        match key {
            Key::Interrupt => return Wish::End,
            Key::Escape | Key::Char('q') => match self.panes.pop() {
                Some(_) => {}
                None if key == Key::Escape => {}
                None => return Wish::End,
            },
            Key::Move(by) => self.step(by.into()),
            Key::Char('j') => self.step(1),
            Key::Char('k') => self.step(-1),
            Key::Page(by) => self.step(i64::from(by) * self.high.max(1) as i64),
            Key::Edge(by) => self.step(i64::from(by) * i64::from(u32::MAX)),
            Key::Enter | Key::Char('t') => self.tree(),
            Key::Char('w') => self.why(),
            Key::Char('o') => {
                self.order = self.order.next();
                self.look.rows.sort_by(|a, b| a.service.name.cmp(&b.service.name));
                self.order.put(&mut self.look.rows);
                self.said = format!("by {}", self.order.word());
            }
            Key::Char('f') => self.freeze(),
            Key::Char('s') => match self.target() {
                Some(t) => self.ask = Some(Ask::Which(t, String::new())),
                None => self.said = "no service is chosen".into(),
            },
            Key::Char('?' | 'h') => self.panes.push(Pane::help()),
            _ => self.said = "? shows the keys".into(),
        }
        Wish::None
    }

    /// The service that is meant: that of the tree, else the chosen one.
    fn target(&self) -> Option<Target> {
        let of_pane = self.panes.iter().rev().find_map(|p| p.of.clone());
        of_pane.or_else(|| self.row().map(|r| r.target.clone()))
    }

    fn of(&self, target: &Target) -> Option<&Row> {
        self.look.rows.iter().find(|r| r.target == *target)
    }

    fn step(&mut self, by: i64) {
        if let Some(p) = self.panes.last_mut() {
            p.step(by);
        } else if let Some(at) = self.at() {
            let last = self.look.rows.len() as i64 - 1;
            let to = (at as i64).saturating_add(by).clamp(0, last) as usize;
            self.chosen = Some(self.look.rows[to].target.clone());
        }
    }

    fn tree(&mut self) {
        if !self.panes.is_empty() {
            // It lies there already, or what lies there has none.
            return;
        }
        let Some(row) = self.row() else { return };
        match Pane::tree(&row.target.clone(), &self.style) {
            Ok(p) => self.panes.push(p),
            Err(f) => self.said = one_line(&f),
        }
    }

    fn why(&mut self) {
        let process = match self.panes.last() {
            Some(p) => p.lines.get(p.at).and_then(|l| l.process),
            None => self.row().and_then(|r| r.service.main_pid).map(|pid| (pid, None)),
        };
        match process.map(|p| Pane::why(p, &self.style)) {
            Some(Ok(p)) => self.panes.push(p),
            Some(Err(f)) => self.said = one_line(&f),
            None => self.said = "choose a process first: t shows the tree".into(),
        }
    }

    fn freeze(&mut self) {
        let Some(row) = self.target().and_then(|t| self.of(&t)) else {
            self.said = "no service is chosen".into();
            return;
        };
        let held = ["frozen", "freezing", "woken"].contains(&&*row.service.state);
        let act = if held { Act::Thaw } else { Act::Freeze };
        self.sure(row.target.clone(), act);
    }

    /// Asks whether that is to be done.
    fn sure(&mut self, target: Target, act: Act) {
        let Some(row) = self.of(&target) else {
            self.said = format!("'{}' is not there any more", target.name);
            return;
        };
        let processes = count(row.service.counts.processes, "process", "processes");
        self.ask = Some(Ask::Sure(target, act, processes));
    }

    fn answer(&mut self, ask: Ask, key: Key) -> Wish {
        /// Longer than any signal's name.
        const LONG: usize = 16;
        self.said = "nothing was done".into();
        match (ask, key) {
            (_, Key::Escape | Key::Interrupt) => {}
            (Ask::Sure(target, act, _), Key::Char('y' | 'Y')) => {
                self.said.clear();
                return Wish::Do(target, act);
            }
            // Whatever is no yes is a no.
            (Ask::Sure(..), _) => {}
            (Ask::Which(_, typed), Key::Enter) if typed.is_empty() => {}
            (Ask::Which(target, typed), Key::Enter) => match signal::parse(&typed) {
                Ok(n) if n != 0 => {
                    self.said.clear();
                    self.sure(target, Act::Signal(n));
                }
                Ok(_) => self.said = "signal 0 does nothing".into(),
                Err(e) => self.said = format!("{e}; nothing was done"),
            },
            (Ask::Which(target, mut typed), key) => {
                match key {
                    Key::Char(c) if c != ' ' && typed.len() < LONG => typed.push(c),
                    Key::Erase => drop(typed.pop()),
                    Key::EraseAll => typed.clear(),
                    _ => {}
                }
                self.said.clear();
                self.ask = Some(Ask::Which(target, typed));
            }
        }
        Wish::None
    }
}

/// A failure in a line.
pub fn one_line(f: &Failure) -> String {
    let text = message::render(&f.what, f.why.as_deref(), f.next.as_deref());
    text.lines().map(str::trim).collect::<Vec<_>>().join("; ").trim_start_matches("killer: ").to_owned()
}

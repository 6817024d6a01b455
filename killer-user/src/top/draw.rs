//! What is shown, as cells: title, list, what lies over it, and the line in which is asked.

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::{Position, Rect};
use ratatui_core::style::{Color, Modifier, Style};
use ratatui_core::text::Span;

use super::app::{App, Ask};
use super::pane::scrolled;
use super::table::{self, Cell, LEAST};
use crate::host::top::Row;
use crate::report::escape;
use crate::report::human::count;

/// How it looks.
#[derive(Clone, Copy, Debug)]
pub struct Looks {
    /// Colours.
    pub color: bool,
    /// Characters beyond ASCII.
    pub utf8: bool,
}

const PLAIN: Style = Style::new();
const BOLD: Style = PLAIN.add_modifier(Modifier::BOLD);
/// So much of a name is in a question at most.
const NAME: usize = 16;
const CHOSEN: Style = PLAIN.add_modifier(Modifier::REVERSED);

/// A sheet of cells.
struct Sheet<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
    looks: Looks,
}

impl Sheet<'_> {
    /// Writes one line, cut to so many columns. What members choose is escaped here, whatever was done before.
    fn put(&mut self, x: u16, y: u16, wide: u16, text: &str, style: Style) {
        if x >= self.area.width || y >= self.area.height {
            return;
        }
        let wide = wide.min(self.area.width - x) as usize;
        self.buffer.set_stringn(x, y, self.shown(text, wide), wide, style);
    }

    /// Text as it can be shown, in so many columns at most.
    fn shown(&self, text: &str, wide: usize) -> String {
        let mut most = wide;
        loop {
            let mut text = escape::cut(text, most);
            if !self.looks.utf8 {
                text = escape::cut(&escape::ascii(&text), most);
            }
            // Some characters need two.
            let over = Span::raw(&text).width().saturating_sub(wide);
            if over == 0 || most == 0 {
                return text;
            }
            most = most.saturating_sub(over.div_ceil(2));
        }
    }

    fn line(&mut self, y: u16, text: &str, style: Style) {
        self.put(0, y, self.area.width, text, style);
    }

    /// Writes into the second of two lines, or, what is too long for that, into both.
    fn lines(&mut self, y: u16, text: &str, style: Style) {
        let wide = self.area.width as usize;
        let text = self.shown(text, 2 * wide - 1);
        let at = match text.char_indices().nth(wide) {
            None => 0,
            Some((end, _)) => text[..end].rfind(' ').map_or(end, |space| space + 1),
        };
        for (y, part) in [(y, &text[..at]), (y + 1, &text[at..])] {
            if !part.is_empty() {
                self.line(y, &format!("{part:wide$}"), style);
            }
        }
    }

    fn cells(&mut self, y: u16, cells: &[Cell], style: Style) {
        self.buffer.set_style(Rect::new(0, y, self.area.width, 1), style);
        for (x, wide, text) in cells {
            self.put(*x, y, *wide, text, style);
        }
    }

    fn colored(&self, color: Color, style: Style) -> Style {
        if self.looks.color { style.fg(color) } else { style }
    }
}

/// Draws all of it; answers where the cursor stands, when something is typed.
pub fn draw(app: &mut App, looks: Looks, every: &str, buffer: &mut Buffer) -> Option<Position> {
    let area = buffer.area;
    let mut sheet = Sheet { buffer, area, looks };
    app.shown.clear();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let (w, h) = LEAST;
        sheet.line(0, &format!("too small: {w}x{h} needed"), PLAIN);
        sheet.line(1, "q quits", PLAIN);
        return None;
    }
    title(app, every, &mut sheet);
    let body = 2..area.height - 3;
    sheet.cells(1, &table::head(area.width), BOLD);
    if app.panes.is_empty() {
        list(app, body.start, body.len(), &mut sheet);
    } else {
        // The service that all this is about stays in sight.
        list(app, body.start, 1, &mut sheet);
        pane(app, body.start + 1, body.len() - 1, &mut sheet);
    }
    foot(app, area.height, &mut sheet)
}

fn title(app: &App, every: &str, sheet: &mut Sheet<'_>) {
    let rows = &app.look.rows;
    // What is inside another one is counted there.
    let outer = rows.iter().filter(|r| r.service.inside.is_none());
    let processes = outer.map(|r| r.service.counts.processes).sum();
    let what = format!(
        "{}, {}",
        count(rows.len() as u64, "service", "services"),
        count(processes, "process", "processes")
    );
    let kept = match (&app.failed, app.look.tier) {
        (Some(_), _) => "the last look failed".into(),
        (None, Some(tier)) => format!("tier {tier}"),
        (None, None) => "no tracker is loaded".into(),
    };
    sheet.line(0, &format!("killer top: {what}; {kept}; every {every}; by {}", app.order.word()), BOLD);
}

fn list(app: &mut App, y: u16, high: usize, sheet: &mut Sheet<'_>) {
    let at = app.at().unwrap_or(0);
    app.first = scrolled(app.first, at, high).min(app.look.rows.len().saturating_sub(high));
    app.high = high;
    if app.look.rows.is_empty() {
        let text = match app.look.tier {
            _ if app.failed.is_some() => "  nothing can be shown: see below",
            None => "  no tracker is loaded, so nothing is tracked; 'killer run' or 'killer up' loads it",
            Some(_) => "  no services are tracked",
        };
        sheet.line(y, text, PLAIN);
    }
    for (i, row) in app.look.rows.iter().enumerate().skip(app.first).take(high) {
        app.shown.push(row.target.clone());
        let y = y + (i - app.first) as u16;
        let style = if i == at { CHOSEN } else { PLAIN };
        sheet.cells(y, &table::line(row, sheet.area.width), style);
        // Also where nothing is shown in reverse.
        sheet.put(0, y, 1, if i == at { ">" } else { " " }, style);
        mark(row, y, style, sheet);
    }
}

/// What asks for attention in a line has a colour.
fn mark(row: &Row, y: u16, style: Style, sheet: &mut Sheet<'_>) {
    let cells = table::line(row, sheet.area.width);
    let state = match &*row.service.state {
        "live" => Color::Green,
        "ended" => return,
        _ => Color::Yellow,
    };
    if let Some((x, wide, text)) = cells.get(1) {
        let style = sheet.colored(state, style);
        sheet.put(*x, y, *wide, text, style);
    }
    if let Some((x, wide, text)) = cells.last().filter(|_| !row.service.exactness.exact) {
        let style = sheet.colored(Color::Yellow, style);
        sheet.put(*x, y, *wide, text, style);
    }
}

fn pane(app: &mut App, y: u16, high: usize, sheet: &mut Sheet<'_>) {
    let Some(p) = app.panes.last_mut() else { return };
    let rule = if sheet.looks.utf8 { "─" } else { "-" };
    sheet.line(y, &rule.repeat(sheet.area.width as usize), PLAIN);
    sheet.put(2, y, sheet.area.width - 4, &format!(" {} ", p.title), BOLD);
    let high = high.saturating_sub(1);
    p.first = scrolled(p.first, p.at, high);
    app.high = high;
    for (i, line) in p.lines.iter().enumerate().skip(p.first).take(high) {
        let style = if i == p.at { CHOSEN } else { PLAIN };
        let y = y + 1 + (i - p.first) as u16;
        sheet.put(0, y, 2, if i == p.at { "> " } else { "  " }, style);
        sheet.put(2, y, sheet.area.width - 2, &line.text, style);
    }
}

/// Three lines: how exact the chosen service is, what is to be known, and what is asked.
fn foot(app: &App, height: u16, sheet: &mut Sheet<'_>) -> Option<Position> {
    if let Some(row) = app.row() {
        let style = if row.service.exactness.exact { PLAIN } else { sheet.colored(Color::Yellow, PLAIN) };
        sheet.line(height - 3, &table::exactness(&row.service), style);
    }
    let warned = app.failed.as_ref().or(app.look.doubts.first());
    if !app.said.is_empty() {
        sheet.lines(height - 3, &app.said, PLAIN);
    } else if let Some(text) = warned {
        let style = sheet.colored(Color::Red, BOLD);
        sheet.lines(height - 3, text, style);
    }
    match &app.ask {
        None => {
            let keys = match app.panes.is_empty() {
                true => "q quit  ? help  t tree  w why  f freeze/thaw  s signal  o order",
                false => "q back  ? help  w why  f freeze/thaw  s signal",
            };
            sheet.line(height - 1, keys, BOLD);
            None
        }
        Some(Ask::Which(target, typed)) => {
            let name = sheet.shown(&target.name, NAME);
            let such = if sheet.area.width < 80 { "" } else { "TERM, KILL, 10; " };
            let asks = format!("signal for {name} ({such}Esc: none): ");
            sheet.line(height - 1, &format!("{asks}{typed}"), BOLD);
            let x = Span::raw(asks).width() + typed.len();
            Some(Position::new((x as u16).min(sheet.area.width - 1), height - 1))
        }
        Some(Ask::Sure(target, act, processes)) => {
            // Of the question itself nothing is cut off.
            let words = |name: &str| format!("{}? y/n", act.words(processes, name));
            let rest = (sheet.area.width as usize).saturating_sub(words("").len());
            let name = sheet.shown(&target.name, rest);
            sheet.line(height - 1, &words(&name), BOLD);
            None
        }
    }
}

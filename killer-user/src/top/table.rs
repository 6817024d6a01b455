//! The services, a line each.

use crate::host::top::{Row, Usage};
use crate::report::model::Service;

/// A column: its head, how wide it is, and what stands in it.
struct Column {
    head: &'static str,
    wide: u16,
    text: fn(&Row) -> String,
}

/// Behind the name, which has what is left of the line. All of them fit into eighty columns.
const COLUMNS: [Column; 9] = [
    Column { head: "STATE", wide: 8, text: |r| r.service.state.clone() },
    Column { head: "MAIN", wide: 7, text: |r| r.service.main_pid.map_or("-".into(), |p| p.to_string()) },
    Column { head: "PROCS", wide: 5, text: |r| r.service.counts.processes.to_string() },
    Column { head: "TASKS", wide: 5, text: |r| r.service.counts.tasks.max(0).to_string() },
    Column { head: "FORK/s", wide: 6, text: |r| rate(r.usage.and_then(|u| u.forks), false) },
    Column { head: "EXEC/s", wide: 6, text: |r| of(r, |u| u.execs) },
    Column { head: "CPU%", wide: 6, text: |r| of(r, |u| u.cpu) },
    Column { head: "RSS", wide: 6, text: |r| r.usage.map_or("-".into(), |u| bytes(u.rss, u.is_estimate())) },
    Column { head: "EXACT", wide: 5, text: |r| if r.service.exactness.exact { "yes" } else { "no" }.into() },
];

/// A cell: where it begins, how wide it is, and what stands in it.
pub type Cell = (u16, u16, String);

/// So narrow a name may be.
const NAME: u16 = 8;
/// What a screen must have.
pub const LEAST: (u16, u16) = (50, 8);

/// The columns that there is room for, from the left: where each begins.
fn places(width: u16) -> Vec<(u16, &'static Column)> {
    let mut shown = COLUMNS.iter().collect::<Vec<_>>();
    let needed = |c: &[&Column]| NAME + 2 + c.iter().map(|c| c.wide + 1).sum::<u16>();
    // What can be seen elsewhere goes first.
    for head in ["TASKS", "MAIN", "EXEC/s", "FORK/s"] {
        if needed(&shown) > width {
            shown.retain(|c| c.head != head);
        }
    }
    let mut x = width;
    let mut out = Vec::new();
    for c in shown.into_iter().rev() {
        x = x.saturating_sub(c.wide + 1);
        out.push((x + 1, c));
    }
    out.reverse();
    out
}

/// The heads of the columns.
pub fn head(width: u16) -> Vec<Cell> {
    let places = places(width);
    let name = places.first().map_or(width, |(x, _)| *x).saturating_sub(3);
    let mut cells = vec![(2, name, "NAME".to_owned())];
    cells.extend(places.iter().map(|(x, c)| (*x, c.wide, aligned(c, c.head.into()))));
    cells
}

/// The line of a service.
pub fn line(r: &Row, width: u16) -> Vec<Cell> {
    let places = places(width);
    let name = places.first().map_or(width, |(x, _)| *x).saturating_sub(3);
    let mut cells = vec![(2, name, r.service.name.clone())];
    cells.extend(places.iter().map(|(x, c)| (*x, c.wide, aligned(c, (c.text)(r)))));
    cells
}

/// Figures stand at the right.
fn aligned(c: &Column, text: String) -> String {
    if c.head == "STATE" { text } else { format!("{text:>wide$}", wide = c.wide as usize) }
}

fn of(r: &Row, what: fn(&Usage) -> Option<f64>) -> String {
    rate(r.usage.as_ref().and_then(what), r.usage.is_some_and(|u| u.is_estimate()))
}

/// `0.0`, `~12.3`, `4711`
fn rate(n: Option<f64>, about: bool) -> String {
    let Some(n) = n else { return "-".into() };
    let about = if about { "~" } else { "" };
    match n {
        n if n < 999.95 => format!("{about}{n:.1}"),
        n if n < 99_999.5 => format!("{about}{n:.0}"),
        n => format!("{about}{:.0}k", (n / 1000.0).min(9999.0)),
    }
}

/// `512K`, `34M`, `~1.5G`
fn bytes(n: u64, about: bool) -> String {
    let about = if about { "~" } else { "" };
    let (k, m, g) = (n as f64 / 1024.0, n as f64 / 1_048_576.0, n as f64 / 1_073_741_824.0);
    match n {
        _ if k < 999.5 => format!("{about}{k:.0}K"),
        _ if m < 999.5 => format!("{about}{m:.0}M"),
        _ if g < 99.95 => format!("{about}{g:.1}G"),
        _ => format!("{about}{:.0}G", g.min(9999.0)),
    }
}

/// How sure the set is, in a line of its own.
pub fn exactness(s: &Service) -> String {
    format!("{}: {}", s.name, crate::report::human::exactness(&s.exactness))
}

/// In which order lines stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By name.
    #[default]
    Name,
    /// What takes most of the processors is first.
    Cpu,
    /// What has most memory.
    Rss,
    /// What has most processes.
    Processes,
    /// What forks most.
    Forks,
}

impl Order {
    /// The one after it.
    pub fn next(self) -> Self {
        match self {
            Self::Name => Self::Cpu,
            Self::Cpu => Self::Rss,
            Self::Rss => Self::Processes,
            Self::Processes => Self::Forks,
            Self::Forks => Self::Name,
        }
    }

    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Cpu => "CPU",
            Self::Rss => "RSS",
            Self::Processes => "processes",
            Self::Forks => "forks",
        }
    }

    /// Puts lines, which are by name, into this order.
    pub fn put(self, rows: &mut [Row]) {
        let usage = |r: &Row, what: fn(Usage) -> Option<f64>| r.usage.and_then(what).unwrap_or(-1.0);
        let key = |r: &Row| match self {
            Self::Name => 0.0,
            Self::Cpu => usage(r, |u| u.cpu),
            Self::Rss => usage(r, |u| Some(u.rss as f64)),
            Self::Processes => r.service.counts.processes as f64,
            Self::Forks => usage(r, |u| u.forks),
        };
        rows.sort_by(|a, b| key(b).total_cmp(&key(a)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_fit() {
        for width in [LEAST.0, 60, 79, 80, 132, 1000] {
            let cells = head(width);
            assert!(cells.iter().all(|(x, wide, _)| x + wide <= width), "{width}: {cells:?}");
            assert!(cells.windows(2).all(|c| c[0].0 + c[0].1 < c[1].0), "{width}: {cells:?}");
            assert!(cells[0].1 >= NAME - 1 && cells.len() > 4, "{width}: {cells:?}");
        }
        assert_eq!(head(80).len(), COLUMNS.len() + 1);
    }

    #[test]
    fn figures_fit() {
        for n in [0.0, 0.04, 99.95, 999.9, 12_345.6, 1e6, 1e12, f64::MAX] {
            let text = rate(Some(n), false);
            assert!(text.len() <= 6, "{n}: {text}");
        }
        for n in [0, 1023, 1024, 1 << 20, 1023 << 20, 1 << 34, u64::MAX] {
            assert!(bytes(n, true).len() <= 6, "{n}: {}", bytes(n, true));
        }
        assert_eq!((rate(None, true), rate(Some(1.25), true)), ("-".into(), "~1.2".into()));
        assert_eq!((bytes(34 << 20, false), bytes(3 << 29, true)), ("34M".into(), "~1.5G".into()));
    }
}

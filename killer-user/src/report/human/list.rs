//! `list`: a table.

use super::{BOLD, age, last, paint, unnamed};
use crate::report::Style;
use crate::report::escape::{cut, text};
use crate::report::model::Services;

/// So many characters of a command are shown.
const WIDE: usize = 40;

/// A command without the directory of its program.
fn short(command: &str) -> &str {
    let program = command.split(' ').next().unwrap_or_default();
    &command[program.rfind('/').map_or(0, |i| i + 1)..]
}

/// `list`
pub fn services(l: &Services, s: &Style) -> String {
    if l.services.is_empty() {
        return last(s, format!("no services are tracked\n{}", unnamed(&l.host_reasons, s)));
    }
    let head = ["NAME", "STATE", "MAIN", "PROCESSES", "TASKS", "EVER", "AGE", "INSIDE", "EXACT", "COMMAND"]
        .map(String::from);
    let mut rows = vec![head.to_vec()];
    for x in &l.services {
        rows.push(vec![
            text(&x.name),
            match x.left_over {
                0 => x.state.clone(),
                n => format!("{} +{n} left over", x.state),
            },
            x.main_pid.map_or("-".into(), |p| p.to_string()),
            x.counts.processes.to_string(),
            x.counts.tasks.to_string(),
            if x.ever_at_least { format!("{}+", x.ever) } else { x.ever.to_string() },
            age(x.age_s),
            x.inside.as_deref().map_or("-".into(), text),
            if x.exactness.exact {
                "yes".into()
            } else {
                let v: Vec<&str> = x.exactness.reasons.iter().map(|r| r.code.as_str()).collect();
                format!("no ({})", v.join(", "))
            },
            x.command.as_deref().map_or("-".into(), |c| cut(short(c), WIDE)),
        ]);
    }
    let width: Vec<usize> =
        (0..head.len()).map(|c| rows.iter().map(|r| r[c].chars().count()).max().unwrap_or(0)).collect();
    let mut out = String::new();
    for (i, r) in rows.iter().enumerate() {
        let cells: Vec<String> = r.iter().zip(&width).map(|(c, w)| format!("{c:<w$}", w = *w)).collect();
        let line = cells.join("  ");
        let line = line.trim_end();
        out.push_str(&if i == 0 { paint(s, BOLD, line) } else { line.to_owned() });
        out.push('\n');
    }
    out.push_str(&unnamed(&l.host_reasons, s));
    last(s, out)
}

//! Figures in the text format of Prometheus (version 0.0.4), which OpenMetrics readers take as well.

use std::fmt::Write;

/// What a family counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, until the tracker is loaded anew.
    Counter,
    /// It may fall.
    Gauge,
}

/// Samples of one name.
#[derive(Clone, Debug)]
pub struct Family {
    /// Its name, without labels.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub help: &'static str,
    /// What it counts.
    pub kind: Kind,
    /// Labels and value of each.
    pub samples: Vec<(Vec<(&'static str, String)>, f64)>,
}

/// The whole text.
pub fn text(families: &[Family]) -> String {
    let mut out = String::new();
    for f in families.iter().filter(|f| !f.samples.is_empty()) {
        let kind = match f.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        let _ = writeln!(out, "# HELP {} {}\n# TYPE {} {kind}", f.name, f.help, f.name);
        for (labels, value) in &f.samples {
            let labels: Vec<String> = labels.iter().map(|(k, v)| format!("{k}=\"{}\"", quoted(v))).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let _ = writeln!(out, "{}{labels} {value}", f.name);
        }
    }
    out
}

/// A value of a label: what the format escapes, and no control character besides.
fn quoted(text: &str) -> String {
    super::escape::text(text).replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_format_has_it() {
        let of = |name, samples| Family { name, help: "What it is.", kind: Kind::Gauge, samples };
        let hostile = vec![("service", "a\"b\\\n\u{1b}".to_owned())];
        let families =
            [of("killer_up", vec![(vec![], 1.0)]), of("none", vec![]), of("x", vec![(hostile, 0.25)])];
        assert_eq!(
            text(&families),
            "# HELP killer_up What it is.\n# TYPE killer_up gauge\nkiller_up 1\n# HELP x What it is.\n# TYPE x gauge\n\
             x{service=\"a\\\"b\\\\\\\\x0a\\\\x1b\"} 0.25\n"
        );
    }
}

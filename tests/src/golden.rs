//! Golden files: what a command printed, with all that differs from run to run taken out.

use crate::output::Out;
use serde_json::Value;
use snapbox::assert::DEFAULT_ACTION_ENV;
use snapbox::data::DataFormat;
use snapbox::{Assert, Data};
use std::path::Path;

/// JSON numbers that are the same in every run.
const STEADY: &[&str] =
    &["processes", "tasks", "signal", "schema", "version", "depth", "exit_code", "signalled"];
/// What may follow a number that is a time.
const UNITS: &[&str] = &["ns", "us", "µs", "ms", "min", "h", "s", "d"];
/// JSON values that depend on the kernel.
const OF_THE_KERNEL: &[&str] = &["gates", "tier"];

/// Words to replace, and the places of golden files.
#[derive(Debug, Default)]
pub struct Golden {
    known: Vec<(String, String)>,
}

impl Golden {
    /// Replaces `text`, where it stands as a word of its own, by `[NAME]`.
    pub fn known(&mut self, text: impl ToString, name: &str) -> &mut Golden {
        self.known.push((text.to_string(), format!("[{name}]")));
        self.known.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        self
    }

    /// Compares with `golden/NAME.txt`; with `SNAPSHOTS=overwrite` the file is written instead.
    #[track_caller]
    pub fn check(&self, name: &str, out: &Out) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(format!("{name}.txt"));
        let args = out.args.join(" ").escape_debug().to_string().replace("\\\"", "\"");
        let mut text = format!("$ killer {}\n", self.plain(&args));
        for (stream, content) in [("", &out.stdout), ("--- stderr\n", &out.stderr)] {
            if !content.is_empty() {
                text.push_str(stream);
                text.push_str(&self.normal(content));
            }
        }
        text.push_str(&format!("--- exit {}\n", out.exit()));
        // snapbox takes the ends of lines of other systems for the same, and does not look at patterns in what is raw.
        assert!(!text.contains('\r'), "{name}: a carriage return\n{text:?}");
        let want = Data::read_from(&path, Some(DataFormat::Text)).raw();
        Assert::new().action_env(DEFAULT_ACTION_ENV).eq(text, want);
    }

    fn normal(&self, text: &str) -> String {
        match serde_json::from_str::<Value>(text) {
            Ok(mut json) if !json.is_number() => {
                crate::output::late_reaping(&mut json);
                self.json(&mut json, "");
                let text = serde_json::to_string_pretty(&json).expect("JSON");
                format!("{text}\n")
            }
            _ => {
                let kept: String = text
                    .split_inclusive('\n')
                    // Nor is what others on the host have open.
                    .filter(|l| !l.starts_with("  cgroup ") && !l.starts_with("outside: "))
                    .map(|l| self.uncut(l))
                    .collect();
                let plain = self.plain(&kept);
                if plain == kept { plain } else { plain.split_inclusive('\n').map(narrow).collect() }
            }
        }
    }

    /// A command that was cut: where depends on how long the path before it is.
    fn uncut(&self, line: &str) -> String {
        let paths = self.known.iter().map(|(text, _)| text).filter(|t| t.starts_with('/'));
        match paths.filter_map(|p| line.find(p.as_str())).min() {
            Some(at) if line.trim_end().ends_with("...") => format!("{}[COMMAND]\n", &line[..at]),
            _ => line.to_owned(),
        }
    }

    fn json(&self, value: &mut Value, key: &str) {
        match value {
            // Hashes of times and numbers.
            Value::String(text) if ["id", "head"].contains(&key) => {
                *text = format!("[{}]", key.to_uppercase())
            }
            _ if OF_THE_KERNEL.contains(&key) => *value = Value::String(format!("[{}]", key.to_uppercase())),
            // What others on the host have open.
            Value::Object(_) if key == "outside" => *value = Value::String("[OUTSIDE]".into()),
            Value::Object(map) => map.iter_mut().for_each(|(key, v)| self.json(v, key)),
            Value::Array(list) => {
                // What the host does with cgroups is not ours.
                list.retain(|v| v["way"] != "cgroup");
                list.iter_mut().for_each(|v| self.json(v, key));
            }
            Value::Number(n) if !STEADY.contains(&key) => {
                let known = self.known.iter().find(|(text, _)| *text == n.to_string());
                *value = Value::String(known.map_or("[N]".into(), |(_, name)| name.clone()));
            }
            Value::String(text) => *text = self.plain(text),
            _ => {}
        }
    }

    /// Known words first; then dates, times of day, durations and long numbers.
    fn plain(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let before = out.chars().next_back().is_some_and(|c| c.is_alphanumeric());
            let word = |n: usize| !before && !rest[n..].starts_with(|c: char| c.is_ascii_digit());
            if let Some((text, name)) =
                self.known.iter().find(|(t, _)| rest.starts_with(t.as_str()) && word(t.len()))
            {
                out.push_str(name);
                rest = &rest[text.len()..];
            } else if c.is_ascii_digit() && !before {
                let (name, length) = number(rest);
                out.push_str(if name.is_empty() { &rest[..length] } else { name });
                rest = &rest[length..];
            } else {
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
        out
    }
}

/// Columns are as wide as what was taken out of them: their blanks say nothing.
fn narrow(line: &str) -> String {
    let (blanks, rest) = line.split_at(line.len() - line.trim_start_matches(' ').len());
    let mut out = blanks.to_owned();
    for c in rest.chars() {
        if c != ' ' || !out.ends_with("  ") {
            out.push(c);
        }
    }
    out
}

/// What the number at the beginning of `text` is (nothing when it stays as it is), and how long.
fn number(text: &str) -> (&'static str, usize) {
    let digits = |t: &str| t.bytes().take_while(u8::is_ascii_digit).count();
    let first = digits(text);
    let mixed = text.bytes().take_while(|b| b.is_ascii_digit() || b"-:.".contains(b)).count();
    let mixed = text[..mixed].trim_end_matches(['-', ':', '.']).len();
    match text[..mixed].split(['-', ':']).collect::<Vec<_>>()[..] {
        [y, m, d] if text[..mixed].contains('-') && (y.len(), m.len(), d.len()) == (4, 2, 2) => {
            // RFC 3339: `T21:12:16+00:00`.
            let time = text[mixed..].strip_prefix('T').map_or(0, |t| {
                1 + t.bytes().take_while(|b| b.is_ascii_digit() || b"-+:.Z".contains(b)).count()
            });
            return ("[DATE]", mixed + time);
        }
        [h, m, s] if text[..mixed].contains(':') && h.len() == 2 && m.len() == 2 && s.len() >= 2 => {
            return ("[TIME]", mixed);
        }
        _ => {}
    }
    let mut length = first;
    if text[first..].starts_with('.') && digits(&text[first + 1..]) > 0 {
        length += 1 + digits(&text[first + 1..]);
    }
    let after = text[length..].strip_prefix(' ').unwrap_or(&text[length..]);
    let unit = UNITS.iter().find(|u| {
        after.strip_prefix(**u).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
    });
    match unit {
        Some(unit) => ("[DURATION]", text.len() - after.len() + unit.len()),
        None if first >= 5 => ("[N]", first),
        None => ("", length),
    }
}

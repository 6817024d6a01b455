//! A rule as the text of a file.

/// A string of TOML.
fn quoted(s: &str) -> String {
    let mut out = String::from("\"");
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", c as u32)),
            c => out.push(c),
        }
    }
    out + "\""
}

/// A rule with these fields, in this order: one without words is left out, one with several is a list.
pub fn written(fields: &[(&str, Vec<String>)]) -> String {
    let mut out = String::from("[[rule]]\n");
    let width = fields.iter().filter(|f| !f.1.is_empty()).map(|f| f.0.len()).max().unwrap_or(0);
    for (field, words) in fields.iter().filter(|f| !f.1.is_empty()) {
        let value = match &words[..] {
            [one] => quoted(one),
            more => format!("[{}]", more.iter().map(|w| quoted(w)).collect::<Vec<_>>().join(", ")),
        };
        out.push_str(&format!("{field:<width$} = {value}\n"));
    }
    out
}

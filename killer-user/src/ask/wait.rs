//! What `--wait` waits for: `SPAN`, `reaped`, `reaped:SPAN`.

use super::span::{self, Span};

/// How long, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// At most so long.
    pub span: Span,
    /// Until the numbers of all are free as well: their parents have reaped them.
    pub reaped: bool,
}

/// Parses it. The error is text.
pub fn parse(text: &str) -> Result<Wait, String> {
    let Some(rest) = text.strip_prefix("reaped") else {
        return Ok(Wait { span: span::parse(text)?, reaped: false });
    };
    let span = match rest.strip_prefix(':') {
        Some(span) => span::parse(span)?,
        None if rest.is_empty() => Span::Infinity,
        None => return Err(format!("bad time span '{}'", text.escape_debug())),
    };
    Ok(Wait { span, reaped: true })
}

/// The same where "released" is waited for anyway.
pub fn parse_reaped(text: &str) -> Result<Wait, String> {
    match parse(text)? {
        w if w.reaped => Ok(w),
        _ => {
            Err("until everything is released it waits anyway; 'reaped[:SPAN]' is what can be asked for"
                .into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn forms() {
        let s5 = Span::Finite(Duration::from_secs(5));
        assert_eq!(parse("5s"), Ok(Wait { span: s5, reaped: false }));
        assert_eq!(parse("infinity"), Ok(Wait { span: Span::Infinity, reaped: false }));
        assert_eq!(parse("reaped"), Ok(Wait { span: Span::Infinity, reaped: true }));
        assert_eq!(parse("reaped:5s"), Ok(Wait { span: s5, reaped: true }));
        for bad in ["reaped5s", "reaped:", "reaped:soon", "reap", "", ":5s"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse_reaped("5s").is_err() && parse_reaped("reaped").is_ok());
    }
}

//! The value of `--value=`: decimal, `0x`, `0o`, `0b`, with a sign.

/// Parses it. The error is text.
pub fn parse(text: &str) -> Result<i32, String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(d) => (-1i64, d),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.get(..2) {
        Some("0x" | "0X") => (16, &digits[2..]),
        Some("0o" | "0O") => (8, &digits[2..]),
        Some("0b" | "0B") => (2, &digits[2..]),
        _ => (10, digits),
    };
    let plain = !digits.is_empty() && digits.len() <= 32 && digits.chars().all(|c| c.is_digit(radix));
    let n = plain.then(|| i64::from_str_radix(digits, radix).ok()).flatten().map(|n| n * sign);
    // As sigqueue(3) takes it: an int; 0xffffffff is -1.
    match n {
        Some(n) if i32::try_from(n).is_ok() => Ok(n as i32),
        Some(n) if sign > 0 && radix != 10 && u32::try_from(n).is_ok() => Ok(n as u32 as i32),
        _ => Err(format!("bad value '{}'", text.escape_debug())),
    }
}

/// systemd's words for a value with a signal that cannot carry one.
pub const NOT_REAL_TIME: &str = "Value parameter only accepted for realtime signals (SIGRTMIN…SIGRTMAX)";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values() {
        for (t, n) in [
            ("5", 5),
            ("-5", -5),
            ("0x10", 16),
            ("0o17", 15),
            ("0b101", 5),
            ("0xffffffff", -1),
            ("2147483647", i32::MAX),
        ] {
            assert_eq!(parse(t), Ok(n), "{t}");
        }
        for t in ["", "x", "0x", "2147483648", "5 ", "0b2", "--5", "é", "0é"] {
            assert!(parse(t).is_err(), "{t}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(s in ".{0,40}") {
            let _ = parse(&s);
        }

        #[test]
        fn every_int_in_every_base(n in any::<i32>()) {
            let sign = if n < 0 { "-" } else { "" };
            let m = n.unsigned_abs();
            for text in [format!("{sign}{m}"), format!("{sign}0x{m:x}"), format!("{sign}0X{m:X}"), format!("{sign}0o{m:o}"),
                format!("{sign}0b{m:b}"), format!("{sign}0b{m:032b}")] {
                prop_assert_eq!(parse(&text), Ok(n), "{}", text);
            }
            // The bits of a negative one.
            prop_assert_eq!(parse(&format!("{:#x}", n as u32)), Ok(n));
        }

        #[test]
        fn nothing_beyond_an_int(n in any::<i64>()) {
            prop_assert_eq!(parse(&n.to_string()).ok().map(i64::from), i32::try_from(n).ok().map(i64::from));
        }
    }
}

//! `PID[:INODE]`: a process, and its pidfs inode where it has to be that very one.

/// The kernel's own limit (PID_MAX_LIMIT).
const PID_MAX: u32 = 1 << 22;

/// Parses a PID. The error is text.
pub fn pid(text: &str) -> Result<u32, String> {
    digits(text)
        .filter(|p| (1..=u64::from(PID_MAX)).contains(p))
        .and_then(|p| u32::try_from(p).ok())
        .ok_or_else(|| format!("bad PID '{}'", text.escape_debug()))
}

/// Parses a PID, with or without an inode. The error is text.
pub fn parse(text: &str) -> Result<(u32, Option<u64>), String> {
    match text.split_once(':') {
        None => Ok((pid(text)?, None)),
        Some((p, i)) => {
            let inode = digits(i).filter(|&i| i > 0);
            Ok((pid(p)?, Some(inode.ok_or_else(|| format!("bad inode '{}'", i.escape_debug()))?)))
        }
    }
}

/// Only digits: `parse` of std would take a sign.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pids_and_inodes() {
        assert_eq!(parse("1"), Ok((1, None)));
        assert_eq!(parse("4194304:77"), Ok((4_194_304, Some(77))));
        for bad in [
            "",
            "0",
            "-5",
            "+5",
            "1x",
            "4194305",
            "99999999999999999999",
            "5:",
            "5:x",
            "5:+3",
            "5:0",
            ":5",
            "5:6:7",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(s in "[0-9:+ -]{0,24}|.{0,24}") {
            if let Ok((p, _)) = parse(&s) {
                prop_assert!((1..=PID_MAX).contains(&p));
            }
        }

        #[test]
        fn what_is_written_is_read(p in 1..=PID_MAX, i in 1..=u64::MAX) {
            prop_assert_eq!(parse(&p.to_string()), Ok((p, None)));
            prop_assert_eq!(parse(&format!("{p}:{i}")), Ok((p, Some(i))));
        }
    }
}

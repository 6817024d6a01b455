//! The fuse of `--max` and `--max-share`: an order that is for more processes than was meant does nothing.

/// A part of a whole, in hundredths of a percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(pub u32);

/// All of it.
const WHOLE: u64 = 10_000;

impl Share {
    /// So many of `all` at most.
    pub fn of(self, all: u64) -> u64 {
        (u128::from(all) * u128::from(self.0) / u128::from(WHOLE)) as u64
    }

    /// The least share that lets `part` of `all` through, in words; `None`: there is none.
    pub fn least(part: u64, all: u64) -> Option<String> {
        let hundredths = (part.checked_mul(WHOLE)?).div_ceil(all.max(1));
        // Whole percents are what people type.
        let percent = hundredths.div_ceil(100);
        (percent <= 100).then(|| format!("{percent}%"))
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}%"),
            (whole, part) => write!(f, "{}%", format!("{whole}.{part:02}").trim_end_matches('0')),
        }
    }
}

/// How many processes an order may be for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fuse {
    /// So many at most.
    pub max: Option<u64>,
    /// At most this share of the host's live processes.
    pub share: Option<Share>,
    /// So many were signalled before, in other services of the same call.
    pub used: u64,
}

impl Fuse {
    /// True when nothing limits the order.
    pub fn is_off(&self) -> bool {
        self.max.is_none() && self.share.is_none()
    }
}

/// Reads `--max`: a number. The error is text.
pub fn max(text: &str) -> Result<u64, String> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let n = if digits { text.parse().ok() } else { None };
    n.ok_or_else(|| format!("bad number '{}'", text.escape_debug()))
}

/// Reads `--max-share`: `20%`, `0.5%`. Without its sign a number could be meant as a part of 1. The error is text.
pub fn share(text: &str) -> Result<Share, String> {
    let bad = || format!("bad share '{}'", text.escape_debug());
    let number = text.strip_suffix('%').ok_or_else(bad)?;
    let (whole, part) = number.split_once('.').map_or((number, None), |(w, p)| (w, Some(p)));
    let digits = |t: &str| (1..=3).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || part.is_some_and(|p| !digits(p) || p.len() > 2) {
        return Err(bad());
    }
    let part = part.map_or(0, |p| format!("{p:0<2}").parse().unwrap_or(0));
    let hundredths = whole.parse::<u32>().map_err(|_| bad())? * 100 + part;
    if u64::from(hundredths) > WHOLE { Err(bad()) } else { Ok(Share(hundredths)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shares() {
        for (t, n) in
            [("20%", 2000), ("0%", 0), ("100%", 10_000), ("0.5%", 50), ("12.25%", 1225), ("7.05%", 705)]
        {
            assert_eq!(share(t), Ok(Share(n)), "{t}");
            assert_eq!(Share(n).to_string(), t);
        }
        for t in
            ["", "%", "20", "0.2", "101%", "100.01%", "-1%", "1.%", ".5%", "1.234%", "1e1%", "20 %", "é%"]
        {
            assert!(share(t).is_err(), "{t}");
        }
        assert_eq!((max("0"), max("17")), (Ok(0), Ok(17)));
        for t in ["", "-1", "+1", "1.5", "0x10", "99999999999999999999", "all"] {
            assert!(max(t).is_err(), "{t}");
        }
    }

    proptest! {
        #[test]
        fn the_least_share_lets_through(part in 0u64..1_000_000, more in 0u64..1_000_000) {
            let all = part + more;
            let least = Share::least(part, all);
            if all > 0 {
                let least = share(&least.expect("100% is all")).expect("a share");
                prop_assert!(least.of(all) >= part);
            }
            prop_assert_eq!(Share::least(all + 1, all.max(1)), if all == 0 { Some("100%".into()) } else { None });
        }
    }
}

//! A moment as people and documents have it. Its text needs the time zone's file, so it is made when it is shown, not before.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::sys::clock;

/// A moment, in ns of CLOCK_BOOTTIME; 0: not known. Its text is RFC 3339 in the local zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment(pub u64);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return Ok(());
        }
        let ago = clock::boottime_ns().saturating_sub(self.0);
        let now = jiff::Timestamp::now();
        let ago = jiff::SignedDuration::from_nanos(ago.min(i64::MAX as u64) as i64);
        let zoned = now.checked_sub(ago).unwrap_or(now).to_zoned(jiff::tz::TimeZone::system());
        write!(f, "{}", zoned.strftime("%Y-%m-%dT%H:%M:%S%:z"))
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_and_never() {
        let now = Moment(clock::boottime_ns()).to_string();
        let there: jiff::Timestamp = now.parse().expect("RFC 3339");
        assert!(jiff::Timestamp::now().duration_since(there).as_secs() < 60, "{now}");
        assert_eq!(serde_json::to_string(&Moment::default()).expect("text"), "\"\"");
    }
}

//! An event as Timesketch reads it: a line of JSON with `message`, `datetime` and `timestamp_desc`.

use serde_json::{Map, Value};

use crate::report::escape;
use crate::report::model::BothClocks;

/// One moment by two clocks, ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Since 1970.
    pub realtime: i64,
    boottime: u64,
}

impl Times {
    /// Of a document; `None` where it has no such moment.
    pub fn of(at: &BothClocks) -> Option<Self> {
        let t: jiff::Timestamp = at.realtime.parse().ok()?;
        Some(Self { realtime: i64::try_from(t.as_nanosecond()).ok()?, boottime: at.boottime })
    }

    /// When that was by CLOCK_REALTIME, as the two clocks stood then.
    pub fn of_boottime(&self, ns: u64) -> Option<i64> {
        let ago = i64::try_from(self.boottime).ok()?.checked_sub(i64::try_from(ns).ok()?)?;
        self.realtime.checked_sub(ago)
    }
}

/// One.
#[derive(Debug)]
pub struct Event<'a> {
    /// When: ns since 1970.
    pub ns: i64,
    /// What happened then.
    pub what: &'a str,
    /// In words.
    pub message: String,
    /// Of which kind.
    pub kind: &'a str,
    /// Where.
    pub host: &'a str,
    /// Of which service.
    pub service: &'a str,
    /// Anything else.
    pub more: &'a [(&'a str, String)],
}

impl Event<'_> {
    /// Its line; `None` for a time that there is not.
    pub fn line(&self) -> Option<String> {
        let at = jiff::Timestamp::from_nanosecond(self.ns.into()).ok()?;
        let mut all = Map::new();
        let mut put = |key: &str, value: Value| all.insert(key.to_owned(), value);
        put("message", self.message.clone().into());
        put("datetime", at.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string().into());
        put("timestamp", (self.ns.div_euclid(1000)).into());
        put("timestamp_desc", self.what.into());
        put("data_type", self.kind.into());
        put("hostname", self.host.into());
        put("service", self.service.into());
        for (key, value) in self.more {
            put(key, value.clone().into());
        }
        Some(escape::json(&Value::from(all).to_string()) + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line() {
        let more = [("filename", "a\x1b\n".to_owned())];
        let (message, what) = ("a".to_owned(), "Creation Time");
        let e = Event {
            ns: 1_500_000_123_456_789_012,
            what,
            message,
            kind: "k",
            host: "h",
            service: "s",
            more: &more,
        };
        let line = e.line().expect("a time");
        assert!(line.ends_with("}\n") && !line.trim_end().contains(char::is_control), "{line:?}");
        let v: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(v["datetime"], "2017-07-14T02:42:03.456789+00:00");
        assert_eq!(v["timestamp"], 1_500_000_123_456_789_i64);
        assert!(Event { ns: i64::MAX, ..e }.line().is_some());
    }

    #[test]
    fn starts_by_the_other_clock() {
        let at = BothClocks { boottime: 10_000_000_000, realtime: "2026-11-30T12:00:10Z".into() };
        let t = Times::of(&at).expect("a moment");
        assert_eq!(t.of_boottime(0), Some(t.realtime - 10_000_000_000));
        assert_eq!(t.of_boottime(u64::MAX), None);
        assert_eq!(Times::of(&BothClocks::default()), None);
    }
}

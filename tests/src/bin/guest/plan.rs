//! What the host wants of this boot.

use std::collections::BTreeMap;

/// As whom the tests run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum As {
    /// root, in the initial namespaces.
    #[default]
    Root,
    /// A user without any privilege.
    Nobody,
    /// root in a PID namespace of its own.
    PidNamespace,
}

/// `/plan`.
#[derive(Debug, Default)]
pub struct Plan {
    values: BTreeMap<String, String>,
    /// Files below `/proc/sys` and what to write.
    pub sysctls: Vec<(String, String)>,
    /// Variables for the tests.
    pub env: Vec<(String, String)>,
    /// Only tests with one of these in `binary::test`.
    pub filters: Vec<String>,
    /// Not those.
    pub skips: Vec<String>,
    /// As whom.
    pub run_as: As,
}

impl Plan {
    /// Reads it; without one, everything is as usual.
    pub fn read() -> Plan {
        let mut plan = Plan::default();
        for line in std::fs::read_to_string("/plan").unwrap_or_default().lines() {
            let Some((key, value)) = line.split_once('=') else { continue };
            let pair = || value.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()));
            match key {
                "sysctl" => plan.sysctls.extend(pair()),
                "env" => plan.env.extend(pair()),
                "filter" => plan.filters.push(value.into()),
                "skip" => plan.skips.push(value.into()),
                "as" if value == "nobody" => plan.run_as = As::Nobody,
                "as" if value == "pid-namespace" => plan.run_as = As::PidNamespace,
                _ => drop(plan.values.insert(key.into(), value.into())),
            }
        }
        plan
    }

    /// The value of a key, or nothing.
    pub fn get(&self, key: &str) -> &str {
        self.values.get(key).map_or("", String::as_str)
    }

    /// A number, or what stands in for it.
    pub fn number(&self, key: &str, default: u64) -> u64 {
        self.get(key).parse().unwrap_or(default)
    }

    /// Is this test wanted?
    pub fn wants(&self, test: &str) -> bool {
        // `tiers::` is a binary, and not `user_tiers::`.
        let fits =
            |w: &String| if w.contains("::") { test.starts_with(w) } else { test.contains(w.as_str()) };
        let any = |list: &[String]| list.iter().any(fits);
        (self.filters.is_empty() || any(&self.filters)) && !any(&self.skips)
    }
}

//! What a guest has said on its console, understood. The other side is the `guest` program of the tests.

use std::collections::BTreeMap;

use crate::tally::Tally;

/// How one test went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// In order.
    Passed,
    /// Not in order.
    Failed,
    /// Not done in its time.
    TooLong,
    /// It never said: the guest died or hung below it.
    Lost,
    /// Not possible here, and why.
    Skipped(String),
}

/// A whole console.
#[derive(Debug, Default)]
pub struct Transcript {
    /// Did user space begin?
    pub up: bool,
    /// Did the guest get to its end?
    pub ended: bool,
    /// Did the kernel switch the machine off?
    pub off: bool,
    /// `uname -r`.
    pub release: String,
    /// What the guest found out about itself.
    pub facts: BTreeMap<String, String>,
    /// Tests in the order of their ends, with the time each took in ms.
    pub tests: Vec<(String, Outcome, u64)>,
    /// How the other ways did: adversary, way, outcome.
    pub peers: Vec<[String; 3]>,
    /// Figures that tests gave: `NAME JSON`.
    pub figures: Vec<String>,
    /// What a failed test printed.
    pub output: Vec<String>,
    /// Lines of the kernel's that say that it is not well.
    pub troubles: Vec<String>,
}

/// What a kernel says when it is not well.
const TROUBLES: [&str; 7] = [
    "Kernel panic",
    "BUG:",
    "Oops:",
    "WARNING: ",
    "soft lockup",
    "detected stall",
    "general protection fault",
];

impl Transcript {
    /// Reads a console.
    pub fn parse(console: &str) -> Transcript {
        let mut it = Transcript::default();
        let mut running: Vec<String> = Vec::new();
        for line in console.lines().map(|l| l.trim_end_matches('\r')) {
            let Some((_, said)) = line.split_once("@kt ") else {
                it.off |= line.contains("reboot: Power down");
                if TROUBLES.iter().any(|t| line.contains(t)) && by_the_kernel(line) {
                    it.troubles.push(line.trim().to_owned());
                }
                continue;
            };
            let (word, rest) = said.split_once(' ').unwrap_or((said, ""));
            let mut parts = rest.splitn(3, ' ');
            let (first, second, third) =
                (parts.next().unwrap_or(""), parts.next().unwrap_or(""), parts.next().unwrap_or(""));
            match word {
                "up" => (it.up, it.release) = (true, rest.into()),
                "end" => it.ended = true,
                "figures" => it.figures.push(rest.into()),
                "out" => it.output.push(rest.into()),
                "fact" => {
                    let text = rest.split_once(' ').map_or("", |(_, text)| text);
                    it.facts.insert(first.into(), text.into());
                }
                "peer" => it.peers.extend(peer(rest)),
                "run" => running.push(first.into()),
                "ok" | "failed" | "timeout" | "skipped" => {
                    running.retain(|r| r != first);
                    let outcome = match word {
                        "ok" => Outcome::Passed,
                        "failed" => Outcome::Failed,
                        "timeout" => Outcome::TooLong,
                        _ => Outcome::Skipped(third.into()),
                    };
                    it.tests.push((first.into(), outcome, second.parse().unwrap_or(0)));
                }
                _ => {}
            }
        }
        it.tests.extend(running.into_iter().map(|r| (r, Outcome::Lost, 0)));
        it
    }

    /// Counted.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for (_, outcome, _) in &self.tests {
            tally += match outcome {
                Outcome::Passed => Tally::PASSED,
                Outcome::Skipped(_) => Tally::SKIPPED,
                _ => Tally::FAILED,
            };
        }
        tally
    }

    /// Every test in a line of its own, with the first words of one that failed.
    pub fn lines(&self) -> Vec<String> {
        let line = |(test, outcome, ms): &(String, Outcome, u64)| match outcome {
            Outcome::Passed => format!("ok {test} ({ms} ms)"),
            Outcome::Skipped(reason) => format!("skipped {test}: {reason}"),
            Outcome::TooLong => format!("FAILED {test}: took too long"),
            Outcome::Lost => format!("FAILED {test}: took the guest down"),
            Outcome::Failed => format!("FAILED {test}: {}", self.why(test)),
        };
        self.tests.iter().map(line).collect()
    }

    /// What a test said when it panicked.
    fn why(&self, test: &str) -> &str {
        let of = test.split_once("::").map_or(test, |(_, name)| name);
        let mut said = self.output.iter().filter_map(|l| l.strip_prefix(of)?.strip_prefix(": "));
        let _ = said.find(|l| l.contains("panicked at"));
        said.next().unwrap_or("it failed")
    }

    /// Names of tests that were not in order.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.tests.iter().filter_map(|(name, outcome, _)| {
            let what = match outcome {
                Outcome::Failed => "failed",
                Outcome::TooLong => "took too long",
                Outcome::Lost => "took the guest down",
                Outcome::Passed | Outcome::Skipped(_) => return None,
            };
            Some((name.as_str(), what))
        })
    }

    /// Reasons of skips and how many tests gave each.
    pub fn skips(&self) -> BTreeMap<&str, usize> {
        let mut reasons = BTreeMap::new();
        for (_, outcome, _) in &self.tests {
            if let Outcome::Skipped(reason) = outcome {
                *reasons.entry(reason.as_str()).or_default() += 1;
            }
        }
        reasons
    }

    /// `killer doctor -o json`.
    pub fn doctor(&self) -> serde_json::Value {
        self.facts.get("doctor").and_then(|d| serde_json::from_str(d).ok()).unwrap_or_default()
    }

    /// The tier that doctor names.
    pub fn tier(&self) -> String {
        self.doctor()["tier"].as_str().unwrap_or("?").to_owned()
    }
}

/// Has the line a stamp of the kernel's, `[   12.345678]`? An init warns, too.
fn by_the_kernel(line: &str) -> bool {
    line.split('[').skip(1).filter_map(|rest| rest.split_once(']')).any(|(stamp, _)| {
        let parts = stamp.trim_start().split_once('.');
        parts.is_some_and(|(s, us)| [s, us].iter().all(|n| n.parse::<u64>().is_ok()))
    })
}

fn peer(line: &str) -> Option<[String; 3]> {
    let mut parts = line.splitn(3, '|').map(str::to_owned);
    Some([parts.next()?, parts.next()?, parts.next()?])
}

#[cfg(test)]
mod tests {
    use super::{Outcome, Transcript};
    use crate::tally::Tally;

    const CONSOLE: &str = "SeaBIOS\n\u{1b}[2J@kt up 6.1.0-56-cloud-amd64\r\n@kt fact lsm lockdown,bpf\r\n\
        @kt run run::a\n@kt ok run::a 12\n@kt run run::b\n[    4.0] WARNING: CPU: 0\n@kt out b: panicked\n\
        @kt failed run::b 13\n@kt run run::c\n@kt skipped run::c 5 no such user\n\
        \0WARNING: -f is a noop when runit is init\r\n@kt run run::d\n";

    #[test]
    fn a_console_is_understood() {
        let it = Transcript::parse(CONSOLE);
        assert!(it.up && !it.ended);
        assert_eq!(it.release, "6.1.0-56-cloud-amd64");
        assert_eq!(it.facts["lsm"], "lockdown,bpf");
        assert_eq!(it.tally(), Tally { passed: 1, failed: 2, skipped: 1 });
        assert_eq!(it.tests[3], ("run::d".into(), Outcome::Lost, 0));
        assert_eq!(
            it.failures().collect::<Vec<_>>(),
            [("run::b", "failed"), ("run::d", "took the guest down")]
        );
        assert_eq!(it.skips().into_iter().collect::<Vec<_>>(), [("no such user", 1)]);
        assert_eq!((it.troubles.len(), it.output.len()), (1, 1));
    }
}

//! `cargo xtask test`: unit tests, then the end-to-end tests against the `killer` that guests have, counted.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::run::{cargo, root, shown};
use crate::tally::Tally;
use crate::{binary, daemons, lanes, tools, watched};

/// `test`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Only tests with this in their name
    #[arg(long, value_name = "WORDS")]
    filter: Option<String>,
    /// Seconds for all tests together, builds not counted
    #[arg(long, value_name = "SECONDS", default_value_t = 1200)]
    timeout: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options { filter: None, timeout: 1200 }
    }
}

/// Builds, tests, counts.
pub fn run(options: &Options) -> Result<Tally> {
    // What the end-to-end tests lack they say themselves, as a skip; a hint how to get it is worth more beforehand.
    if let Err(error) = daemons::install() {
        println!("{error:#}");
    }
    tools::components(&["rustfmt", "clippy"])?;
    let killer = binary::for_tests()?;
    let unit = ["killer-common", "killer-user", "xtask"];
    for names in [&unit[..], &["killer-models"], &["killer-tests"]] {
        let mut build = cargo();
        build.args(["test", "--quiet", "--locked", "--no-run"]).args(names.iter().flat_map(|n| ["-p", n]));
        shown(build.current_dir(root()))?;
    }
    let deadline = Instant::now() + Duration::from_secs(options.timeout);
    let mut tally = tests(&unit, options, deadline)?;
    tally += models(options, deadline)?;
    tally += lanes::run("killer-tests", options.filter.as_deref(), deadline, &killer)?;
    clean_up(&killer);
    Ok(tally)
}

/// The models must stay small. Counted in CPU time, so that it holds on a busy machine, too.
const MODELS: Duration = Duration::from_secs(180);

fn models(options: &Options, deadline: Instant) -> Result<Tally> {
    let spent = || -> Result<Duration> {
        let all = getrusage(UsageWho::RUSAGE_CHILDREN)?;
        Ok(Duration::from_micros((all.user_time() + all.system_time()).num_microseconds() as u64))
    };
    let before = spent()?;
    let mut tally = tests(&["killer-models"], options, deadline)?;
    let took = spent()?.saturating_sub(before);
    if took > MODELS {
        println!("FAILED: the models took {} s of CPU time, more than {}", took.as_secs(), MODELS.as_secs());
        tally += Tally::FAILED;
    }
    Ok(tally)
}

/// `cargo test` of some packages, its lines shown and counted.
fn tests(packages: &[&str], options: &Options, deadline: Instant) -> Result<Tally> {
    let mut command = cargo();
    command.args(["test", "--quiet", "--locked", "--no-fail-fast", "--color", "never"]);
    command.args(packages.iter().flat_map(|n| ["-p", n])).args(["--", "--format", "pretty"]);
    command.args(&options.filter).current_dir(root());
    let seen = Mutex::new(Seen::default());
    let hear = |line: &str| seen.lock().unwrap_or_else(|e| e.into_inner()).show(line);
    let ended = watched::run(&mut command, deadline, &hear)?;
    if !ended.in_time {
        println!("FAILED: the tests took too long");
    }
    let seen = seen.into_inner().unwrap_or_else(|e| e.into_inner());
    Ok(seen.tally(ended.success && ended.in_time))
}

/// What libtest and the tests have said.
#[derive(Debug, Default)]
pub struct Seen {
    counted: Tally,
    skips: BTreeSet<String>,
}

impl Seen {
    /// Counts a line, and shows it unless it says that all is well.
    pub fn show(&mut self, line: &str) {
        let passed = line.ends_with(" ... ok") || line.starts_with("running 0 tests") || line.is_empty();
        if !passed {
            println!("{line}");
        }
        self.line(line);
    }

    fn line(&mut self, line: &str) {
        if let Some(skip) = line.split_once("SKIP: ").map(|(_, s)| s) {
            self.skips.insert(skip.split(": ").next().unwrap_or(skip).to_owned());
        }
        // `test result: ok. 4 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s`
        if let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|r| r.split_once(". ")) {
            let count = |what: &str| {
                let n = counts.split("; ").find_map(|c| c.strip_suffix(what)?.trim().parse().ok());
                n.unwrap_or(0)
            };
            self.counted +=
                Tally { passed: count("passed"), failed: count("failed"), skipped: count("ignored") };
        }
    }

    /// To libtest a skipped test has passed.
    pub fn tally(&self, success: bool) -> Tally {
        let skips = self.skips.len().min(self.counted.passed);
        let mut tally = self.counted;
        tally.passed -= skips;
        tally.skipped += skips;
        // A test binary that died says no result.
        if !success && tally.failed == 0 {
            tally.failed = 1;
        }
        tally
    }
}

/// Trackers that wait for another test of this run, and those whose test process has gone without taking them along (a
/// timeout): theirs alone, by the PID in the name.
fn clean_up(killer: &std::path::Path) {
    for entry in std::fs::read_dir("/sys/fs/bpf").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(pid) = name.strip_prefix("killer-test-").and_then(|n| n.split('-').next()) else { continue };
        let Ok(number) = pid.parse::<u32>() else { continue };
        if number == std::process::id() || !std::path::Path::new("/proc").join(pid).exists() {
            for args in [&["-q", "-s", "KILL", "*"][..], &["down", "--force"]] {
                let mut command = Command::new(killer);
                command.args(args).env("KILLER_PIN_ROOT", entry.path());
                let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
            }
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Seen;
    use crate::tally::Tally;

    #[test]
    fn counts_what_libtest_says() {
        let mut seen = Seen::default();
        seen.line(
            "test result: ok. 4 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s",
        );
        seen.line("SKIP: cron: no /usr/sbin/cron: apt-get install cron");
        seen.line("SKIP: cron: once more");
        assert_eq!(seen.tally(true), Tally { passed: 3, failed: 0, skipped: 2 });
        assert_eq!(seen.tally(false).failed, 1);
        assert_eq!(seen.tally(true).to_string(), "3 passed, 0 failed, 2 skipped");
    }
}

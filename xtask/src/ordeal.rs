//! The long runs of `tests/src/bin/ordeal`: builds it, runs it, and keeps the tables in docs/ that come from it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::run::{cargo, root};
use crate::tally::Tally;
use crate::{binary, interrupt};

/// The programs of one run.
pub struct Ordeal {
    program: PathBuf,
    killer: PathBuf,
    adversary: PathBuf,
}

impl Ordeal {
    /// Builds what is needed on this host.
    pub fn build() -> Result<Ordeal> {
        ensure!(nix::unistd::geteuid().is_root(), "this needs root");
        let killer = binary::build()?;
        let mut build = cargo();
        build.args(["build", "--release", "--locked", "--quiet", "-p", "killer-tests", "--bins"]);
        build.args(["--message-format", "json-render-diagnostics"]).current_dir(root());
        let out = build.stderr(Stdio::inherit()).output().context("cannot run cargo")?;
        ensure!(out.status.success(), "the ordeal does not build");
        let lines = String::from_utf8_lossy(&out.stdout).into_owned();
        let messages: Vec<Value> = lines.lines().filter_map(|l| serde_json::from_str(l).ok()).collect();
        let find = |name: &str| {
            let mut of = messages.iter().filter(|m| m["target"]["name"] == name);
            of.find_map(|m| m["executable"].as_str().map(PathBuf::from))
                .with_context(|| format!("cargo built no {name}"))
        };
        Ok(Ordeal { program: find("ordeal")?, killer, adversary: find("adversary")? })
    }

    /// Runs one verb on this host; the figures of its last line. A run that says that something was wrong has figures,
    /// too.
    pub fn run(&self, verb: &str, args: &[String], tier: Option<&str>) -> Result<(Value, bool)> {
        interrupt::catch()?;
        let mut command = Command::new(&self.program);
        command.arg(verb).args(args).env("KILLER_BIN", &self.killer).env("KILLER_ADVERSARY", &self.adversary);
        if let Some(tier) = tier {
            command.env("KILLER_TIER", tier);
        }
        let out = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("the ordeal")?;
        let text = String::from_utf8_lossy(&out.stdout);
        match figures(verb, &text) {
            Some(found) => Ok((found, out.status.success())),
            None => bail!("ordeal {verb}: {} without a result\n{text}", out.status),
        }
    }
}

/// Runs a verb in guests, `SERIES` or `SERIES:VARIANT`: each boots, measures by itself, and its figures are recorded.
pub fn guests(
    verb: &str,
    guests: &[String],
    args: &str,
    tier: Option<&str>,
    seconds: u64,
    record: impl Fn(&Value) -> Result<Tally>,
) -> Result<()> {
    let scratch = tempfile::Builder::new().prefix("killer-figures-").tempdir()?;
    let file = scratch.path().join("figures");
    let mut tally = Tally::default();
    // Those of one variant at the same time.
    let mut by_variant: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for guest in guests {
        let (series, variant) = guest.split_once(':').unwrap_or((guest, "plain"));
        by_variant.entry(variant).or_default().push(series);
    }
    for (variant, series) in by_variant {
        let mut vm = Command::new(std::env::current_exe()?);
        vm.arg("vm").args(series).args(["--variant", variant, "--filter"]).arg(format!("ordeal::{verb}"));
        vm.arg("--env").arg(format!("KILLER_{}={args}", verb.to_uppercase()));
        if let Some(tier) = tier {
            vm.arg("--env").arg(format!("KILLER_TIER={tier}"));
        }
        vm.arg("--limit").arg((seconds + 240).to_string()).arg("--figures").arg(&file);
        let good = vm.status().context("cargo xtask vm")?.success();
        tally += if good { Tally::PASSED } else { Tally::FAILED };
        for line in std::fs::read_to_string(&file).unwrap_or_default().lines() {
            let mut words = line.splitn(3, ' ');
            let (Some(variant), Some(_), Some(json)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            let mut figures: Value = serde_json::from_str(json)?;
            figures["label"] = if variant == "plain" { "" } else { variant }.into();
            tally += record(&figures)?;
        }
        let _ = std::fs::remove_file(&file);
    }
    ensure!(tally.failed == 0, "{tally}");
    Ok(())
}

/// What the last line `FIGURES VERB JSON` says.
pub fn figures(verb: &str, text: &str) -> Option<Value> {
    let word = format!("FIGURES {verb} ");
    text.lines().rev().find_map(|l| serde_json::from_str(l.trim().strip_prefix(&word)?).ok())
}

/// A table of Markdown in a file, between two marks; a row is replaced by one with the same first cells.
pub struct Table<'a> {
    /// Below the checkout.
    pub file: &'a str,
    /// In the marks.
    pub mark: &'a str,
    /// Heads of the columns.
    pub head: &'a [&'a str],
    /// How many cells from the left name a row.
    pub keys: usize,
}

impl Table<'_> {
    /// Prints a row on its own.
    pub fn print(&self, row: &[String]) {
        for (head, cell) in self.head.iter().zip(row) {
            println!("{head:>22}: {cell}");
        }
    }

    /// Puts a row into the file.
    pub fn write(&self, row: &[String]) -> Result<()> {
        let path = root().join(self.file);
        let old = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        std::fs::write(&path, self.put(&old, row)?).with_context(|| path.display().to_string())
    }

    /// As [`Table::write`], but the numbers of a row that is there are added to; the last cell is a list.
    pub fn add(&self, row: &[String]) -> Result<()> {
        let path = root().join(self.file);
        let old = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let there = old.lines().filter_map(cells).find(|r| r.get(..self.keys) == row.get(..self.keys));
        let sum = match there.filter(|r| r.len() == row.len()) {
            Some(there) => self.sum(&there, row),
            None => row.to_vec(),
        };
        std::fs::write(&path, self.put(&old, &sum)?).with_context(|| path.display().to_string())
    }

    fn sum(&self, there: &[String], row: &[String]) -> Vec<String> {
        let last = row.len() - 1;
        let value = |text: &str| text.replace(',', "").parse::<i64>().ok();
        let both = there.iter().zip(row).enumerate();
        both.map(|(at, (a, b))| match (value(a), value(b)) {
            _ if at < self.keys => b.clone(),
            _ if at == last => format!("{a}, {b}"),
            (Some(a), Some(b)) => number(&(a + b).into()),
            (Some(_), None) => a.clone(),
            _ => b.clone(),
        })
        .collect()
    }

    fn put(&self, old: &str, row: &[String]) -> Result<String> {
        let (begin, end) = (format!("<!-- {}: begin -->", self.mark), format!("<!-- {}: end -->", self.mark));
        let (Some(from), Some(to)) = (old.find(&begin), old.find(&end)) else {
            bail!("{} has no marks '{begin}' and '{end}'", self.file);
        };
        let from = from + begin.len();
        let mut rows: Vec<Vec<String>> = old[from..to].lines().filter_map(cells).skip(2).collect();
        rows.retain(|r| r.get(..self.keys) != row.get(..self.keys));
        rows.push(row.to_vec());
        rows.sort_by_key(|row| order(row));
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let heads: Vec<String> = self.head.iter().map(|h| (*h).to_owned()).collect();
        let mut text = line(&heads) + &"|---".repeat(heads.len()) + "|\n";
        rows.iter().for_each(|r| text += &line(r));
        Ok(format!("{}\n\n{text}\n{}", &old[..from], &old[to..]))
    }
}

fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(|c| c.trim().to_owned()).collect())
}

/// By the numbers of the release, then by text.
fn order(row: &[String]) -> (Vec<u32>, String) {
    let first = row.first().cloned().unwrap_or_default();
    let numbers =
        first.split(|c: char| !c.is_ascii_digit()).take(3).map(|n| n.parse().unwrap_or(0)).collect();
    (numbers, row.join(" "))
}

/// 1234567 as `1,234,567`.
pub fn number(value: &Value) -> String {
    let Some(n) = value.as_i64() else { return "-".into() };
    let digits = n.abs().to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if n < 0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::{Table, figures, number};
    use serde_json::json;

    #[test]
    fn finds_the_result() {
        let text = "noise\nFIGURES exactness {\"silent\": 0}\n[   3.1] reboot\n";
        assert_eq!(figures("exactness", text), Some(json!({"silent": 0})));
        assert_eq!(figures("soak", text), None);
    }

    #[test]
    fn replaces_a_row() {
        let table = Table { file: "x", mark: "t", head: &["kernel", "tier", "n"], keys: 2 };
        let row = |k: &str, n: &str| vec![k.to_owned(), "typed".into(), n.into()];
        let text = "# T\n<!-- t: begin -->\n<!-- t: end -->\nrest\n";
        let once = table.put(text, &row("6.12.1", "1")).unwrap();
        let twice = table.put(&once, &row("5.10.2", "2")).unwrap();
        let again = table.put(&twice, &row("6.12.1", "3")).unwrap();
        assert!(again.contains("| 5.10.2 | typed | 2 |\n| 6.12.1 | typed | 3 |\n"), "{again}");
        assert!(!again.contains("| 1 |") && again.ends_with("<!-- t: end -->\nrest\n"), "{again}");
    }

    #[test]
    fn adds_rows() {
        let table = Table { file: "x", mark: "t", head: &["kernel", "n", "m", "seeds"], keys: 1 };
        let words = |w: &[&str]| w.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let sum = table.sum(&words(&["6.18", "1,200", "-", "7"]), &words(&["6.18", "800", "3", "9"]));
        assert_eq!(sum, words(&["6.18", "2,000", "3", "7, 9"]));
    }

    #[test]
    fn groups_digits() {
        assert_eq!(number(&json!(1234567)), "1,234,567");
        assert_eq!(number(&json!(12)), "12");
        assert_eq!(number(&json!(null)), "-");
    }
}

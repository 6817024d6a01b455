//! A guest's row: what was booted, how it went, what is wrong; kept for the document.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::boot::Booted;
use super::kernel::Kernel;
use super::variant::Variant;
use crate::tally::Tally;

/// One guest.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Row {
    /// Kind of machine, in Debian's word.
    pub arch: String,
    /// `6.12-rt`.
    pub series: String,
    /// `uname -r`, as the package says.
    pub release: String,
    /// Name of the variant.
    pub variant: String,
    /// What doctor says.
    pub tier: String,
    /// Tests in order.
    pub passed: usize,
    /// Names of tests that were not, and how.
    pub failures: Vec<(String, String)>,
    /// Reasons of skips and how many gave each.
    pub skips: BTreeMap<String, usize>,
    /// What is wrong beside tests.
    pub wrong: Vec<String>,
    /// How often it was booted until it came up.
    pub boots: u32,
    /// From boot to power-off.
    pub seconds: u64,
    /// Of the sources.
    pub commit: String,
    /// When it ended, in seconds since 1970.
    #[serde(default)]
    pub at: u64,
    /// The console.
    #[serde(skip)]
    pub console: PathBuf,
    /// What failed tests printed.
    #[serde(skip)]
    pub output: Vec<String>,
    /// Figures that tests gave.
    #[serde(skip)]
    pub figures: Vec<String>,
}

impl Row {
    /// What came of a guest, of which a tier may have been asked.
    pub fn new(kernel: &Kernel, variant: &Variant, asked: Option<&str>, booted: Booted) -> Row {
        let said = &booted.transcript;
        Row {
            series: kernel.series.name(),
            release: kernel.release.clone(),
            variant: variant.name.into(),
            tier: if variant.alone { "-".into() } else { said.tier() },
            passed: said.tally().passed,
            failures: said.failures().map(|(test, how)| (test.to_owned(), how.to_owned())).collect(),
            skips: said.skips().into_iter().map(|(reason, n)| (reason.to_owned(), n)).collect(),
            wrong: wrong(&booted, kernel, variant, asked),
            boots: booted.boots,
            at: std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs(),
            seconds: booted.took.as_secs(),
            output: booted.transcript.output,
            figures: booted.transcript.figures,
            console: booted.log,
            ..Row::default()
        }
    }

    /// Counted; what is wrong beside tests counts as a failure.
    pub fn tally(&self) -> Tally {
        Tally {
            passed: self.passed,
            failed: self.failures.len() + self.wrong.len(),
            skipped: self.skips.values().sum(),
        }
    }

    /// In one line, and what failed below it.
    pub fn line(&self) -> String {
        let boots = if self.boots > 1 { format!(", {} boots", self.boots) } else { String::new() };
        let mut text = format!(
            "vm {:8} {:14} {:10} {} ({} s{boots})",
            self.series,
            self.variant,
            self.tier,
            self.tally(),
            self.seconds
        );
        for (test, how) in &self.failures {
            text += &format!("\n  FAILED: {test} {how}");
        }
        for wrong in &self.wrong {
            text += &format!("\n  FAILED: {wrong}");
        }
        if self.tally().failed > 0 {
            text += &format!("\n  console: {}", self.console.display());
            text += &self.output.iter().take(24).map(|l| format!("\n  | {l}")).collect::<String>();
        }
        text
    }

    /// Keeps it in `dir` for the document.
    pub fn keep(&self, dir: &Path) -> Result<()> {
        std::fs::create_dir_all(dir)?;
        let path = dir.join(format!("{}-{}-{}.json", self.arch, self.series, self.variant));
        std::fs::write(&path, serde_json::to_vec(self)?).with_context(|| path.display().to_string())
    }

    /// The last of each guest: of this machine's runs, kept in `dir`, and of those that `record` has, a row a line.
    pub fn kept(dir: &Path, record: &Path) -> Result<Vec<Row>> {
        let mut rows: BTreeMap<_, Row> = BTreeMap::new();
        let mut add = |bytes: &[u8], from: &Path| -> Result<()> {
            let row: Row = serde_json::from_slice(bytes).with_context(|| from.display().to_string())?;
            let guest = (row.arch.clone(), row.series.clone(), row.variant.clone());
            if rows.get(&guest).is_none_or(|known| known.at <= row.at) {
                rows.insert(guest, row);
            }
            Ok(())
        };
        for line in std::fs::read_to_string(record).unwrap_or_default().lines() {
            add(line.as_bytes(), record)?;
        }
        for entry in std::fs::read_dir(dir).into_iter().flatten() {
            let path = entry?.path();
            add(&std::fs::read(&path)?, &path)?;
        }
        Ok(rows.into_values().collect())
    }

    /// Writes them into `record`, for machines that have run nothing yet.
    pub fn record(rows: &[Row], record: &Path) -> Result<()> {
        let lines: Vec<_> = rows.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        std::fs::write(record, lines.join("\n") + "\n").with_context(|| record.display().to_string())
    }
}

/// What is not as it should be, beside failed tests.
fn wrong(booted: &Booted, kernel: &Kernel, variant: &Variant, asked: Option<&str>) -> Vec<String> {
    let said = &booted.transcript;
    let mut wrong = Vec::new();
    if !said.up {
        return vec![format!("it never came up, {} boots", booted.boots)];
    }
    if !said.ended {
        wrong.push("it did not get to its end".into());
    } else if said.tests.is_empty() {
        wrong.push("no test has run".into());
    }
    if variant.init.is_some() && said.ended && !said.off {
        wrong.push("its init did not switch it off".into());
    }
    wrong.extend(said.troubles.iter().map(|t| format!("the kernel says: {t}")));
    let Some(expect) = variant.expects(kernel) else { return wrong };
    let tier = said.tier();
    let tiers = asked.as_ref().map_or(expect.tiers, std::slice::from_ref);
    if !tiers.is_empty() && !tiers.contains(&tier.as_str()) {
        wrong.push(format!("tier {tier}, expected {}", tiers.join(" or ")));
    }
    let doctor = said.doctor().to_string();
    let missing = expect.doctor.iter().filter(|w| !doctor.contains(**w));
    wrong.extend(missing.map(|w| format!("doctor does not say {w:?}")));
    wrong
}

/// The table of a run.
pub fn table(rows: &[Row]) {
    let head = ["kernel", "release", "variant", "tier", "passed", "failed", "skipped", "boots"];
    let cells = |row: &Row| {
        let tally = row.tally();
        let numbers = [tally.passed, tally.failed, tally.skipped, row.boots as usize].map(|n| n.to_string());
        let words = [&row.series, &row.release, &row.variant, &row.tier].map(String::clone);
        words.into_iter().chain(numbers).collect::<Vec<_>>()
    };
    let lines = std::iter::once(head.map(str::to_owned).to_vec()).chain(rows.iter().map(cells));
    println!();
    for line in lines {
        let [kernel, release, variant, tier, passed, failed, skipped, boots] = &line[..] else { continue };
        println!(
            "{kernel:9} {release:28} {variant:24} {tier:10} {passed:>6} {failed:>6} {skipped:>7} {boots:>5}"
        );
    }
    let mut reasons = BTreeMap::new();
    for (reason, n) in rows.iter().flat_map(|r| &r.skips) {
        *reasons.entry(reason).or_insert(0) += n;
    }
    for (reason, n) in reasons {
        println!("skipped {n}: {reason}");
    }
}

//! `docs/KERNELS.md`, from the rows of the runs.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};

use super::kernel::MATRIX;
use super::row::Row;
use super::variant::ALL;
use crate::prose;

/// Writes it.
pub fn write(mut rows: Vec<Row>, path: &Path) -> Result<()> {
    let kernel = |r: &Row| MATRIX.iter().position(|s| *s == r.series).unwrap_or(MATRIX.len());
    let variant = |r: &Row| ALL.iter().position(|v| v.name == r.variant).unwrap_or(ALL.len());
    rows.sort_by_key(|r| (r.arch.clone(), kernel(r), variant(r)));
    std::fs::write(path, text(&rows)).with_context(|| path.display().to_string())
}

fn text(rows: &[Row]) -> String {
    let mut out = String::from(
        "# Kernels\n\n`cargo xtask vm --full` writes this document, and `--document` writes it from the last run of each row \
         (`kernels.jsonl`). It is never edited by hand. `cargo xtask vm KERNEL --variant NAME` runs one row again.\n\n\
         Every row is a guest under QEMU (emulated processors, no KVM). It has one of Debian's kernels, the static `killer`, and the \
         end-to-end tests. The judge of the tests is a pipe that only the members of a service hold, not a map of `killer`'s. The \
         tier is the one that `killer doctor` names in the guest. Timings in such guests mean nothing and are not shown.\n\n\
         | kernel | release | variant | tier | passed | failed | skipped |\n|---|---|---|---|--:|--:|--:|\n",
    );
    for row in rows {
        let tally = row.tally();
        let arch = if row.arch == "amd64" { "" } else { &format!(" {}", row.arch) };
        let _ = writeln!(
            out,
            "| {}{arch} | {} | {} | {} | {} | {} | {} |",
            row.series, row.release, row.variant, row.tier, tally.passed, tally.failed, tally.skipped
        );
    }
    let lacking: Vec<_> =
        MATRIX.into_iter().filter(|s| !rows.iter().any(|r| r.series == *s && r.variant == "plain")).collect();
    if !lacking.is_empty() {
        let _ = writeln!(out, "\nNo plain row yet, so nothing is shown of: {}.", lacking.join(", "));
    }
    failures(&mut out, rows);
    skips(&mut out, rows);
    variants(&mut out);
    provenance(&mut out, rows);
    prose::wrapped(&out)
}

fn failures(out: &mut String, rows: &[Row]) {
    let failed: Vec<_> = rows.iter().filter(|r| r.tally().failed > 0).collect();
    out.push_str("\n## Failed\n\n");
    if failed.is_empty() {
        out.push_str("Nothing.\n");
    }
    for row in failed {
        for (test, how) in &row.failures {
            let _ = writeln!(out, "- {} {}: `{test}` {how}", row.series, row.variant);
        }
        for wrong in &row.wrong {
            let _ = writeln!(out, "- {} {}: {wrong}", row.series, row.variant);
        }
    }
}

fn skips(out: &mut String, rows: &[Row]) {
    let mut reasons: BTreeMap<&str, (usize, Vec<&str>)> = BTreeMap::new();
    for row in rows {
        for (reason, n) in &row.skips {
            let entry = reasons.entry(reason).or_default();
            entry.0 += n;
            if !entry.1.contains(&row.series.as_str()) {
                entry.1.push(&row.series);
            }
        }
    }
    out.push_str("\n## Skipped, and why\n\n");
    if reasons.is_empty() {
        out.push_str("Nothing.\n");
    }
    for (reason, (n, kernels)) in reasons {
        let _ = writeln!(out, "- {n}: {reason} ({})", kernels.join(", "));
    }
}

fn variants(out: &mut String) {
    out.push_str("\n## Variants\n\n| variant | what it is | tests |\n|---|---|---|\n");
    for variant in ALL {
        let tests = match (variant.alone, variant.tests) {
            (true, _) => "run, status, kill, forget, down by a PID 1 of its own".to_owned(),
            (_, []) => "all".to_owned(),
            (_, tests) => tests.iter().map(|t| format!("`{t}`")).collect::<Vec<_>>().join(", "),
        };
        let _ = writeln!(out, "| {} | {} | {tests} |", variant.name, variant.what);
    }
}

fn provenance(out: &mut String, rows: &[Row]) {
    let mut commits: Vec<&str> = rows.iter().map(|r| r.commit.as_str()).collect();
    commits.sort_unstable();
    commits.dedup();
    let again: Vec<_> = rows.iter().filter(|r| r.boots > 1).collect();
    let _ = writeln!(out, "\n## Where the figures come from\n\nSources: {}.", commits.join(", "));
    out.push_str(
        "A guest that does not come up is booted again, three times at most; a test that failed is never run again. ",
    );
    let _ = match again.len() {
        0 => writeln!(out, "Every guest came up at its first boot."),
        n => writeln!(
            out,
            "{n} of {} guests needed another boot: {}.",
            rows.len(),
            again
                .iter()
                .map(|r| format!("{} {} ({} boots)", r.series, r.variant, r.boots))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    };
}

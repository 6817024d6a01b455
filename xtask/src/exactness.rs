//! `cargo xtask exactness`: a million forks, counted by the forkers and by the tracker.

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::ordeal::{Ordeal, Table, guests, number};
use crate::tally::Tally;

/// `exactness`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Forks at least
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    forks: u64,
    /// Seconds at most
    #[arg(long, value_name = "S", default_value_t = 540)]
    seconds: u64,
    /// Services to kill while they fork
    #[arg(long, value_name = "N", default_value_t = 20)]
    kills: u64,
    /// Force a tier
    #[arg(long, value_name = "TIER")]
    tier: Option<String>,
    /// In guests, each SERIES or SERIES:VARIANT (6.12, 7.x:preempt-full), instead of here
    #[arg(long, value_name = "GUEST", num_args = 1..)]
    vm: Vec<String>,
    /// Put the row into docs/internals/EXACTNESS.md
    #[arg(long)]
    write: bool,
}

/// The table in docs/internals/EXACTNESS.md.
const TABLE: Table<'_> = Table {
    file: "docs/internals/EXACTNESS.md",
    mark: "exactness",
    head: &[
        "kernel",
        "variant",
        "tier",
        "CPUs",
        "forks",
        "threads",
        "seen",
        "missed",
        "hook runs skipped",
        "repaired",
        "reported",
        "**silent**",
        "kills",
        "survivors",
    ],
    keys: 3,
};

/// Measures on this host.
pub fn main(options: &Options) -> Result<()> {
    if !options.vm.is_empty() {
        let args = arguments(options).join(" ");
        return guests("exactness", &options.vm, &args, options.tier.as_deref(), options.seconds, |f| {
            record(f, options.write)
        });
    }
    let args = arguments(options);
    let (figures, good) = Ordeal::build()?.run("exactness", &args, options.tier.as_deref())?;
    record(&figures, options.write)?;
    ensure!(good, "the tracker was wrong without saying so");
    Ok(())
}

/// Arguments of `ordeal exactness`.
pub fn arguments(options: &Options) -> Vec<String> {
    let pair = |name: &str, value: u64| [format!("--{name}"), value.to_string()];
    [pair("forks", options.forks), pair("seconds", options.seconds), pair("kills", options.kills)].concat()
}

/// Shows figures, and keeps them.
pub fn record(figures: &Value, write: bool) -> Result<Tally> {
    let row = row(figures);
    TABLE.print(&row);
    if write {
        TABLE.write(&row)?;
    }
    let good = figures["silent"] == 0 && figures["survivors"] == 0;
    Ok(if good { Tally::PASSED } else { Tally::FAILED })
}

fn row(f: &Value) -> Vec<String> {
    let text = |key: &str| f[key].as_str().filter(|t| !t.is_empty()).unwrap_or("-").to_owned();
    let n = |key: &str| f[key].as_u64().unwrap_or(0);
    let born = n("forks") + 1;
    let repaired = n("late") + n("indexed_by_walk") + n("settled_by_free");
    vec![
        text("kernel"),
        text("label"),
        text("tier"),
        number(&f["cpus"]),
        number(&f["forks"]),
        number(&f["threads"]),
        number(&f["seen"]),
        f["seen"].as_u64().map_or("-".into(), |seen| number(&born.saturating_sub(seen).into())),
        number(&f["skipped"]),
        number(&repaired.into()),
        number(&f["reported"]),
        format!("**{}**", number(&f["silent"])),
        number(&f["kills"]),
        number(&f["survivors"]),
    ]
}

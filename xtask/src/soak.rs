//! `cargo xtask soak`: round after round of everything that does not want to die.

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::ordeal::{Ordeal, Table, guests, number};
use crate::tally::Tally;

/// `soak`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Rounds
    #[arg(long, value_name = "N", default_value_t = 100)]
    rounds: u64,
    /// Seconds at most
    #[arg(long, value_name = "S", default_value_t = 540)]
    seconds: u64,
    /// Only this adversary: bomb, chains, evasive, revive-three, star
    #[arg(long, value_name = "KIND")]
    only: Option<String>,
    /// Repeat a run
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    /// Force a tier
    #[arg(long, value_name = "TIER")]
    tier: Option<String>,
    /// In guests, each SERIES or SERIES:VARIANT (6.12, 7.x:preempt-full), instead of here
    #[arg(long, value_name = "GUEST", num_args = 1..)]
    vm: Vec<String>,
    /// Add the rounds to the row in docs/internals/EXACTNESS.md
    #[arg(long)]
    write: bool,
}

/// The table in docs/internals/EXACTNESS.md.
const TABLE: Table<'_> = Table {
    file: "docs/internals/EXACTNESS.md",
    mark: "soak",
    head: &[
        "kernel",
        "variant",
        "tier",
        "kinds",
        "rounds",
        "adopted",
        "TERM first",
        "frozen",
        "a kill cut short",
        "**survivors**",
        "**strangers hit**",
        "**leaks**",
        "seeds",
    ],
    keys: 4,
};

/// Soaks on this host.
pub fn main(options: &Options) -> Result<()> {
    if !options.vm.is_empty() {
        let args = arguments(options).join(" ");
        return guests("soak", &options.vm, &args, options.tier.as_deref(), options.seconds, |f| {
            record(f, options.write)
        });
    }
    let (figures, good) = Ordeal::build()?.run("soak", &arguments(options), options.tier.as_deref())?;
    record(&figures, options.write)?;
    ensure!(good, "seed {}: {}", figures["seed"], figures["faults"]);
    ensure!(figures["rounds"] == figures["wanted"], "only {} rounds fitted into the time", figures["rounds"]);
    Ok(())
}

/// Arguments of `ordeal soak`.
pub fn arguments(options: &Options) -> Vec<String> {
    let mut args = vec!["--rounds".to_owned(), options.rounds.to_string()];
    args.extend(["--seconds".to_owned(), options.seconds.to_string()]);
    if let Some(only) = &options.only {
        args.extend(["--only".to_owned(), only.clone()]);
    }
    if let Some(seed) = options.seed {
        args.extend(["--seed".to_owned(), seed.to_string()]);
    }
    args
}

/// Shows figures, and adds them to those that are there.
pub fn record(figures: &Value, write: bool) -> Result<Tally> {
    let row = row(figures);
    TABLE.print(&row);
    if write {
        TABLE.add(&row)?;
    }
    let clean = |key: &str| figures[key].as_array().is_some_and(|a| a.is_empty());
    Ok(if clean("faults") && clean("leaks") { Tally::PASSED } else { Tally::FAILED })
}

fn row(f: &Value) -> Vec<String> {
    let text = |key: &str| f[key].as_str().filter(|t| !t.is_empty()).unwrap_or("-").to_owned();
    let frozen = if f["freezes"] == true { number(&f["frozen"]) } else { "-".into() };
    let leaks = f["leaks"].as_array().map_or(0, Vec::len);
    vec![
        text("kernel"),
        text("label"),
        text("tier"),
        text("kind"),
        number(&f["rounds"]),
        number(&f["adopted"]),
        number(&f["terms"]),
        frozen,
        number(&f["cut"]),
        number(&f["survivors"]),
        number(&f["strangers"]),
        leaks.to_string(),
        f["seed"].to_string(),
    ]
}

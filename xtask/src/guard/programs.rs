//! How many instructions the kernel's verifier looks at for each program: what it costs to load it, and how near it is to
//! being refused (`verified_insns`, 5.16+).

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::limits::{Figures, Kind};
use crate::bench::{Bench, bpf, rules};
use crate::run;

/// Tiers that have programs.
const TIERS: [&str; 4] = ["witnessed", "typed", "raw", "legacy"];
/// The service that is adopted.
const NAME: &str = "guard";
/// The one that is promised to end.
const PROMISED: &str = "guard-promised";

/// By tier and program, for each tier that this kernel takes.
pub fn verified(bench: &Bench) -> Result<Kind> {
    let host = rules::host()?;
    let mut all = Kind::new();
    for tier in TIERS {
        let killer = |args: &[&str]| {
            let mut command = bench.killer(args);
            command.env("KILLER_TIER", tier).env("KILLER_RULES_ROOT", host.path());
            command
        };
        let up = killer(&["up"]).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        if up.success() {
            // Some tiers have no rules, no adoption, no promises. A program that is missed here has a limit, and is missed there.
            let _ = killer(&["up", "--rules"]).output()?;
            let _ = killer(&["run", "--kill-on-exit", "--name", PROMISED, "--", "true"]).output()?;
            let mut frozen = killer(&["freeze", NAME]);
            adopt(&mut killer(&["adopt", NAME]), frozen.env("KILLER_STATES", "kernel"))?;
            let figures = of(&bench.pins.join("v1/progs"))?;
            if !figures.is_empty() {
                all.insert(tier.into(), figures);
            }
        }
        run::quiet(&mut killer(&["down", "--force"]))?;
    }
    Ok(all)
}

/// An adoption has programs of its own, which are loaded for it, and so has a freeze.
fn adopt(command: &mut Command, freeze: &mut Command) -> Result<()> {
    let mut adopted = Command::new("sleep").arg("60").spawn()?;
    let done = command.args(["--pid", &adopted.id().to_string()]).output();
    let _ = freeze.output();
    adopted.kill()?;
    adopted.wait()?;
    done?;
    Ok(())
}

fn of(programs: &Path) -> Result<Figures> {
    let mut figures = Figures::new();
    for entry in std::fs::read_dir(programs).with_context(|| programs.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(n) = bpf::verified(&bpf::pin(&path)?) {
            figures.insert(name, n);
        }
    }
    Ok(figures)
}

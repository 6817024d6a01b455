//! What rules cost an exec: nanoseconds in their programs, beside those that track.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::sums::both;
use super::{Bench, bpf};
use crate::{interrupt, run};

/// Execs in one measurement.
const EXECS: usize = 300;
/// The programs of the rules, of which some are there.
const PROGRAMS: [&str; 5] = ["on_rule", "on_rule_again", "on_rule_file", "on_rule_open", "on_rule_seen"];
/// Nobody's.
const USER: u32 = 65534;
/// What is executed does nothing.
const NOTHING: &str = "#!/bin/true\n";

/// The script that a rule matches.
const MATCHED: &str = "etc/init.d/bench";

/// A root directory for rules, with a script that they match.
pub fn host() -> Result<tempfile::TempDir> {
    // Rules are about places that only root can change.
    let host = tempfile::Builder::new().prefix("killer-bench-").tempdir_in("/run")?;
    std::fs::set_permissions(host.path(), std::fs::Permissions::from_mode(0o755))?;
    executable(&host.path().join(MATCHED))?;
    Ok(host)
}

/// Strangers' execs, and those that a rule matches.
pub fn table(bench: &Bench, rounds: usize) -> Result<String> {
    eprintln!("rules");
    let mut text =
        String::from("### Rules, ns for an exec (BPF's own statistics, less a run of an empty program)\n\n");
    let statistics = match bpf::Statistics::on() {
        Ok(statistics) => statistics,
        Err(error) => return Ok(format!("{text}Skipped: {error:#}.\n\n")),
    };
    let host = host()?;
    let matched = host.path().join(MATCHED);
    // A stranger's script lies elsewhere: most paths do not begin as those of the rules do.
    let script = bench.scratch.path().join("bench");
    executable(&script)?;
    run::quiet(bench.killer(&["up", "--rules"]).env("KILLER_RULES_ROOT", host.path()))?;
    let pins = PROGRAMS.map(|name| bench.pins.join("v1/progs").join(name));
    let programs = pins.iter().filter(|p| p.exists()).map(|p| bpf::pin(p)).collect::<Result<Vec<_>>>()?;
    ensure!(!programs.is_empty(), "no program of the rules below {}", bench.pins.display());
    let (empty, _attached) = bpf::empty()?;
    let empty = [empty];
    let program = PathBuf::from("/bin/true");
    let columns: [(&str, &Path, u32, &str); 4] = [
        ("a user's exec", &program, USER, ""),
        ("root's program", &program, 0, "≤ 150"),
        ("root's script", &script, 0, "≤ 700"),
        ("a match, which opens an instance", &matched, 0, ""),
    ];
    let mut times = columns.map(|_| Vec::new());
    for _ in 0..10 * rounds {
        for ((_, file, user, _), times) in columns.iter().zip(&mut times) {
            let before = (bpf::runs(&programs), bpf::runs(&empty));
            execs(file, *user)?;
            let ours = bpf::runs(&programs).since(before.0);
            let nothing = bpf::runs(&empty).since(before.1);
            let base = nothing.time as f64 / nothing.count.max(1) as f64;
            times.push((ours.time as f64 - base * ours.count as f64) / EXECS as f64);
        }
    }
    drop(statistics);
    text += &format!("| {} |\n|---|---|---|---|\n", columns.map(|c| c.0).join(" | "));
    text += &format!("| {} |\n", times.map(both).join(" | "));
    text += &format!("| {} |\n\n", columns.map(|c| c.3).join(" | "));
    Ok(text)
}

fn executable(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path.parent().context("a directory")?)?;
    std::fs::write(path, NOTHING)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).context("chmod")
}

fn execs(file: &Path, user: u32) -> Result<()> {
    interrupt::check()?;
    for _ in 0..EXECS {
        let mut command = Command::new(file);
        command.stdin(Stdio::null()).uid(user).gid(user);
        let status = command.status().with_context(|| file.display().to_string())?;
        ensure!(status.success(), "{}: {status}", file.display());
    }
    Ok(())
}

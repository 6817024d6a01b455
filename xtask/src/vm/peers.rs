//! `cargo xtask peers`: which way lets what escape, on which kernel; `docs/PEERS.md` comes from it.

use std::fmt::Write;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::apt::Apt;
use super::boot::Guest;
use super::kernel::{self, Arch, Kernel, Series};
use super::transcript::Transcript;
use super::variant::Variant;
use super::{payload, systemd};
use crate::ordeal::Table;
use crate::{prose, run};

/// Kernels that are compared when none is named.
const KERNELS: [&str; 3] = ["5.10", "6.12", "7.x"];
/// What each way is, in the words of the shell.
const WAYS: [(&str, &str); 6] = [
    ("killer", "`killer -s KILL --who=all NAME`"),
    ("systemctl", "`systemctl kill -s KILL --kill-whom=all UNIT`, started by `systemd-run`"),
    ("cgroup.kill", "`echo 1 >cgroup.kill`, started in a cgroup of its own"),
    ("pkill", "`pkill -KILL -x adversary`"),
    ("killall", "`killall -KILL adversary`"),
    ("start-stop-daemon", "`start-stop-daemon --stop --signal KILL --pidfile FILE`, started by it"),
];
/// The kernel as Debian boots it.
const VARIANT: Variant =
    Variant { name: "systemd", what: "PID 1 is systemd", tests: &[], expect: &[], ..super::variant::ALL[0] };

/// `peers`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Series of kernels
    series: Vec<String>,
    /// Only ask each kernel what `cgroup.kill` does to a process whose leader thread has exited
    #[arg(long)]
    leaders: bool,
}

/// What `cgroup.kill` does to a process whose leader thread has exited.
const LEADERS: Table<'_> =
    Table { file: "docs/PEERS.md", mark: "leaders", head: &["kernel", "`cgroup.kill`"], keys: 1 };

/// What a table cannot say.
const WORDS: &str = "\n## Members that are moved, members that nobody waits for\n\n\
    `systemd-scope` is a member that calls `systemd-run --scope`. Then systemd, which is no member, moves it out of its unit's cgroup \
    to one of its own. `autoreap` makes children with `CLONE_AUTOREAP` (7.1+), which leave no zombie. Kernels without this flag skip \
    it. A table above without these rows is older than the rows are. On every kernel of [KERNELS.md](KERNELS.md) `killer` is tried on \
    the same: by `adversaries::moved_by_a_manager`, with a stand-in for systemd, and by `adversaries::reaped_by_itself`.\n";

/// The part of the document that [`LEADERS`] is in.
fn section() -> String {
    let before = "\n## A process whose leader thread has exited\n\n    cargo xtask peers --leaders\n\n\
        The other threads of the process run on and fork. The whole process is in one cgroup, and `1` is written to its \
        `cgroup.kill`.\n\n";
    let after = "\nSo this difference is gone from 7.3 on, and in 6.12.117. Linux 6.1 and 6.18.15 spare such a process. On new kernels these \
        differences are left:\n\n\
        * `cgroup.kill` reaches the processes that are in the cgroup when it is written. Members that left the cgroup live on, and so \
        do members that were born or moved into another one.\n\
        * It answers before any process has ended, and does not say whether one lives or still holds files and ports.\n\
        * It needs cgroup v2 (5.14+), and a cgroup that holds this service and no other process.\n\
        * It knows one signal.\n";
    let (begin, end) = ("<!-- leaders: begin -->\n", "<!-- leaders: end -->\n");
    let old = std::fs::read_to_string(run::root().join(LEADERS.file)).unwrap_or_default();
    let kept = old.split_once(begin).and_then(|(_, rest)| rest.split_once(end)).map_or("", |(rows, _)| rows);
    prose::wrapped(&format!("{WORDS}{before}{begin}{kept}{end}{after}"))
}

/// Asks the kernels; each is a guest of its own.
fn leaders(options: &Options) -> Result<()> {
    let path = run::root().join(LEADERS.file);
    if !std::fs::read_to_string(&path).is_ok_and(|t| t.contains("<!-- leaders: begin -->")) {
        let old = std::fs::read_to_string(&path).unwrap_or_default();
        std::fs::write(&path, old + &section())?;
    }
    let scratch = tempfile::Builder::new().prefix("killer-leaders-").tempdir()?;
    let file = scratch.path().join("figures");
    let mut vm = Command::new(std::env::current_exe()?);
    vm.arg("vm").args(&options.series).args(["--filter", "guest::leaders", "--figures"]).arg(&file);
    ensure!(vm.status().context("cargo xtask vm")?.success(), "not every kernel could be asked");
    let lines = std::fs::read_to_string(&file)?;
    ensure!(!lines.is_empty(), "no kernel gave an answer");
    for line in lines.lines() {
        let json = line.splitn(3, ' ').nth(2).context("a line of figures")?;
        let figures: Value = serde_json::from_str(json)?;
        let text = |key: &str| figures[key].as_str().unwrap_or("?").to_owned();
        LEADERS.write(&[text("kernel"), text("outcome")])?;
    }
    Ok(())
}

/// Boots, compares, writes.
pub fn run(options: &Options) -> Result<()> {
    if options.leaders {
        return leaders(options);
    }
    super::qemu(Arch::X86)?;
    let programs = payload::build(Arch::X86, false, &[])?;
    let cache = super::cache()?;
    let _turn = super::turn(&cache)?;
    let apt = Apt::open(&cache.join("apt-amd64"), "amd64");
    let root = apt.as_ref().map_err(|e| anyhow::anyhow!("{e:#}"))?;
    let initramfs = systemd::initramfs(root, &cache, &programs)?;
    let logs = tempfile::Builder::new().prefix("killer-peers-").tempdir()?.keep();
    let named: Vec<&str> = match options.series.is_empty() {
        true => KERNELS.to_vec(),
        false => options.series.iter().map(String::as_str).collect(),
    };
    let kernels = named.iter().map(|n| kernel::get(&apt, &cache, &Series::parse(n)?, Arch::X86));
    let kernels = kernels.collect::<Result<Vec<_>>>()?;
    let boot = |kernel: Kernel| -> Result<(Kernel, Transcript)> {
        let dir = logs.join(kernel.series.name());
        std::fs::create_dir_all(&dir)?;
        let limit = Duration::from_secs(3600);
        let (tests, plan, arch, variant) = (&[][..], &[][..], Arch::X86, &VARIANT);
        let guest = Guest {
            arch,
            kernel: &kernel,
            variant,
            initramfs: &initramfs,
            disk: None,
            tests,
            plan,
            limit,
            dir: &dir,
        };
        let booted = guest.run()?;
        let said = booted.transcript;
        println!(
            "peers {:8} {} outcomes ({} s)",
            kernel.series.name(),
            said.peers.len(),
            booted.took.as_secs()
        );
        ensure!(said.ended, "the guest did not get to its end; its console: {}", booted.log.display());
        Ok((kernel, said))
    };
    let done: Vec<_> = std::thread::scope(|scope| {
        let boot = &boot;
        let running: Vec<_> = kernels.into_iter().map(|k| scope.spawn(move || boot(k))).collect();
        let done = running.into_iter().map(|r| r.join().map_err(|_| anyhow::anyhow!("a thread died"))?);
        done.collect()
    });
    let (rows, failed): (Vec<_>, Vec<_>) = done.into_iter().partition(Result::is_ok);
    let rows: Vec<_> = rows.into_iter().flatten().collect();
    for error in failed.into_iter().filter_map(Result::err) {
        println!("peers: {error:#}");
    }
    ensure!(!rows.is_empty(), "no guest got to its end");
    let path = run::root().join("docs/PEERS.md");
    std::fs::write(&path, document(&rows)).with_context(|| path.display().to_string())?;
    println!("peers: consoles of the guests: {}", logs.display());
    Ok(())
}

fn document(rows: &[(Kernel, Transcript)]) -> String {
    let mut out = String::from(
        "# Other ways to end a service\n\n`cargo xtask peers` writes this document; it is never edited by hand.\n\n\
         An adversary is a program that tries to escape. Each one is started once for each way of ending it, in a guest whose PID 1 \
         is systemd (with one processor on kernels before 6.5, else with two). The way is used once, as it is typed. Only the \
         adversary's processes hold a certain FIFO; a process that still holds it two seconds later has escaped. Beside the adversary \
         runs a bystander, which is the same program and must live on.\n\n\
         * *escape*: so many processes live on.\n\
         * *a stranger died*: the bystander did not live on.\n\
         * *not there*: this kernel has no such thing.\n\n\
         Each case is run once, so a race that is lost once in a hundred times may not show.\n\n\
         | way | how it is used |\n|---|---|\n",
    );
    for (way, how) in WAYS {
        let _ = writeln!(out, "| {way} | {how} |");
    }
    for (kernel, said) in rows {
        let fact = |key: &str| said.facts.get(key).map_or("?", String::as_str);
        let _ = writeln!(
            out,
            "\n## {}\n\n{}; {}; {}; killer's {}\n",
            kernel.series.name(),
            kernel.release,
            fact("systemctl"),
            fact("pkill"),
            fact("/t/killer")
        );
        let _ = writeln!(out, "| adversary | {} |", WAYS.map(|(w, _)| w).join(" | "));
        let _ = writeln!(out, "|---|{}", "---|".repeat(WAYS.len()));
        let mut cases: Vec<&str> = Vec::new();
        for [case, ..] in &said.peers {
            if !cases.contains(&case.as_str()) {
                cases.push(case);
            }
        }
        for case in cases {
            let of =
                |way: &str| said.peers.iter().find(|[c, w, _]| c == case && w == way).map_or("", |p| &p[2]);
            let _ = writeln!(out, "| {case} | {} |", WAYS.map(|(w, _)| of(w)).join(" | "));
        }
        let _ = writeln!(
            out,
            "\nCompletely ended, no stranger hit: {}.",
            WAYS.map(|(w, _)| score(said, w)).join(", ")
        );
    }
    prose::wrapped(&out) + &section()
}

fn score(said: &Transcript, way: &str) -> String {
    let all: Vec<_> = said.peers.iter().filter(|[_, w, _]| w == way).collect();
    let tried = all.iter().filter(|p| p[2].starts_with("all ") || p[2].contains(" escape"));
    let right = all.iter().filter(|p| p[2].starts_with("all ") && !p[2].contains("stranger"));
    format!("{way} {} of {}", right.count(), tried.count())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said beside the tables is what is written here.
    #[test]
    fn the_document_has_these_words() {
        let text = std::fs::read_to_string(run::root().join(LEADERS.file)).expect("the document");
        assert!(text.ends_with(&section()));
    }
}

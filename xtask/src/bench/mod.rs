//! `cargo xtask bench`: the figures of docs/PERFORMANCE.md. Everything that is compared runs interleaved in one run;
//! absolute times depend on the machine, ratios much less.

pub mod bpf;
mod gates;
mod hooks;
mod line;
pub mod rules;
mod scale;
mod sums;
pub mod trial;
mod ways;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::demo::BPFFS;
use crate::{binary, interrupt, prose, run};

const BEGIN: &str = "<!-- bench: begin -->";
const END: &str = "<!-- bench: end -->";

/// `bench`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Fewer rounds: some minutes on two cores
    #[arg(long)]
    quick: bool,
    /// Put the table into docs/PERFORMANCE.md
    #[arg(long)]
    write: bool,
    /// Only this part
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// At most this many sleepers
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    most: usize,
}

/// What there is to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Time until all are dead.
    Kill,
    /// What tracking costs.
    Hooks,
    /// A signal to a small service.
    Line,
    /// What the gate at system calls costs.
    Gates,
    /// What rules cost an exec.
    Rules,
    /// 30,000 members, a full registry, numbers up to 4 Mi; not a part of --quick.
    Scale,
}

/// What a benchmark needs, and what has to go again.
pub struct Bench {
    killer: PathBuf,
    /// Where this tracker's programs and maps are.
    pub pins: PathBuf,
    /// Victims under a name that nobody else has, and their nursery.
    sleepers: PathBuf,
    nursery: PathBuf,
    cgroup: Option<PathBuf>,
    mounted: Option<PathBuf>,
    scratch: tempfile::TempDir,
}

/// The whole of it.
pub fn main(options: &Options) -> Result<()> {
    ensure!(nix::unistd::geteuid().is_root(), "the benchmark needs root: sudo -E cargo xtask bench --quick");
    let (killer, kind) = program()?;
    interrupt::catch()?;
    let bench = Bench::new(killer)?;
    let rounds = if options.quick { 1 } else { 3 };
    let wanted = |part| options.only.is_none_or(|only| only == part);
    let mut text = machine(kind);
    if wanted(Part::Kill) {
        text += &ways::table(&bench, rounds, options.most)?;
    }
    if wanted(Part::Hooks) {
        text += &hooks::table(&bench, rounds)?;
    }
    if wanted(Part::Line) {
        text += &line::table(&bench, rounds)?;
    }
    if wanted(Part::Gates) {
        text += &gates::table(&bench, rounds)?;
    }
    if wanted(Part::Rules) {
        text += &rules::table(&bench, rounds)?;
    }
    if options.only == Some(Part::Scale) || wanted(Part::Scale) && !options.quick {
        text += &scale::table(&bench, rounds)?;
    }
    drop(bench);
    println!("{text}");
    if options.write {
        write(&text)?;
    }
    Ok(())
}

/// The `killer` to measure, and which one it is.
fn program() -> Result<(PathBuf, &'static str)> {
    if std::env::var_os("KILLER_BIN").is_some() {
        return Ok((binary::build()?, "the `killer` that KILLER_BIN names"));
    }
    match binary::build_static(binary::STATIC) {
        Ok(killer) => Ok((killer, "the static `killer`")),
        Err(error) => {
            eprintln!("{error:#}");
            Ok((binary::build()?, "the dynamic `killer`, which takes longer to start than the static one"))
        }
    }
}

impl Bench {
    /// For this `killer`.
    pub fn new(killer: PathBuf) -> Result<Bench> {
        let scratch = tempfile::Builder::new().prefix("killer-bench-").tempdir()?;
        // At most 15 bytes, so that comm has all of it.
        let sleepers = scratch.path().join(format!("kb-{}", std::process::id()));
        let source = run::root().join("tests/bench/sleepers.rs");
        let mut rustc = Command::new("rustc");
        rustc.args(["--edition", "2024", "-O", "-C", "panic=abort", "-C", "strip=symbols"]);
        rustc.args(["-C", "target-feature=+crt-static", "-o"]).arg(&sleepers).arg(source);
        run::quiet(rustc.current_dir(run::root())).context("the benchmark's victims")?;
        let nursery = scratch.path().join("nursery");
        std::fs::hard_link(&sleepers, &nursery)?;
        let pins = Path::new(BPFFS).join(format!("killer-bench-{}", std::process::id()));
        let mut bench = Bench { killer, pins, sleepers, nursery, cgroup: None, mounted: None, scratch };
        bench.cgroup = bench.make_cgroup();
        Ok(bench)
    }

    /// In the cgroup v2 hierarchy, which is mounted for us alone where nobody has.
    fn make_cgroup(&mut self) -> Option<PathBuf> {
        let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
        let there = mounts.lines().find(|l| l.split(' ').nth(2) == Some("cgroup2"));
        let base = match there {
            Some(line) => PathBuf::from(line.split(' ').nth(1)?),
            None => {
                let at = self.scratch.path().join("cgroup");
                std::fs::create_dir(&at).ok()?;
                nix::mount::mount(
                    Some("none"),
                    &at,
                    Some("cgroup2"),
                    nix::mount::MsFlags::empty(),
                    None::<&str>,
                )
                .ok()?;
                self.mounted = Some(at.clone());
                at
            }
        };
        let dir = base.join(format!("killer-bench-{}", std::process::id()));
        std::fs::create_dir(&dir).ok()?;
        dir.join("cgroup.kill").exists().then_some(dir)
    }

    /// `killer` with a tracker of our own.
    pub fn killer(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.killer);
        command.args(args).env("KILLER_PIN_ROOT", &self.pins).stdin(Stdio::null());
        command
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // By a name that only ours have.
        let _ = trial::end_all(self);
        if self.pins.exists() {
            for args in [&["-q", "-s", "KILL", "*"][..], &["-q", "down", "--force"]] {
                let _ = self.killer(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
            }
            let _ = std::fs::remove_dir_all(&self.pins);
        }
        if let Some(dir) = &self.cgroup {
            let _ = std::fs::remove_dir(dir);
        }
        if let Some(at) = &self.mounted {
            let _ = nix::mount::umount(at);
        }
    }
}

fn machine(kind: &str) -> String {
    let name =
        nix::sys::utsname::uname().map(|u| u.release().to_string_lossy().into_owned()).unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(0, |n| n.get());
    format!(
        "Kernel {name}, {cpus} CPUs, {kind}. Medians; ratios are medians of pairs taken one after the other.\n\n"
    )
}

/// Between the marks; a file without them gets them at its end.
fn write(text: &str) -> Result<()> {
    let path = run::root().join("docs/PERFORMANCE.md");
    let old = std::fs::read_to_string(&path).unwrap_or_else(|_| "# Performance\n".into());
    let new = match (old.find(BEGIN), old.find(END)) {
        (Some(from), Some(to)) if from < to => {
            format!("{}\n\n{}\n{}", &old[..from + BEGIN.len()], text.trim(), &old[to..])
        }
        _ => format!("{}\n\n{BEGIN}\n\n{}\n{END}\n", old.trim_end(), text.trim()),
    };
    std::fs::write(&path, prose::wrapped(&new)).with_context(|| path.display().to_string())
}

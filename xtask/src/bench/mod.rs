//! `cargo xtask bench`: the figures of docs/PERFORMANCE.md. Everything that is compared runs interleaved in one run;
//! absolute times depend on the machine, ratios much less.

pub mod bpf;
mod document;
mod gates;
mod goals;
mod hooks;
mod kill;
mod line;
mod priority;
mod reading;
mod recorder;
pub mod rules;
mod scale;
mod sums;
mod svg;
pub mod trial;
mod ways;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::demo::BPFFS;
use crate::{binary, interrupt, run};
use document::Figures;

/// `bench`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Fewer rounds: some minutes on two cores
    #[arg(long)]
    quick: bool,
    /// Put tables and goals into docs/PERFORMANCE.md, and plots beside it (else into target/bench)
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
    /// 10,000 members are looked at, a tracker is loaded, its memory.
    Reading,
    /// What the gate at system calls costs.
    Gates,
    /// What rules cost an exec.
    Rules,
    /// What the recorder costs the host.
    Recorder,
    /// 30,000 members, a full registry, numbers up to 4 Mi; not a part of --quick.
    Scale,
}

impl Part {
    const ALL: [Part; 8] = [
        Part::Kill,
        Part::Hooks,
        Part::Line,
        Part::Reading,
        Part::Gates,
        Part::Rules,
        Part::Recorder,
        Part::Scale,
    ];

    /// Its name in the document.
    fn name(self) -> &'static str {
        match self {
            Part::Kill => "kill",
            Part::Hooks => "hooks",
            Part::Line => "command",
            Part::Reading => "reading",
            Part::Gates => "gates",
            Part::Rules => "rules",
            Part::Recorder => "recorder",
            Part::Scale => "scale",
        }
    }

    fn figures(self, bench: &Bench, effort: Effort, most: usize) -> Result<Figures> {
        match self {
            Part::Kill => kill::figures(bench, effort, most),
            Part::Hooks => hooks::figures(bench, effort),
            Part::Line => line::figures(bench, effort),
            Part::Reading => reading::figures(bench, effort),
            Part::Gates => gates::table(bench, effort.rounds()).map(Figures::of),
            Part::Rules => rules::table(bench, effort.rounds()).map(Figures::of),
            Part::Recorder => recorder::figures(bench, effort.rounds()),
            Part::Scale => scale::table(bench, effort.rounds()).map(Figures::of),
        }
    }
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    quick: bool,
}

impl Effort {
    /// What the rounds of a part are multiplied by.
    pub fn rounds(self) -> usize {
        if self.quick { 1 } else { 3 }
    }
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
    let effort = Effort { quick: options.quick };
    // After the victims were compiled.
    let head = machine(kind, priority::words(priority::raise()));
    let wanted = |part: &Part| match options.only {
        Some(only) => only == *part,
        None => *part != Part::Scale || !options.quick,
    };
    for part in Part::ALL.into_iter().filter(wanted) {
        let figures = part.figures(&bench, effort, options.most)?;
        let plots = document::plots(&figures, options.write)?;
        let text = format!("{}{head}{plots}", figures.text);
        let goals = figures.rows(part.name());
        println!("{text}{}{goals}", goals::HEAD);
        // Each part when it is done: what is measured is not lost with a later one.
        if options.write {
            document::write(part.name(), &text, &goals)?;
        }
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

fn machine(kind: &str, priority: &str) -> String {
    let name =
        nix::sys::utsname::uname().map(|u| u.release().to_string_lossy().into_owned()).unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(0, |n| n.get());
    format!("Kernel {name}, {cpus} CPUs, {kind}, {priority}; one after the other, in rounds.\n\n")
}

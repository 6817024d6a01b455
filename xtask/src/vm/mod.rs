//! `cargo xtask vm`: the tests inside guests with other kernels, each in the variants that matter.

mod apt;
mod boot;
mod choice;
mod cpio;
mod document;
mod init;
pub mod kernel;
pub mod payload;
pub mod peers;
mod row;
mod systemd;
mod transcript;
pub mod user;
mod variant;

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};

use crate::tally::Tally;
use crate::{run, tools};
use apt::Apt;
use boot::Guest;
use init::Init;
use kernel::{Arch, Kernel, Series};
use row::Row;
use variant::Variant;

/// `vm`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Series of kernels: 5.10, 6.12-rt, 7.x, 6.1-generic …; the whole matrix when none is named
    series: Vec<String>,
    /// Only tests with this in their name, or `binary::`, `binary::test` from its beginning; several: any of them
    #[arg(long, value_name = "WORDS")]
    filter: Vec<String>,
    /// Not those with this in `binary::test`
    #[arg(long, value_name = "WORDS")]
    skip: Vec<String>,
    /// A variant, several, or `all`; `plain` when none is named
    #[arg(long, value_name = "NAME")]
    variant: Vec<String>,
    /// Every kernel plain, and the variants on the oldest, a middle and the newest kernel; writes docs/KERNELS.md
    #[arg(long, conflicts_with_all = ["series", "filter", "skip", "variant", "env", "ci"])]
    full: bool,
    /// Debian with this init as PID 1, or several, on the kernel of --kernel: the tests of tests/tests/boot
    #[arg(long, value_name = "INIT", num_args = 1.., conflicts_with_all = ["series", "full", "ci", "variant"])]
    boot: Vec<Init>,
    /// With --boot: one boot, of a disk where `killer install-boot` has been called before, and the core of the tests
    #[arg(long, requires = "boot")]
    once: bool,
    /// Series of the kernel for --boot
    #[arg(long, value_name = "SERIES", default_value = "6.1")]
    kernel: String,
    /// The short run that is part of .ci/run
    #[arg(long, conflicts_with_all = ["series", "filter", "skip", "variant", "env"])]
    ci: bool,
    /// Write docs/KERNELS.md from the last run of each row, here or in docs/kernels.jsonl, boot nothing
    #[arg(long)]
    document: bool,
    /// Kind of machine
    #[arg(long, value_enum, default_value = "x86_64")]
    arch: Arch,
    /// Keep the console's log also when all is in order
    #[arg(long)]
    keep: bool,
    /// Build `killer` as it is released (slower to build)
    #[arg(long)]
    release: bool,
    /// Variables for the tests: NAME=VALUE
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Seconds for one test, else what the variant needs
    #[arg(long)]
    limit: Option<u64>,
    /// Write the figures that tests gave into this file: VARIANT NAME JSON, one a line
    #[arg(long, value_name = "FILE")]
    figures: Option<PathBuf>,
    /// Guests at the same time; as many as memory and processors allow when not given
    #[arg(long)]
    guests: Option<usize>,
    /// Minutes for one guest
    #[arg(long, default_value_t = 40)]
    minutes: u64,
}

/// A guest to be.
#[derive(Clone, Debug)]
struct Job {
    kernel: Kernel,
    variant: &'static Variant,
    /// Lines of the plan that say which tests.
    tests: Vec<String>,
    /// For a variant with an init of the distributions'.
    disk: Option<PathBuf>,
}

/// Fetches, builds, boots, counts.
pub fn run(options: &Options) -> Result<Tally> {
    let rows_dir = cache()?.join("rows");
    let docs = run::root().join("docs");
    let document = || -> Result<()> {
        let record = docs.join("kernels.jsonl");
        let rows = Row::kept(&rows_dir, &record)?;
        Row::record(&rows, &record)?;
        document::write(rows, &docs.join("KERNELS.md"))
    };
    if options.document {
        document()?;
        return Ok(Tally::default());
    }
    let wanted = choice::wanted(options)?;
    qemu(options.arch)?;
    // Of what is built now: the checkout may go on while other guests are waited for.
    let commit = commit();
    let programs = payload::build(options.arch, options.release, &choice::binaries(options, &wanted))?;
    let cache = cache()?;
    let _turn = turn(&cache)?;
    let apt = Apt::open(&cache.join(format!("apt-{}", options.arch.debian())), options.arch.debian());
    let busybox = payload::busybox(&apt, &cache, options.arch);
    if let Err(error) = &busybox {
        println!("vm: the guests have no shell: {error:#}");
    }
    let host = Host {
        options,
        initramfs: payload::initramfs(&programs, busybox.as_deref().ok())?,
        alone: payload::alone(&programs)?,
        logs: tempfile::Builder::new().prefix("killer-vm-").tempdir()?.keep(),
        rows: (options.boot.is_empty()
            && options.filter.is_empty()
            && options.skip.is_empty()
            && options.env.is_empty()
            && !options.ci)
            .then(|| rows_dir.clone()),
        commit,
    };
    let (jobs, mut tally) = jobs(options, &wanted, &apt, &cache);
    let rows = host.boot_all(jobs)?;
    row::table(&rows);
    if let Some(path) = &options.figures {
        let lines = rows.iter().flat_map(|r| r.figures.iter().map(|f| format!("{} {f}\n", r.variant)));
        std::fs::write(path, lines.collect::<String>()).with_context(|| path.display().to_string())?;
    }
    for row in &rows {
        tally += row.tally();
    }
    if options.full {
        document()?;
    }
    if options.keep || tally.failed > 0 {
        println!("vm: consoles of the guests: {}", host.logs.display());
    } else {
        std::fs::remove_dir_all(&host.logs)?;
    }
    Ok(tally)
}

/// The guests that can be: what cannot be fetched is skipped, with the reason.
fn jobs(
    options: &Options,
    wanted: &[(Series, &'static Variant)],
    apt: &Result<Apt>,
    cache: &Path,
) -> (Vec<Job>, Tally) {
    let mut tally = Tally::default();
    let mut skipped = |what: &str, error: anyhow::Error| {
        println!("SKIP: vm {what}: {error:#}");
        tally += Tally::SKIPPED;
    };
    let mut kernels: Vec<(Series, Option<Kernel>)> = Vec::new();
    let mut jobs = Vec::new();
    for (series, variant) in wanted {
        if !kernels.iter().any(|(s, _)| s == series) {
            let kernel = kernel::get(apt, cache, series, options.arch);
            let kernel = kernel.map_err(|error| skipped(&series.name(), error)).ok();
            kernels.push((series.clone(), kernel));
        }
        let kernel = kernels.iter().find(|(s, _)| s == series).and_then(|(_, k)| k.clone());
        let Some(kernel) = kernel.filter(|k| variant.there(k)) else { continue };
        match variant.init.map(|init| init.disk(apt, cache)).transpose() {
            Ok(disk) => jobs.push(Job { tests: choice::tests(options, variant), kernel, variant, disk }),
            Err(error) => skipped(variant.name, error),
        }
    }
    (jobs, tally)
}

/// The part of .ci/run: without QEMU, network or a place for the cache it is a skip that says so.
pub fn ci() -> Result<Tally> {
    use clap::Parser;
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }
    let mut tally = Tally::default();
    tally.check("static killer for aarch64", payload::links(Arch::Arm));
    if let Err(error) = qemu(Arch::X86) {
        println!("SKIP: vm: {error:#}");
        tally += Tally::SKIPPED;
        return Ok(tally);
    }
    tally += run(&Line::parse_from(["vm", "--ci"]).options)?;
    Ok(tally)
}

/// The sources: a commit, and a mark when there is more than that.
fn commit() -> String {
    let git =
        |args: &[&str]| run::quiet(std::process::Command::new("git").args(args).current_dir(run::root()));
    let hash = git(&["rev-parse", "--short=10", "HEAD"]).unwrap_or_default();
    let changed = git(&["status", "--porcelain", "-uno"]).is_ok_and(|s| !s.trim().is_empty());
    format!("{}{}", hash.trim(), if changed { " with changes" } else { "" })
}

fn qemu(arch: Arch) -> Result<()> {
    let (program, package) = match arch {
        Arch::X86 => ("qemu-system-x86_64", "qemu-system-x86"),
        Arch::Arm => ("qemu-system-aarch64", "qemu-system-arm"),
    };
    if !crate::run::have(program) {
        tools::packages(&[package], "guests with other kernels")?;
    }
    Ok(())
}

fn cache() -> Result<PathBuf> {
    let dir = tools::cache()?.join("vm");
    std::fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
    Ok(dir)
}

/// One run at a time on this host: guests that share its processors would only be slower and run out of their time.
fn turn(cache: &Path) -> Result<Flock<File>> {
    let path = cache.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path)?;
    let file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => return Ok(lock),
        Err((file, _)) => file,
    };
    println!("vm: another run has its guests on this host; waiting for it to end");
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, e)| e).with_context(|| path.display().to_string())
}

/// What all guests of a run share.
#[derive(Debug)]
struct Host<'a> {
    options: &'a Options,
    initramfs: Vec<u8>,
    alone: Vec<u8>,
    logs: PathBuf,
    /// Where rows for the document are kept, of runs with all that belongs to a row.
    rows: Option<PathBuf>,
    commit: String,
}

impl Host<'_> {
    /// Boots them all, some at the same time; one line for each as it ends.
    fn boot_all(&self, jobs: Vec<Job>) -> Result<Vec<Row>> {
        let at_once = self.options.guests.unwrap_or_else(at_once).max(1);
        let queue = Mutex::new(jobs.into_iter().enumerate().collect::<VecDeque<_>>());
        let done: Mutex<Vec<(usize, Result<Row>)>> = Mutex::default();
        let next = || queue.lock().ok()?.pop_front();
        let worker = || {
            while let Some((n, job)) = next() {
                let row = self.boot(&job);
                if let Ok(row) = &row {
                    println!("{}", row.line());
                }
                done.lock().unwrap_or_else(|e| e.into_inner()).push((n, row));
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..at_once {
                scope.spawn(worker);
            }
        });
        let mut rows = done.into_inner().unwrap_or_else(|e| e.into_inner());
        rows.sort_by_key(|(n, _)| *n);
        rows.into_iter().map(|(_, row)| row).collect()
    }

    fn boot(&self, job: &Job) -> Result<Row> {
        let dir = self.logs.join(format!("{}-{}", job.kernel.series.name(), job.variant.name));
        std::fs::create_dir_all(&dir)?;
        let mut plan: Vec<String> = self.options.env.iter().map(|e| format!("env={e}")).collect();
        plan.extend(self.options.limit.map(|l| format!("limit={l}")));
        let guest = Guest {
            arch: self.options.arch,
            kernel: &job.kernel,
            variant: job.variant,
            initramfs: if job.variant.alone { &self.alone } else { &self.initramfs },
            disk: job.disk.as_deref(),
            tests: &job.tests,
            plan: &plan,
            limit: Duration::from_secs(self.options.minutes * 60),
            dir: &dir,
        };
        let booted = guest.run()?;
        if job.variant.init.is_some() {
            println!("{}", booted.checks(job.variant.name));
        }
        let asked = self.options.env.iter().find_map(|e| e.strip_prefix("KILLER_TIER="));
        let row = Row::new(&job.kernel, job.variant, asked, booted);
        let row = Row { commit: self.commit.clone(), arch: self.options.arch.debian().into(), ..row };
        if let Some(rows) = &self.rows {
            row.keep(rows)?;
        }
        Ok(row)
    }
}

/// Guests that fit: two processors and its memory for each, and room for the host.
fn at_once() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let free = info
        .lines()
        .find_map(|l| l.strip_prefix("MemAvailable:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    let by_memory = free.unwrap_or(0) / 1024 / (boot::MEMORY + 512);
    processors.min(by_memory as usize)
}

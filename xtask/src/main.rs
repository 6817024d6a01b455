//! `cargo xtask`: everything around the code, in plain Rust. It does not depend on killer-user, so that a stale eBPF
//! object can be mended with it.

mod bench;
mod binary;
mod daemons;
mod demo;
mod dist;
mod ebpf;
mod exactness;
mod guard;
mod interrupt;
mod lanes;
mod lint;
mod miri;
mod ordeal;
mod package;
mod prose;
mod reap;
mod rooms;
mod run;
mod soak;
#[path = "../../killer-user/build/sources.rs"]
mod sources;
mod tally;
mod test;
mod tidy;
mod tools;
mod vm;
mod watched;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tally::Tally;

/// Build, test, bench and demo of killer.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Make killer-user/prebuilt/ from its sources; installs the tools for it. Quick when nothing has changed.
    BuildEbpf(ebpf::Options),
    /// Build everything and run all tests; the last line counts them.
    Test(test::Options),
    /// Format, clippy, the one-way dependencies of killer-user, lengths, citations, unused dependencies.
    Lint,
    /// The tests of killer-common under miri, where a nightly toolchain has it.
    Miri,
    /// Real cron, at, Apache and rsyslog: tracked, looked at, ended to the last process.
    Demo,
    /// Figures: time until all are dead, cost of the hooks, start of the program.
    Bench(bench::Options),
    /// Figures that no noise can change, against the limits of xtask/guard.toml.
    Guard(guard::Options),
    /// Packages, static programs, tarballs, recipes, an SBOM and the checksums, in target/dist/.
    Dist(dist::Options),
    /// A short run in three guests and the static aarch64 build.
    Guests,
    /// The tests in guests with other kernels.
    Vm(vm::Options),
    /// Forks by the forkers' own count against the tracker's: docs/internals/EXACTNESS.md.
    Exactness(exactness::Options),
    /// Bombs, chains, revivers, adopted, signalled, killed, round after round: docs/internals/EXACTNESS.md.
    Soak(soak::Options),
    /// Other ways to end a service, on the same adversaries; writes docs/PEERS.md.
    Peers(vm::peers::Options),
    /// Run a test program, and take the orphans of what it starts.
    #[command(hide = true)]
    Reap(reap::Options),
    /// What .ci/run does: lint, build-ebpf --verify, miri, test, guests, guard.
    Ci,
}

fn main() -> ExitCode {
    if let Some(code) = ebpf::as_rustc() {
        return code;
    }
    let done = match Cli::parse().task {
        Task::Reap(options) => match reap::main(&options) {
            Ok(code) => return code,
            Err(error) => Err(error),
        },
        Task::BuildEbpf(options) => ebpf::main(&options).map(|()| Tally::default()),
        Task::Test(options) => test::run(&options).inspect(|tally| println!("{tally}")),
        Task::Lint => lint::run().inspect(|tally| println!("{tally}")),
        Task::Miri => miri::run().inspect(|tally| println!("{tally}")),
        Task::Demo => demo::main().map(|()| Tally::default()),
        Task::Bench(options) => bench::main(&options).map(|()| Tally::default()),
        Task::Guard(options) => guard::run(&options).inspect(|tally| println!("{tally}")),
        Task::Dist(options) => dist::main(&options).map(|()| Tally::default()),
        Task::Guests => vm::ci().inspect(|tally| println!("{tally}")),
        Task::Vm(options) => vm::run(&options).inspect(|tally| println!("{tally}")),
        Task::Exactness(options) => exactness::main(&options).map(|()| Tally::default()),
        Task::Soak(options) => soak::main(&options).map(|()| Tally::default()),
        Task::Peers(options) => vm::peers::run(&options).map(|()| Tally::default()),
        Task::Ci => ci().inspect(|tally| println!("{tally}")),
    };
    match done {
        Ok(tally) if tally.failed > 0 => ExitCode::FAILURE,
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn ci() -> anyhow::Result<Tally> {
    // Both need what rustup adds, and rustup is for one at a time.
    tools::components(&["rustfmt", "clippy", "rust-src"])?;
    // The proof builds in a folder of its own, and hardly ever on more than one processor.
    let proof = std::thread::spawn(|| timed("the proof of the object", || Ok(proof())));
    let lint = timed("lint", lint::run);
    let mut tally = proof.join().map_err(|_| anyhow::anyhow!("the proof of the object has died"))??;
    tally += lint?;
    tally += timed("miri", miri::run)?;
    tally += timed("the tests of this host", || test::run(&test::Options::default()))?;
    tally += timed("the guests", vm::ci)?;
    tally += timed("the guard", || guard::run(&guard::Options::default()))?;
    Ok(tally)
}

fn proof() -> Tally {
    let mut tally = Tally::default();
    match ebpf::verify() {
        Ok(ebpf::Verdict::Same) => tally += Tally::PASSED,
        Ok(ebpf::Verdict::NotComparable) => tally += Tally::SKIPPED,
        Err(error) => tally.check("build-ebpf --verify", Err(error)),
    }
    tally
}

/// Says how long it took: there is a budget for all of it (25 minutes on two processors).
fn timed<T>(what: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let began = std::time::Instant::now();
    let done = work();
    println!("{what}: {} s", began.elapsed().as_secs());
    done
}

//! `cargo xtask demo`: real services, tracked from their first instruction and ended to the last process.

mod fixture;
mod others;

use std::collections::BTreeSet;
use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use fixture::{Fixture, SERVICES, World};

use killer_tests::Pidfd;

use crate::{binary, daemons, interrupt, run};

/// Where trackers are pinned.
pub const BPFFS: &str = "/sys/fs/bpf";

/// The whole of it.
pub fn main() -> Result<()> {
    requirements()?;
    let killer = binary::build()?;
    let installed = daemons::install()?;
    interrupt::catch()?;
    let demo = Demo::new(killer)?;
    let outcome = demo.play();
    if outcome.is_err() {
        eprint!("{}", demo.world.said());
    }
    drop(demo);
    outcome?;
    match installed.as_slice() {
        [] => println!("Nothing is left behind."),
        list => println!("Left behind: the packages {}; apt-get purge removes them.", list.join(" ")),
    }
    Ok(())
}

/// Is a tier asked for that needs no eBPF?
fn without_programs() -> bool {
    std::env::var("KILLER_TIER").is_ok_and(|t| ["named", "scan"].contains(&t.as_str()))
}

/// Says all that is missing, and how to get it.
fn requirements() -> Result<()> {
    let mut missing = Vec::new();
    if !nix::unistd::geteuid().is_root() {
        missing.push("root: sudo -E cargo xtask demo".to_owned());
    }
    if !without_programs() && !Path::new("/sys/kernel/btf/vmlinux").exists() {
        missing.push(
            "a kernel with BTF (CONFIG_DEBUG_INFO_BTF; every Debian kernel since 11 has it)".to_owned(),
        );
    }
    for (program, package) in [("unshare", "util-linux"), ("perl", "perl-base")] {
        if !run::have(program) {
            missing.push(format!("{program}: apt-get install {package}"));
        }
    }
    let packages = daemons::missing();
    let may_install = nix::unistd::geteuid().is_root() && run::have("apt-get");
    if !packages.is_empty() && !may_install {
        missing.push(format!("the services: apt-get install {}", packages.join(" ")));
    }
    ensure!(missing.is_empty(), "the demo needs\n  {}", missing.join("\n  "));
    Ok(())
}

/// Everything that has to go again, also when a step fails.
struct Demo {
    world: World,
    killer: PathBuf,
    pins: PathBuf,
    mounted_before: bool,
}

/// A service, looked at while it lived.
struct Looked {
    fixture: Fixture,
    members: BTreeSet<i32>,
    pidfds: Vec<Pidfd>,
    oracle: std::fs::File,
}

impl Demo {
    fn new(killer: PathBuf) -> Result<Demo> {
        let pins = Path::new(BPFFS).join(format!("killer-demo-{}", std::process::id()));
        let mounts = std::fs::read_to_string("/proc/self/mounts")?;
        let mounted_before = mounts.lines().any(|l| l.split(' ').nth(1) == Some(BPFFS));
        Ok(Demo { world: World::new()?, killer, pins, mounted_before })
    }

    fn play(&self) -> Result<()> {
        title("Four real services, each under `killer run`");
        self.show(&["up"])?;
        let mut oracles = Vec::new();
        for fixture in SERVICES {
            oracles.push(fixture.oracle(&self.world)?);
            self.start(&fixture)?;
        }
        self.show(&["list"])?;

        title("What they have become: daemons, orphans, other names and users");
        self.show(&["status", "apache2"])?;
        self.show(&["tree", "cron"])?;

        title("HUP for the main process alone: rsyslog opens its file again");
        self.hup()?;

        title("What the usual ways would have left alive");
        let mut looked = Vec::new();
        for (fixture, oracle) in SERVICES.into_iter().zip(oracles) {
            looked.push(self.look(fixture, oracle)?);
        }
        self.show(&["verify", "cron"])?;

        title("The end");
        self.show(&["-v", "-s", "KILL", "--whom=all", "--wait", "cron"])?;
        self.show(&["-s", "KILL", "--wait", "-o", "json-pretty", "at"])?;
        self.show(&["-v", "-s", "KILL", "--wait", "apache2", "rsyslog"])?;
        for service in &looked {
            proof(service)?;
        }
        for port in [self.world.port, self.world.app_port] {
            TcpListener::bind(("127.0.0.1", port)).context("a port is still taken")?;
        }
        println!("Apache's port and the application server's port are free again.");
        self.show(&["list"])
    }

    fn start(&self, fixture: &Fixture) -> Result<()> {
        let command = fixture.command(self.world.dir.path());
        println!("$ killer run --name {} --detach -- {} …", fixture.name, command[0]);
        let mut run = self.command();
        run.args(["run", "--name", fixture.name, "--detach", "--"]).args(&command);
        let out = run.output()?;
        let text = String::from_utf8_lossy(&out.stderr).into_owned();
        ensure!(out.status.success(), "{} does not start: {} {text}", fixture.name, out.status);
        match fixture.name {
            "rsyslog" => wait_for("rsyslog's socket", || self.world.log("hello").is_ok())?,
            "apache2" => wait_for("Apache's answer", || self.world.get().is_ok())?,
            _ => {}
        }
        for mark in fixture.marks {
            wait_for(mark, || self.world.mark(mark).is_some())?;
        }
        Ok(())
    }

    fn hup(&self) -> Result<()> {
        let log = self.world.dir.path().join("log/messages");
        let holds = |path: &Path, text: &str| std::fs::read_to_string(path).is_ok_and(|t| t.contains(text));
        wait_for("a message", || self.world.log("before").is_ok() && holds(&log, "before"))?;
        std::fs::rename(&log, log.with_extension("1"))?;
        self.show(&["-v", "-s", "HUP", "--whom=main", "rsyslog"])?;
        wait_for("the file to be opened again", || self.world.log("after").is_ok() && holds(&log, "after"))?;
        println!("messages.1 was rotated away, messages is a new file; nobody else got the signal.");
        Ok(())
    }

    /// Members as the kernel has them, a pidfd of each, and what the usual ways would leave.
    fn look(&self, fixture: Fixture, oracle: std::fs::File) -> Result<Looked> {
        let mut command = self.command();
        command.args(["-n", "-s", "KILL", "-o", "json", fixture.name]);
        let out = run::quiet(&mut command)?;
        let json: serde_json::Value = serde_json::from_str(out.trim()).context("killer -n -o json")?;
        let number = |value: &serde_json::Value| value.as_i64().and_then(|n| i32::try_from(n).ok());
        let listed = json["targets"].as_array().into_iter().flatten();
        let members: BTreeSet<i32> = listed.filter_map(|p| number(&p["pid"])).collect();
        ensure!(!members.is_empty(), "{} has no members: {json}", fixture.name);
        for mark in fixture.marks {
            let pid = self.world.mark(mark).unwrap_or(0);
            ensure!(members.contains(&pid), "{mark} ({pid}) is not among the members of {}", fixture.name);
        }
        ensure!(
            fixture.marks.is_empty() || !at_end(&oracle)?,
            "the jobs of {} do not hold the FIFO",
            fixture.name
        );
        let all = others::everybody();
        let named = |pids: &[i32]| {
            let of = |pid: &i32| all.get(pid).map_or("?", |s| s.comm.as_str());
            pids.iter().map(|pid| format!("{} {pid}", of(pid))).collect::<Vec<_>>().join(", ")
        };
        let main = number(&json["main_pid"]).or(members.first().copied()).unwrap_or(0);
        println!("{}: {} processes", fixture.name, members.len());
        for way in others::ways(main, fixture.comm, &members) {
            let wrong = match way.wrong {
                0 => String::new(),
                n => format!("; would hit {n} of others"),
            };
            match way.left.len() {
                0 => println!("  {:<32} leaves nobody{wrong}", way.name),
                n => println!("  {:<32} leaves {n}: {}{wrong}", way.name, named(&way.left)),
            }
        }
        let pidfds = members.iter().filter_map(|pid| Pidfd::open(*pid)).collect();
        Ok(Looked { fixture, members, pidfds, oracle })
    }

    /// `killer` with the demo's own tracker.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.killer);
        command.env("KILLER_PIN_ROOT", &self.pins).stdin(Stdio::null());
        command
    }

    /// Runs it as a person would, with the command line above its output.
    fn show(&self, args: &[&str]) -> Result<()> {
        interrupt::check()?;
        println!("$ killer {}", args.join(" "));
        let status = self.command().args(args).status().context("cannot run killer")?;
        ensure!(status.success(), "killer {}: {status}", args.join(" "));
        println!();
        Ok(())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if self.pins.exists() || without_programs() {
            for args in [&["-q", "-s", "KILL", "*"][..], &["-q", "down", "--force"]] {
                let _ = self.command().args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
            }
            let _ = std::fs::remove_dir_all(&self.pins);
        }
        if !self.mounted_before {
            let _ = nix::mount::umount(BPFFS);
        }
    }
}

/// Not what killer says: every pidfd has ended, and nobody holds the jobs' FIFO.
fn proof(service: &Looked) -> Result<()> {
    let name = service.fixture.name;
    let alive = service.pidfds.iter().filter(|fd| fd.alive()).count();
    ensure!(alive == 0, "{alive} processes of {name} live on");
    let jobs = match service.fixture.marks {
        [] => "",
        _ if at_end(&service.oracle)? => ", and the FIFO that its jobs held is at its end",
        _ => bail!("a job of {name} lives on: its FIFO is still open"),
    };
    println!("{name}: all {} are dead by their pidfds{jobs}", service.members.len());
    Ok(())
}

/// Does nobody hold the FIFO for writing any more?
fn at_end(mut fifo: &std::fs::File) -> Result<bool> {
    match fifo.read(&mut [0; 1]) {
        Ok(0) => Ok(true),
        Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => Ok(false),
        other => bail!("oracle: {other:?}"),
    }
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) -> Result<()> {
    let begun = Instant::now();
    while !done() {
        interrupt::check()?;
        ensure!(begun.elapsed() < Duration::from_secs(30), "waited 30 s for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn title(text: &str) {
    println!("\n== {text}\n");
}

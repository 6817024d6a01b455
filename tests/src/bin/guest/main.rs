//! PID 1 of a test guest: mounts what the plan wants, runs the test binaries one test at a time, says how each went in
//! lines for a machine, and powers off. The host's side of it is `xtask/src/vm`.
//!
//! The plan is `/plan` in the initramfs, one `key=value` a line. Lines for the host begin with `@kt `:
//! `up RELEASE`, `run TEST`, `out TEXT`, `ok|failed|skipped|timeout TEST MS [REASON]`, `fact KEY TEXT`, `figures NAME JSON`,
//! `end`.

mod alone;
mod boot;
mod buildroot;
mod mounts;
mod peers;
mod plan;
mod runner;

use plan::{As, Plan};
use std::process::{Command, ExitCode};
use std::time::Duration;

fn main() -> ExitCode {
    let role = std::env::args().nth(1).unwrap_or_default();
    let rest: Vec<String> = std::env::args().skip(2).collect();
    match role.as_str() {
        "run" => runner::run(&Plan::read()),
        "boot" => boot::tests(Plan::read()),
        "tree" => alone::tree(),
        "branch" => alone::branch(),
        "leaf" => alone::leaf(),
        "nothing" => {}
        "peers" => {
            peers::run();
            off();
        }
        "enter" => peers::enter(&rest),
        "enter-cgroup" => peers::enter_cgroup(&rest),
        "namespace" => in_namespace(),
        "namespace-init" => namespace_init(),
        _ if std::process::id() == 1 => init(),
        _ => {
            eprintln!("guest: the init of a test guest, not to be started by hand");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// The initial PID 1.
fn init() {
    if std::path::Path::new(alone::KILLER).exists() {
        mounts::least();
        say(&format!("up {}", one_line("/proc/sys/kernel/osrelease")));
        alone::run();
        return off();
    }
    let plan = Plan::read();
    if !plan.get("boot").is_empty() {
        say(&format!("up {}", killer_tests::kernel()));
        boot::enter(&plan);
        return off();
    }
    mounts::first();
    mounts::by_plan(&plan);
    say(&format!("up {}", one_line("/proc/sys/kernel/osrelease")));
    say(&format!("fact cmdline {}", one_line("/proc/cmdline")));
    say(&format!("fact lsm {}", one_line("/sys/kernel/security/lsm")));
    let role = if plan.run_as == As::PidNamespace { "namespace" } else { "run" };
    reap_until_end_of(role);
    off();
}

/// The end of the guest.
fn off() {
    say("end");
    // Both what we wrote and what the console still holds has to be out before the machine is gone.
    std::thread::sleep(Duration::from_millis(100));
    let _ = rustix::system::reboot(rustix::system::RebootCommand::PowerOff);
    // The machine cannot be switched off: a panic ends it as well.
    std::process::exit(0);
}

/// A process whose child will be PID 1 of a namespace.
fn in_namespace() {
    use nix::sched::CloneFlags;
    match nix::sched::unshare(CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS) {
        Ok(()) => reap_until_end_of("namespace-init"),
        Err(e) => say(&format!("out cannot make a PID namespace: {e}")),
    }
}

fn namespace_init() {
    mounts::proc_of_namespace();
    reap_until_end_of("run");
}

/// Starts this program again in another role and collects every zombie until that one has ended.
fn reap_until_end_of(role: &str) {
    let mut command = Command::new("/proc/self/exe");
    let child = match command.arg(role).spawn() {
        Ok(child) => child.id() as i32,
        Err(e) => return say(&format!("out cannot start '{role}': {e}")),
    };
    loop {
        match nix::sys::wait::wait() {
            Ok(status) if status.pid().is_some_and(|p| p.as_raw() == child) => {
                if !matches!(status, nix::sys::wait::WaitStatus::Exited(_, 0)) {
                    say(&format!("out '{role}' ended with {status:?}"));
                }
                return;
            }
            Err(nix::errno::Errno::ECHILD) => return,
            _ => {}
        }
    }
}

/// One line for the host.
pub fn say(line: &str) {
    use std::io::Write;
    let _ = std::io::stdout().lock().write_all(format!("@kt {line}\n").as_bytes());
}

/// A small file as one line; nothing when it is not there.
pub fn one_line(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().replace('\n', " ")
}

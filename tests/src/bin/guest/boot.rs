//! A guest with an init of the distributions': from the initramfs onto its disk, as Debian's own initramfs does it, and
//! then that init. What the init starts last are the tests. Then, where `killer` can give services their names from boot on,
//! its boot files are installed and the init boots the host once more, for the tests of that. At the end the init is asked
//! to switch the machine off.

use crate::buildroot;
use crate::plan::Plan;
use crate::{one_line, runner, say};
use nix::mount::{MsFlags, mount};
use nix::unistd::{chdir, chroot};
use std::fs;
use std::io::{Error, ErrorKind, Result};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const DISK: &str = "/dev/nvme0n1";
pub const ROOT: &str = "/disk";
/// How the init starts the tests: on the console, where nobody reads anything.
const START: &str = "/t/guest boot </dev/null >/dev/console 2>&1";
/// A disk that has not come up in this time never will.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where packages have it; boot files start it from there.
const KILLER: &str = "/usr/bin/killer";
/// There from the second boot on.
const AGAIN: &str = "/t/again";
/// What only the first boot can show, and what only the second one can.
const FIRST: [&str; 3] = ["boot::as_booted", "boot::first_use", "boot::tutorial"];
const SECOND: [&str; 4] = ["boot::as_named", "boot::by_script", "boot::rules", "opened::"];

/// Variables for the tests that say what the kernel is to lack: for the init, and so for its scripts, too.
const OF_THE_HOST: [&str; 2] = ["KILLER_TIER", "KILLER_LACK"];

/// The initial PID 1: becomes the init of the disk.
pub fn enter(plan: &Plan) {
    let init = plan.get("boot");
    if let Err(e) = onto_disk(init) {
        say(&format!("out the disk with {init} cannot be entered: {e}"));
        return;
    }
    // Where minutes count the disk is a host on which `killer` was installed before.
    if plan.get("boots") == "once" && !Path::new(AGAIN).exists() {
        let nothing = None::<&str>;
        let _ = mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), nothing);
        install(init);
        let _ = nix::mount::umount("/proc");
    }
    let mut command = Command::new("/sbin/init");
    command.arg0("init").env_clear().envs([("HOME", "/"), ("TERM", "linux")]);
    command.envs(plan.env.iter().filter(|(k, _)| OF_THE_HOST.contains(&k.as_str())).cloned());
    say(&format!("out the init cannot be started: {}", command.exec()));
}

fn onto_disk(init: &str) -> Result<()> {
    let nothing = None::<&str>;
    for dir in ["/dev", ROOT] {
        fs::create_dir_all(dir)?;
    }
    mount(Some("devtmpfs"), "/dev", Some("devtmpfs"), MsFlags::empty(), nothing)?;
    // The kernel does not wait for it.
    let begun = Instant::now();
    while !Path::new(DISK).exists() {
        if begun.elapsed() > PATIENCE {
            return Err(Error::new(ErrorKind::NotFound, DISK));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    mount(Some(DISK), ROOT, Some("ext4"), MsFlags::MS_NOATIME, nothing)?;
    if !Path::new(&format!("{ROOT}{AGAIN}")).exists() {
        take_along("/t", &format!("{ROOT}/t"))?;
        fs::copy("/t/killer", format!("{ROOT}{KILLER}"))?;
        fs::copy("/init", format!("{ROOT}/t/guest"))?;
        fs::copy("/plan", format!("{ROOT}/plan"))?;
        if init == "busybox" {
            buildroot::make(Path::new(ROOT))?;
        }
        start_tests(init)?;
    }
    // It is memory.
    fs::remove_dir_all("/t")?;
    mount(Some("/dev"), &*format!("{ROOT}/dev"), nothing, MsFlags::MS_MOVE, nothing)?;
    chdir(ROOT)?;
    mount(Some("."), "/", nothing, MsFlags::MS_MOVE, nothing)?;
    chroot(".")?;
    chdir("/")?;
    Ok(())
}

fn take_along(from: &str, to: &str) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)?.flatten() {
        let [from, to] = [from, to].map(|dir| format!("{dir}/{}", entry.file_name().to_string_lossy()));
        if entry.file_type()?.is_dir() {
            take_along(&from, &to)?;
        } else {
            fs::copy(from, to)?;
        }
    }
    Ok(())
}

/// By the init's own means, beside its services: a service of its own would be one more that `killer` may see.
fn start_tests(init: &str) -> Result<()> {
    if init == "runit" {
        // The last that stage 2 does is to become runsvdir.
        let path = format!("{ROOT}/etc/runit/2");
        let text = fs::read_to_string(&path)?;
        let Some((before, last)) = text.split_once("\nexec env") else {
            return Err(Error::new(ErrorKind::InvalidData, "/etc/runit/2 is not as it is known"));
        };
        return fs::write(path, format!("{before}\nsetsid {START} &\nexec env{last}"));
    }
    let path = format!("{ROOT}/etc/inittab");
    let text = fs::read_to_string(&path)?;
    let entry = if init == "busybox" { "::once" } else { "kt:2345:once" };
    fs::write(path, format!("{text}\n{entry}:{START}\n"))
}

/// What the init has started last.
pub fn tests(mut plan: Plan) {
    let again = Path::new(AGAIN).exists();
    let rules = Command::new(KILLER).args(["up", "--help"]).output();
    let rules = rules.is_ok_and(|o| String::from_utf8_lossy(&o.stdout).contains("--rules"));
    let uptime = one_line("/proc/uptime");
    let fact = if again { "booted-again" } else { "booted" };
    say(&format!("fact {fact} {}", uptime.split(' ').next().unwrap_or("?")));
    say(&format!("fact lsm {}", one_line("/sys/kernel/security/lsm")));
    match (rules, again) {
        (true, false) => plan.skips.extend(SECOND.map(str::to_owned)),
        (true, true) => plan.skips.extend(FIRST.map(str::to_owned)),
        (false, _) => {}
    }
    // Hosts of tests' own lie there, and Debian has nothing executed from it.
    let _ = Command::new("/bin/mount").args(["-o", "remount,exec", "/run"]).status();
    runner::run(&plan);
    let init = plan.get("boot");
    let (anew, off): (&[&str], &[&str]) = match init {
        "runit" => (&["/sbin/init", "6"], &["/sbin/init", "0"]),
        "busybox" => (&["/bin/busybox", "reboot"], &["/bin/busybox", "poweroff"]),
        _ => (&["/sbin/shutdown", "-r", "now"], &["/sbin/shutdown", "-h", "-P", "now"]),
    };
    if rules && !again && install("") {
        return ask(anew);
    }
    say("end");
    ask(off);
}

/// As an admin does it, on the host that runs; a check of its own. Before it runs PID 1 does not tell that it will be busybox.
fn install(init: &str) -> bool {
    let test = "boot::install_boot";
    say(&format!("run {test}"));
    let named = (init == "busybox").then_some("--init=busybox");
    let out = Command::new(KILLER).arg("install-boot").args(named).output();
    let said = match &out {
        Ok(out) => {
            format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
        }
        Err(e) => e.to_string(),
    };
    let marked = fs::write(AGAIN, "");
    for line in said.lines() {
        say(&format!("out install_boot: {line}"));
    }
    let right = out.is_ok_and(|o| o.status.success()) && marked.is_ok();
    say(&format!("{} {test} 0", if right { "ok" } else { "failed" }));
    right
}

fn ask(init: &[&str]) {
    // What was written has to be there when the machine is not.
    rustix::fs::sync();
    if let Err(e) = Command::new(init[0]).args(&init[1..]).status() {
        say(&format!("out {}: {e}", init[0]));
    }
}

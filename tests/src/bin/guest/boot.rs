//! A guest with an init of the distributions': from the initramfs onto its disk, as Debian's own initramfs does it, and
//! then that init. What the init starts last are the tests; then it is asked to switch the machine off.

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
const ROOT: &str = "/disk";
/// How the init starts the tests: on the console, where nobody reads anything.
const START: &str = "/t/guest boot </dev/null >/dev/console 2>&1";
/// A disk that has not come up in this time never will.
const PATIENCE: Duration = Duration::from_secs(60);

/// The initial PID 1: becomes the init of the disk.
pub fn enter(init: &str) {
    if let Err(e) = onto_disk(init) {
        say(&format!("out the disk with {init} cannot be entered: {e}"));
        return;
    }
    let mut command = Command::new("/sbin/init");
    command.arg0("init").env_clear().envs([("HOME", "/"), ("TERM", "linux")]);
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
    take_along("/t", &format!("{ROOT}/t"))?;
    fs::copy("/init", format!("{ROOT}/t/guest"))?;
    fs::copy("/plan", format!("{ROOT}/plan"))?;
    // It is memory.
    fs::remove_dir_all("/t")?;
    start_tests(init)?;
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
    fs::write(path, format!("{text}\nkt:2345:once:{START}\n"))
}

/// What the init has started last.
pub fn tests(plan: &Plan) {
    let uptime = one_line("/proc/uptime");
    say(&format!("fact booted {}", uptime.split(' ').next().unwrap_or("?")));
    say(&format!("fact lsm {}", one_line("/sys/kernel/security/lsm")));
    runner::run(plan);
    say("end");
    let off: &[&str] = match plan.get("boot") {
        "runit" => &["init", "0"],
        _ => &["shutdown", "-h", "-P", "now"],
    };
    if let Err(e) = Command::new(off[0]).args(&off[1..]).status() {
        say(&format!("out {}: {e}", off[0]));
    }
}

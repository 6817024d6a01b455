//! CMD's parent for life: a detached CMD begins when whom orphans come to is its parent.

use killer_tests::{LivePipe, everywhere, skip};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

const ROUNDS: u32 = 40;

fn hand(command: &mut Command, fd: &OwnedFd) {
    let fd = fd.as_raw_fd();
    // SAFETY: dup2 of a descriptor that is open until the command has started.
    unsafe {
        command.pre_exec(move || match libc::dup2(fd, 9) {
            -1 => Err(std::io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
}

/// As `bwrap --die-with-parent` does: CMD asks to die with its parent first thing.
#[test]
fn who_dies_with_its_parent_lives() {
    if !Command::new("setpriv").arg("--version").stdout(Stdio::null()).status().is_ok_and(|s| s.success()) {
        skip("who_dies_with_its_parent_lives", "no setpriv");
        return;
    }
    for options in [&[][..], &["--kill-on-exit"]] {
        everywhere("who_dies_with_its_parent_lives", |env| {
            let mut pipes = Vec::new();
            for n in 0..ROUNDS {
                let (live, write) = LivePipe::new();
                let mut command = env.command();
                command.args(["run", "--name", &format!("svc{n}"), "--detach", "--keep-fds"]).args(options);
                command.args(["--", "setpriv", "--pdeathsig", "KILL", "sleep", "60"]);
                hand(&mut command, &write);
                env.finish(command).ok().silent();
                pipes.push(live);
            }
            std::thread::sleep(Duration::from_millis(300));
            let dead = pipes.iter().filter(|p| !p.alive()).count();
            assert_eq!(dead, 0, "{} {options:?}: died with a launcher", env.test);
        });
    }
}

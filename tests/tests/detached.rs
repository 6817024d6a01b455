//! `run --detach`: nothing of the caller's stays with what stays behind, and what CMD says goes where it was told to go.

use killer_tests::{LivePipe, TestEnv, eventually, everywhere, everywhere_alone, killer};
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Descriptor `number` of the command is `fd`.
fn hand(command: &mut Command, fd: &OwnedFd, number: i32) {
    let fd = fd.as_raw_fd();
    // SAFETY: dup2 of a descriptor that is open until the command has started.
    unsafe {
        command.pre_exec(move || match libc::dup2(fd, number) {
            -1 => Err(std::io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
}

/// Processes of `killer` that stand in this directory.
fn standing_in(dir: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir("/proc").expect("/proc").flatten();
    let stands = |p: &PathBuf| std::fs::read_link(p.join("cwd")).is_ok_and(|c| c == dir);
    let ours = |p: &PathBuf| std::fs::read_link(p.join("exe")).is_ok_and(|e| e == killer());
    all.map(|e| e.path()).filter(|p| stands(p) && ours(p)).collect()
}

#[test]
fn the_callers_pipes_end_with_run() {
    for keeper in [false, true] {
        everywhere_alone("the_callers_pipes_end_with_run", |env| {
            for (n, options) in [&[][..], &["--kill-on-exit"]].into_iter().enumerate() {
                let name = format!("svc{n}");
                let (lock, write) = LivePipe::new();
                let dir = env.path(&name);
                std::fs::create_dir(&dir).expect("directory");
                let mut command = env.command();
                command.args(["run", "--name", &name, "--detach"]).args(options);
                command.args(["--", "sleep", "60"]).current_dir(&dir);
                if keeper {
                    command.env("KILLER_KEEPER", "1");
                }
                hand(&mut command, &write, 9);
                // Comes back when all who hold the pipes are gone, as `$(…)` does.
                let out = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().expect("run");
                drop(write);
                assert!(out.status.success(), "{}: {out:?}", env.test);
                assert!(lock.eof_within(Duration::from_secs(5)), "{}: descriptor 9 is held", env.test);
                assert!(eventually(Duration::from_secs(5), || standing_in(&dir).is_empty()));
                env.killer(["status", &name]).ok();
                env.killer(["-s", "KILL", "--wait", &name]).ok();
            }
        });
    }
}

const LOOK: &str = "for f in 0 1 2; do readlink /proc/$$/fd/$f; done; ls /proc/$$/fd | tr '\\n' ' '";

#[test]
fn what_cmd_has_and_where_it_goes() {
    everywhere("what_cmd_has", |env| {
        let (seen, log) = (env.path("seen"), env.path("log"));
        let (_lock, write) = LivePipe::new();
        let run = |options: &[&str]| {
            let mut command = env.command();
            command.args(["run", "--name", "svc", "--detach"]).args(options).args(["--", "sh", "-c"]);
            command.arg(format!("({LOOK}) > {}; echo out; echo err >&2", seen.display()));
            hand(&mut command, &write, 9);
            let running = env.spawn(command);
            // Before that there may be a root that has nobody yet.
            assert!(running.pidfd().ends_within(Duration::from_secs(60)), "run does not return");
            assert!(eventually(Duration::from_secs(60), || env.killer(["status", "svc"]).exit() == 3));
            // Read when CMD has ended, too.
            let out = running.finish(Duration::from_secs(60));
            env.killer(["forget", "svc"]).ok();
            (out, std::fs::read_to_string(&seen).unwrap_or_default())
        };
        let fds = |text: &str| text.lines().nth(3).unwrap_or_default().trim_end().to_owned();
        let (out, world) = run(&[]);
        out.ok().silent();
        assert!(world.starts_with("/dev/null\n/dev/null\n/dev/null\n"), "{world}");
        // 10 is the shell's own copy of its output.
        assert!(matches!(&fds(&world)[..], "0 1 2" | "0 1 10 2"), "{}: {world}", env.test);

        std::fs::write(&log, "before\n").expect("log");
        let option = format!("--log={}", log.display());
        run(&[&option]).0.ok().silent();
        assert_eq!(std::fs::read_to_string(&log).expect("log"), "before\nout\nerr\n");
        std::fs::remove_file(&log).expect("log");
        run(&[&option]).0.ok();
        assert_eq!(std::fs::metadata(&log).expect("log").mode() & 0o7777, 0o640);

        let (out, world) = run(&["--keep-fds"]);
        assert_eq!((&out.ok().stdout[..], &out.stderr[..]), ("out\n", "err\n"), "{}", env.test);
        assert!(fds(&world).contains('9'), "{}: {world}", env.test);
        let (out, world) = run(&["--keep-fds", &option]);
        out.ok().silent();
        assert!(fds(&world).contains('9'), "{}: {world}", env.test);
        assert_eq!(std::fs::read_to_string(&log).expect("log"), "out\nerr\nout\nerr\n");
    });
}

#[test]
fn a_log_that_cannot_be_opened_starts_nothing() {
    let Some(env) = TestEnv::without_programs("a_log_that_cannot_be_opened", "scan", None) else { return };
    let mark = env.path("mark");
    let fifo = env.path("fifo");
    let _live = LivePipe::fifo(&env.path("read"));
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("fifo");
    for log in ["/no/such/dir/log", "/", &fifo.to_string_lossy()] {
        let mark = mark.to_string_lossy().into_owned();
        let out = env.killer(["run", "--name", "svc", "--detach", "--log", log, "--", "touch", &mark]);
        out.error(125, &[log]);
        env.killer(["status", "svc"]).code(4);
    }
    assert!(!mark.exists());
    env.killer(["run", "--name", "svc", "--log", "/tmp/x", "--", "true"]).error(2, &["--detach"]);
    env.killer(["run", "--name", "svc", "--keep-fds", "--", "true"]).error(2, &["--detach"]);
}

/// A /dev of the command's own: null, and a log socket somewhere else, or none.
fn own_dev(command: &mut Command, socket: Option<&Path>) {
    let c = |p: &Path| std::ffi::CString::new(p.as_os_str().as_encoded_bytes()).expect("path");
    let socket = socket.map(c);
    // SAFETY: plain system calls on literals and a string that was made before.
    unsafe {
        command.pre_exec(move || {
            let private = libc::MS_REC | libc::MS_PRIVATE;
            let null = std::ptr::null();
            let ok = libc::unshare(libc::CLONE_NEWNS) == 0
                && libc::mount(null, c"/".as_ptr(), null, private, null.cast()) == 0
                && libc::mount(c"tmpfs".as_ptr(), c"/dev".as_ptr(), c"tmpfs".as_ptr(), 0, null.cast()) == 0
                && libc::mknod(c"/dev/null".as_ptr(), libc::S_IFCHR | 0o666, libc::makedev(1, 3)) == 0
                && socket.as_ref().is_none_or(|s| libc::symlink(s.as_ptr(), c"/dev/log".as_ptr()) == 0);
            if ok { Ok(()) } else { Err(std::io::Error::last_os_error()) }
        });
    }
}

#[test]
fn lines_go_to_the_systems_log() {
    everywhere("lines_go_to_the_systems_log", |env| {
        let path = env.path("socket");
        let socket = UnixDatagram::bind(&path).expect("socket");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).expect("chmod");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("timeout");
        let mut command = env.command();
        command.args(["run", "--name", "we:b", "--detach", "--log=syslog", "--", "sh", "-c"]);
        command.arg("echo first; echo second >&2; printf third; exec sleep 60");
        own_dev(&mut command, Some(&path));
        let out = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().expect("run");
        assert!(out.status.success(), "{}: {out:?}", env.test);
        let next = || {
            let mut buf = [0; 2048];
            let n = socket.recv(&mut buf).unwrap_or_else(|e| panic!("{}: {e}", env.test));
            String::from_utf8_lossy(&buf[..n]).into_owned()
        };
        let lines = [next(), next()];
        for (line, word) in lines.iter().zip(["first", "second"]) {
            assert!(line.starts_with("<30>") && line.ends_with(&format!(" we_b: {word}")), "{line}");
        }
        // Its relay is nobody's member, and ends with the last who could write.
        env.killer(["-s", "KILL", "--wait", "we:b"]).ok();
        let third = loop {
            let line = next();
            if !line.contains("Sent signal") {
                break line;
            }
        };
        assert!(third.ends_with(" we_b: third"), "{third}");
    });
}

#[test]
fn no_log_daemon_is_told() {
    let Some(env) = TestEnv::without_programs("no_log_daemon_is_told", "scan", None) else { return };
    let mut command = env.command();
    command.args(["run", "--name", "svc", "--detach", "--log=syslog", "--", "true"]);
    own_dev(&mut command, None);
    env.finish(command).error(125, &["/dev/log"]);
    env.killer(["status", "svc"]).code(4);
}

/// A caller without descriptors 0 to 2, and no /dev to take their places from.
#[test]
fn without_descriptors_and_dev() {
    let Some(env) = TestEnv::without_programs("without_descriptors_and_dev", "scan", None) else { return };
    let seen = env.path("seen");
    let mut command = env.command();
    command.args(["run", "--name", "svc", "--detach", "--", "sh", "-c"]);
    command.arg(format!("(ls /proc/$$/fd | tr '\\n' ' ') > {}; exec sleep 60", seen.display()));
    // SAFETY: plain system calls between fork and exec.
    unsafe {
        command.pre_exec(|| {
            let null = std::ptr::null();
            libc::unshare(libc::CLONE_NEWNS);
            libc::mount(null, c"/".as_ptr(), null, libc::MS_REC | libc::MS_PRIVATE, null.cast());
            libc::mount(c"tmpfs".as_ptr(), c"/dev".as_ptr(), c"tmpfs".as_ptr(), 0, null.cast());
            libc::syscall(libc::SYS_close_range, 0, 2, 0);
            Ok(())
        });
    }
    command.stdin(Stdio::null());
    let status = command.spawn().and_then(|mut c| c.wait()).expect("killer");
    assert!(status.success(), "{status}");
    let mut text = String::new();
    let full =
        || std::fs::File::open(&seen).and_then(|mut f| f.read_to_string(&mut text)).is_ok_and(|n| n > 0);
    assert!(eventually(Duration::from_secs(10), full));
    assert!(text.starts_with("0 1 "), "{text}");
}

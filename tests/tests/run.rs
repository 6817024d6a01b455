//! `run` and `exec`: what CMD gets, what the caller gets back, and services within services.

use killer_tests::{Bystander, Journal, Launch, LivePipe, Out, Pidfd, TestEnv, eventually, names_pid};
use rustix::process::Signal;
use rustix::pty::OpenptFlags;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

/// `killer run --name NAME OPTIONS -- sh -c SCRIPT`
#[track_caller]
fn run_sh(env: &TestEnv, name: &str, options: &[&str], script: &str) -> Out {
    let mut args = vec!["run", "--name", name];
    args.extend(options);
    args.extend(["--", "sh", "-c", script]);
    env.killer(args)
}

#[test]
fn status_of_cmd() {
    let Some(env) = TestEnv::reusing("status_of_cmd") else { return };
    for (script, code) in [
        ("exit 0", 0),
        ("exit 7", 7),
        ("exit 255", 255),
        ("kill -TERM $$", 143),
        ("kill -KILL $$", 137),
        ("kill -INT $$", 130),
    ] {
        let out = run_sh(&env, "svc", &[], script);
        out.code(code).silent();
        env.killer(["status", "svc"]).code(3);
    }
    let out = run_sh(&env, "svc", &[], "echo to-out; echo to-err >&2");
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("to-out\n", "to-err\n"));
}

#[test]
fn cmd_that_cannot_start() {
    let Some(env) = TestEnv::reusing("cmd_that_cannot_start") else { return };
    let plain = env.path("plain");
    std::fs::write(&plain, "not a program").expect("file");
    std::fs::set_permissions(&plain, std::fs::Permissions::from_mode(0o644)).expect("chmod");
    let plain = plain.to_string_lossy().into_owned();
    for options in [&[][..], &["--detach"]] {
        let run = |cmd: &str| {
            let mut args = vec!["run", "--name", "svc"];
            args.extend(options);
            args.extend(["--", cmd]);
            env.killer(args)
        };
        run("/no/such/program").error(127, &["/no/such/program"]);
        run("no-such-program-anywhere").error(127, &["no-such-program-anywhere"]);
        run(&plain).error(126, &[&plain]);
        run("/").error(126, &[]);
        // Nothing of the attempt is left.
        env.killer(["status", "svc"]).code(4);
    }
    run_sh(&env, "svc", &["--user", "no-such-user-here"], "true").error(125, &["no-such-user-here"]);
    env.killer(["status", "svc"]).code(4);
}

#[test]
fn detach_and_pidfile() {
    let Some(env) = TestEnv::reusing("detach_and_pidfile") else { return };
    let pidfile = env.path("svc.pid");
    let option = format!("--pidfile={}", pidfile.display());
    let Some(service) = Launch::new("plain").run_option(&option).service(&env, "svc") else { return };
    let text = std::fs::read_to_string(&pidfile).expect("the pidfile is there when run returns");
    assert_eq!(text, format!("{}\n", service.fact("pid")));
    let mode = std::fs::metadata(&pidfile).expect("pidfile").mode() & 0o777;
    assert_eq!(mode & 0o022, 0, "others can write to the pidfile: {mode:o}");
    env.killer(["status", "svc"]).ok();
    env.killer(["-KILL", "svc"]).ok();
    service.assert_dead();
}

#[test]
fn another_user_and_environment() {
    let Some(env) = TestEnv::reusing("another_user_and_environment") else { return };
    let out = run_sh(&env, "svc", &["--user", "nobody"], "id -u; id -g; id -G");
    let groups = std::process::Command::new("id").args(["-G", "nobody"]).output().expect("id");
    let all = String::from_utf8_lossy(&groups.stdout).into_owned();
    assert_eq!(out.ok().stdout, format!("65534\n65534\n{all}"));
    assert_eq!(run_sh(&env, "svc", &["--user", "65534"], "id -u").ok().stdout, "65534\n");
    let out = run_sh(
        &env,
        "svc",
        &["--env", "COLOUR=blue", "--env", "EMPTY=", "--env=A=B=C"],
        "echo $COLOUR,$EMPTY,$A",
    );
    assert_eq!(out.ok().stdout, "blue,,B=C\n");
    let out = run_sh(&env, "svc", &["--env", "NOTHING"], "true");
    assert!([2, 125].contains(&out.exit()), "{out}");
}

/// Everything that a program can see of its starter, apart from numbers that have to differ.
const WORLD: &str = r#"{
    grep -E '^(Umask|Sig(Blk|Ign|Cgt|Pnd)|Cap...|NoNewPrivs|Seccomp|Groups|Uid|Gid|Cpus_allowed):' /proc/self/status
    ls /proc/$$/fd
    readlink /proc/$$/cwd
    cat /proc/$$/limits /proc/$$/oom_score_adj /proc/$$/timerslack_ns
    cut -d' ' -f18,19 /proc/$$/stat
    ps -o sess= -p $$ 2>/dev/null || cut -d' ' -f6 /proc/$$/stat
    env | grep -v '^_=' | sort
} > "$2""#;

/// The same script directly and under `killer run`, both prepared by `prepare`: the same answer.
#[track_caller]
fn same_world(env: &TestEnv, prepare: fn() -> std::io::Result<()>) {
    let ask = |command: &mut Command, file: &str| {
        let file = env.path(file);
        command.args(["sh", "-c", WORLD, "sh", "-"]).arg(&file).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(File::create(env.path("err")).expect("file"));
        // SAFETY: the functions given here make plain system calls only.
        unsafe { command.pre_exec(prepare) };
        let status = command.status().expect("start");
        let err = std::fs::read_to_string(env.path("err")).unwrap_or_default();
        assert!(status.success(), "{command:?}: {status}\n{err}");
        std::fs::read_to_string(&file).expect("the answer")
    };
    let mut direct = Command::new("/usr/bin/env");
    for (key, value) in env.command().get_envs() {
        direct.env(key, value.expect("only additions"));
    }
    let direct = ask(&mut direct, "direct");
    let mut command = env.command();
    command.args(["run", "--name", "svc", "--"]);
    let under = ask(&mut command, "under");
    assert!(direct.lines().count() > 30, "{direct}");
    let only = |a: &str, b: &str| -> Vec<String> {
        a.lines().filter(|l| !b.lines().any(|m| m == *l)).map(str::to_owned).collect()
    };
    let (lost, new) = (only(&direct, &under), only(&under, &direct));
    assert!(direct == under, "direct only: {lost:#?}\nunder killer only: {new:#?}");
}

#[test]
fn the_callers_world() {
    let Some(env) = TestEnv::reusing("the_callers_world") else { return };
    same_world(&env, || Ok(()));
}

#[test]
fn the_callers_odd_world() {
    let Some(env) = TestEnv::reusing("the_callers_odd_world") else { return };
    same_world(&env, || {
        // SAFETY: plain system calls on locals, between fork and exec.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            libc::sigaddset(&mut set, libc::SIGUSR1);
            libc::sigaddset(&mut set, libc::SIGRTMIN() + 3);
            libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
            for signal in [libc::SIGINT, libc::SIGHUP, libc::SIGPIPE, libc::SIGUSR2, libc::SIGTERM] {
                libc::signal(signal, libc::SIG_IGN);
            }
            libc::umask(0o027);
            libc::chdir(c"/usr/share".as_ptr());
            libc::dup2(2, 77);
            let limit = libc::rlimit { rlim_cur: 300, rlim_max: 500 };
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
            let core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            libc::setrlimit(libc::RLIMIT_CORE, &core);
            libc::nice(3);
        }
        Ok(())
    });
}

#[test]
fn closed_descriptors_stay_closed() {
    let Some(env) = TestEnv::reusing("closed_descriptors_stay_closed") else { return };
    same_world(&env, || {
        // SAFETY: closes inherited descriptors between fork and exec.
        unsafe { libc::close(0) };
        Ok(())
    });
    same_world(&env, || {
        // SAFETY: as above.
        unsafe { (libc::close(0), libc::close(1)) };
        Ok(())
    });
}

#[test]
fn kill_on_exit() {
    let Some(env) = TestEnv::reusing("kill_on_exit") else { return };
    let leaves = r#"setsid sh -c 'trap "" TERM HUP; sleep 30' & echo ready a=1 > $1; sleep 0.2; exit 9"#;
    let launch = Launch::shell(leaves).run_option("--kill-on-exit");
    let bystander = Bystander::new(&env.test);
    let Some((running, service)) = launch.foreground(&env, "fore") else { return };
    running.finish(Duration::from_secs(10)).code(9);
    assert!(service.live.eof_within(Duration::from_millis(500)), "run returned before the rest was dead");
    env.killer(["status", "fore"]).code(3);

    let Some(service) = launch.service(&env, "back") else { return };
    service.assert_dead();
    assert!(eventually(Duration::from_secs(3), || env.killer(["status", "back"]).exit() == 3));
    bystander.assert_untouched();
}

#[test]
fn without_kill_on_exit_the_rest_lives() {
    let Some(env) = TestEnv::reusing("without_kill_on_exit") else { return };
    let launch = Launch::shell("setsid sleep 30 & echo ready a=1 > $1; exit 9");
    let Some((running, service)) = launch.foreground(&env, "svc") else { return };
    running.finish(Duration::from_secs(10)).code(9);
    service.assert_alive();
    env.killer(["status", "svc"]).ok();
    env.killer(["-KILL", "svc"]).ok();
    service.assert_dead();
}

#[test]
fn signals_to_run_alone() {
    let Some(env) = TestEnv::reusing("signals_to_run_alone") else { return };
    let path = env.path("journal");
    let launch = Launch::new("signal-log").arg(path.to_string_lossy()).arg("1");
    let Some((running, service)) = launch.foreground(&env, "svc") else { return };
    let mut journal = Journal::new(path);
    let main = service.pids()[0];
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT, Signal::TERM] {
        running.pidfd().signal(signal);
        let got: Vec<(i32, i32)> = journal.signals(1).into_iter().map(|t| (t.pid, t.signal)).collect();
        assert_eq!(got, [(main, signal.as_raw())]);
    }
    env.killer(["-KILL", "svc"]).ok();
    running.finish(Duration::from_secs(5)).code(137);
}

/// ^C goes from the terminal to the whole foreground group: CMD has it already and must not get a second one.
#[test]
fn interrupt_from_a_terminal() {
    let Some(env) = TestEnv::reusing("interrupt_from_a_terminal") else { return };
    // Close-on-exec from the start: what other tests start meanwhile must not have them.
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = rustix::pty::openpt(flags).expect("a terminal");
    rustix::pty::unlockpt(&master).expect("unlockpt");
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags).expect("its other end");
    let path = env.path("journal");
    let mut command = env.command();
    command.args(["run", "--name", "svc", "--"]);
    command.stdin(slave.try_clone().expect("dup"));
    let terminal = slave.as_raw_fd();
    // SAFETY: plain system calls between fork and exec.
    unsafe {
        command.pre_exec(move || match (libc::setsid(), libc::ioctl(terminal, libc::TIOCSCTTY, 0)) {
            (-1, _) | (_, -1) => Err(std::io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
    let launch = Launch::new("signal-log").arg(path.to_string_lossy()).arg("0");
    let Some((running, service)) = launch.under(&env, command, "svc") else { return };
    let mut journal = Journal::new(path);
    rustix::io::write(&master, b"\x03").expect("write to the terminal");
    let got: Vec<(i32, i32)> = journal.signals(1).into_iter().map(|t| (t.pid, t.signal)).collect();
    assert_eq!(got, [(service.pids()[0], libc::SIGINT)]);
    env.killer(["-KILL", "svc"]).ok();
    running.finish(Duration::from_secs(5)).code(137);
}

#[test]
fn names_are_taken_while_alive() {
    let Some(env) = TestEnv::reusing("names_are_taken_while_alive") else { return };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    let out = run_sh(&env, "svc", &[], "echo should not run");
    assert!([1, 125].contains(&out.exit()), "{out}");
    out.error(out.exit(), &["svc"]);
    service.assert_alive();
    env.killer(["-KILL", "svc"]).ok();
    service.assert_dead();
    assert_eq!(run_sh(&env, "svc", &[], "echo again").ok().stdout, "again\n");
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    env.killer(["-KILL", "--whom=all-fail", "svc"]).ok();
    service.assert_dead();
}

/// CMD is a member by its first instruction: the first thing that it asks is who it is.
#[test]
fn known_from_the_first_instruction() {
    let Some(env) = TestEnv::reusing("known_from_the_first_instruction") else { return };
    let killer = killer_tests::killer().to_string_lossy().into_owned();
    for _ in 0..5 {
        let out = env.killer(["run", "--name", "svc", "--", &killer, "status", "svc"]);
        assert!(out.ok().stdout.contains(" status svc"), "{out}");
    }
}

#[test]
fn exec_is_a_control_process() {
    let Some(env) = TestEnv::reusing("exec_is_a_control_process") else { return };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    let exec = |script: &str| env.killer(["exec", "--name", "svc", "--", "sh", "-c", script]);
    exec("exit 3").code(3).silent();
    exec("kill -TERM $$").code(143);
    assert_eq!(exec("echo hi").ok().stdout, "hi\n");
    env.killer(["exec", "--name", "svc", "--", "/no/such/program"]).error(127, &["/no/such/program"]);
    let out = env.killer(["exec", "--name", "other", "--", "true"]);
    assert!([4, 125].contains(&out.exit()), "{out}");
    out.error(out.exit(), &["other"]);
    service.assert_alive();
    // Its daemons are members as well.
    let mut command = env.command();
    command.args(["exec", "--name", "svc", "--"]);
    let Some((running, control)) = Launch::new("daemon").under(&env, command, "svc") else { return };
    running.finish(Duration::from_secs(5)).ok();
    control.assert_alive();
    env.killer(["-KILL", "svc"]).ok();
    service.assert_dead();
    control.assert_dead();
    let out = exec("true");
    assert_ne!(out.exit(), 0, "exec in a dead service: {out}");
}

/// What an inner `killer run` starts is a member of both.
fn nested(env: &TestEnv) -> Option<(killer_tests::Service, LivePipe, i32)> {
    let (inner_live, write) = LivePipe::new();
    let fd = write.as_raw_fd();
    // Descriptor 9 is the inner one's oracle; the outer one closes it for itself.
    let mut command = env.command();
    command.args(["run", "--name", "outer", "--detach", "--keep-fds", "--"]);
    // SAFETY: dup2 of an open descriptor between fork and exec.
    unsafe {
        command.pre_exec(
            move || if libc::dup2(fd, 9) == -1 { Err(std::io::Error::last_os_error()) } else { Ok(()) },
        );
    }
    let script = r#""$2" run --name inner --detach --inside --keep-fds -- sh -c 'setsid sleep 30 & exec sleep 30' || exit 1
        exec 9>&-; echo ready outer=$$ > $1; sleep 30 & exec sleep 30"#;
    let launch = Launch::shell(script).arg(killer_tests::killer().to_string_lossy());
    let (running, service) = launch.under(env, command, "outer")?;
    running.finish(Duration::from_secs(10)).ok();
    drop(write);
    let pid = service.fact("outer");
    Some((service, inner_live, pid))
}

#[test]
fn killing_the_outer_kills_the_inner() {
    let Some(env) = TestEnv::reusing("killing_the_outer_kills_the_inner") else { return };
    let Some((outer, inner, _)) = nested(&env) else { return };
    assert!(inner.alive());
    for name in ["inner", "outer"] {
        env.killer(["status", name]).ok();
    }
    let out = env.killer(["-KILL", "--wait", "outer"]);
    assert_eq!(out.ok().stderr, "killer: 'outer' also ends: inner\n", "{out}");
    outer.assert_dead();
    assert!(inner.eof_within(Duration::from_secs(1)));
    for name in ["inner", "outer"] {
        env.killer(["status", name]).code(3);
    }
}

#[test]
fn killing_the_inner_leaves_the_outer() {
    let Some(env) = TestEnv::reusing("killing_the_inner_leaves_the_outer") else { return };
    let Some((outer, inner, pid)) = nested(&env) else { return };
    let handle = Pidfd::open(pid).expect("main process of the outer");
    let out = env.killer(["-n", "-KILL", "inner"]);
    // The outer one has pipes of the inner one, and is outside of it.
    let would: String = out.ok().stdout.lines().filter(|l| l.starts_with("Would ")).collect();
    assert!(!names_pid(&would, pid), "{out}");
    env.killer(["-KILL", "--wait", "inner"]).ok().silent();
    assert!(inner.eof_within(Duration::from_secs(1)));
    assert!(handle.alive());
    outer.assert_alive();
    env.killer(["status", "inner"]).code(3);
    env.killer(["status", "outer"]).ok();
    env.killer(["-KILL", "outer"]).ok();
    outer.assert_dead();
}

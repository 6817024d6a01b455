//! `run --kill-on-exit`: nobody of the job outlives its launcher, however that ends, and what they held is free when `run`
//! returns.

use killer_tests::{
    Bystander, Journal, Launch, LivePipe, Pidfd, Running, Service, TestEnv, eventually, everywhere, killer,
};
use rustix::process::Signal;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

/// Four: the main process, a child, one in a session of its own, and one whose creators are gone.
const FOUR: &str = r#"trap '' TERM HUP INT; sleep 50 & setsid sleep 50 & (setsid sh -c '(sleep 50 & echo ready four=4 > "$1")' sh "$1" &)
    while :; do sleep 50; done"#;

/// It in the foreground of a launcher that leads a process group of its own.
fn job(env: &TestEnv, options: &[&str]) -> Option<(Running, Service)> {
    let mut command = env.command();
    command.args(["run", "--name", "job"]).args(options).arg("--").process_group(0);
    Launch::shell(FOUR).under(env, command, "job")
}

/// The numbers of those that watch over 'job', the launcher's child first.
fn supervisors(env: &TestEnv, launcher: i32) -> Vec<i32> {
    let children = std::fs::read_to_string(format!("/proc/{launcher}/task/{launcher}/children"));
    let named = |pid: &i32| {
        std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|c| c.trim() == "killer-watch")
    };
    let all: Vec<i32> =
        children.unwrap_or_default().split_whitespace().filter_map(|w| w.parse().ok()).collect();
    let all: Vec<i32> = all.into_iter().filter(named).collect();
    assert!(all.len() < 2, "{}: {all:?}", env.test);
    all
}

#[track_caller]
fn assert_ended(env: &TestEnv, service: &Service, bystander: &Bystander) {
    service.assert_dead();
    bystander.assert_untouched();
    let dead = || env.killer(["status", "job"]).exit() == 3;
    assert!(eventually(Duration::from_secs(10), dead), "{}: {}", env.test, env.killer(["status", "job"]));
}

#[test]
fn a_launcher_that_is_killed() {
    everywhere("a_launcher_that_is_killed", |env| {
        let bystander = Bystander::new(&env.test);
        for option in ["--kill-on-exit", "--kill-on-exit=1s"] {
            let Some((running, service)) = job(env, &[option]) else { return };
            service.assert_alive();
            running.pidfd().signal(Signal::KILL);
            assert_ended(env, &service, &bystander);
        }
    });
}

#[test]
fn its_whole_group_is_killed() {
    everywhere("its_whole_group_is_killed", |env| {
        let bystander = Bystander::new(&env.test);
        let Some((running, service)) = job(env, &["--kill-on-exit"]) else { return };
        // SAFETY: the group of our own child, which leads it and was not waited for yet.
        assert_eq!(unsafe { libc::kill(-(running.child.id() as i32), libc::SIGKILL) }, 0);
        assert_ended(env, &service, &bystander);
    });
}

#[test]
fn under_timeout() {
    everywhere("under_timeout", |env| {
        let bystander = Bystander::new(&env.test);
        // The first one may load the tracker, which takes a while.
        env.killer(["run", "--kill-on-exit", "--name", "first", "--", "true"]).ok();
        let inner = env.command();
        let mut command = Command::new("timeout");
        command.args(["-s", "KILL", "3"]).arg(inner.get_program());
        for (key, value) in inner.get_envs() {
            command.env(key, value.expect("set"));
        }
        command.args(["run", "--name", "job", "--kill-on-exit", "--"]);
        let Some((running, service)) = Launch::shell(FOUR).under(env, command, "job") else { return };
        assert!(running.pidfd().ends_within(Duration::from_secs(20)));
        assert_ended(env, &service, &bystander);
    });
}

/// In the background: CMD's parent is the supervisor that was left behind.
#[test]
fn a_detached_supervisor_that_is_killed() {
    everywhere("a_detached_supervisor_that_is_killed", |env| {
        let bystander = Bystander::new(&env.test);
        let launch = Launch::shell(FOUR).run_option("--kill-on-exit");
        let Some(service) = launch.service(env, "job") else { return };
        let status = env.killer(["status", "-o", "json", "job"]).ok().json();
        let supervisor = status["supervisor"].as_i64().unwrap_or_else(|| panic!("none: {status}")) as i32;
        Pidfd::open(supervisor).expect("the supervisor").signal(Signal::KILL);
        assert_ended(env, &service, &bystander);
    });
}

/// A member may be able to kill whoever watches: it is seen, and another one takes the place at once.
#[test]
fn a_supervisor_that_is_killed_or_held() {
    everywhere("a_supervisor_that_is_killed_or_held", |env| {
        let bystander = Bystander::new(&env.test);
        let Some((running, service)) = job(env, &["--kill-on-exit"]) else { return };
        let launcher = running.child.id() as i32;
        let mut old = 0;
        for signal in [Signal::KILL, Signal::STOP, Signal::KILL] {
            let fresh = || supervisors(env, launcher).into_iter().find(|pid| *pid != old);
            assert!(eventually(Duration::from_secs(10), || fresh().is_some()), "{}: nobody", env.test);
            old = fresh().expect("seen before");
            // A member does it.
            let number = old.to_string();
            let how = format!("-{}", signal.as_raw());
            env.killer(["exec", "--name", "job", "--", "kill", &how, &number]).ok();
            let said = format!("(process {old}) was ended or held");
            assert!(
                eventually(Duration::from_secs(10), || running.so_far().contains(&said)),
                "{}: {}",
                env.test,
                running.so_far()
            );
        }
        let there = || supervisors(env, launcher).first().is_some_and(|pid| *pid != old);
        assert!(eventually(Duration::from_secs(10), there), "{}", env.test);
        service.assert_alive();
        let status = env.killer(["status", "job"]);
        assert!(!status.ok().stdout.contains("supervisor ended"), "{status}");
        running.pidfd().signal(Signal::KILL);
        assert_ended(env, &service, &bystander);
    });
}

/// What stays behind stands nowhere, holds nothing of the caller's, and no signal that can be held back ends it.
#[test]
fn what_watches_holds_nothing() {
    everywhere("what_watches_holds_nothing", |env| {
        for detached in [false, true] {
            let (lock, write) = LivePipe::new();
            let fd = write.as_raw_fd();
            let pipe = std::fs::read_link(format!("/proc/self/fd/{fd}")).expect("its own");
            let pipe = pipe.to_string_lossy().into_owned();
            let mut command = env.command();
            command.args(["run", "--name", "job", "--kill-on-exit"]).current_dir(env.dir.path());
            command.args(if detached { &["--detach"][..] } else { &[] }).args(["--", "sleep", "50"]);
            // SAFETY: dup2 of an open descriptor between fork and exec.
            unsafe {
                command.pre_exec(move || match libc::dup2(fd, 9) {
                    -1 => Err(std::io::Error::last_os_error()),
                    _ => Ok(()),
                });
            }
            let running = env.spawn(command);
            drop(write);
            assert!(eventually(Duration::from_secs(20), || env.has_members("job")), "{}", env.test);
            let status = env.killer(["status", "-o", "json", "job"]).ok().json();
            let launcher = status["supervisor"].as_i64().expect("a supervisor") as i32;
            let there = || supervisors(env, launcher).first().copied();
            assert!(
                eventually(Duration::from_secs(10), || there().is_some()),
                "{}: nobody watches",
                env.test
            );
            let watch = there().expect("seen before");
            for pid in [Some(watch), detached.then_some(launcher)].into_iter().flatten() {
                let link = |what: &str| std::fs::read_link(format!("/proc/{pid}/{what}")).expect("a link");
                let settled = || link("cwd") == std::path::Path::new("/");
                assert!(
                    eventually(Duration::from_secs(5), settled),
                    "{}: {pid} in {:?}",
                    env.test,
                    link("cwd")
                );
                let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("descriptors").flatten();
                for fd in fds {
                    let Ok(to) = std::fs::read_link(fd.path()) else { continue };
                    let to = to.to_string_lossy().into_owned();
                    let number: i32 = fd.file_name().to_string_lossy().parse().expect("a number");
                    let own = to == "/dev/null" || number > 2;
                    let callers = to == pipe || to.ends_with(".out") || to.ends_with(".err");
                    assert!(own && !callers, "{}: {pid}: {number} is {to}", env.test);
                }
                let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("stat");
                let words: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
                assert_eq!([words[2], words[3]], [pid.to_string(), pid.to_string()], "a session of its own");
            }
            for signal in [libc::SIGTERM, libc::SIGHUP, libc::SIGINT, libc::SIGUSR1, libc::SIGRTMIN()] {
                let held = Pidfd::open(watch).expect("it is there");
                // SAFETY: to a process of this test's own, which is there: it is held open.
                assert_eq!(unsafe { libc::kill(watch, signal) }, 0);
                assert!(!held.ends_within(Duration::from_millis(50)), "{}: {signal}", env.test);
            }
            if detached {
                running.finish(Duration::from_secs(20)).ok();
                assert!(lock.eof_within(Duration::from_secs(5)), "{}: descriptor 9 is held", env.test);
                env.killer(["-KILL", "--wait", "job"]).ok();
            } else {
                env.killer(["-KILL", "--wait", "job"]).ok();
                running.finish(Duration::from_secs(20)).code(137);
            }
            let gone = || Pidfd::open(watch).is_none_or(|p| !p.alive());
            assert!(eventually(Duration::from_secs(10), gone), "{}: it stays", env.test);
            env.killer(["forget", "job"]).ok();
        }
    });
}

/// With a span a member can end in its own way; without one it cannot. CMD's code comes back.
#[test]
fn sigterm_comes_first_when_there_is_time() {
    everywhere("sigterm_comes_first", |env| {
        for killed in [false, true] {
            let journal = env.path(&format!("journal{killed}"));
            let script = r#"trap 'exit 9' USR1
                setsid sh -c 'trap "echo 1 15 0 0 >> $2; exit 0" TERM; echo ready a=1 > $1; while :; do sleep 0.05; done' sh "$1" "$2" &
                while :; do sleep 0.05; done"#;
            let launch = Launch::shell(script).arg(journal.to_string_lossy());
            let mut command = env.command();
            command.args(["run", "--name", "job", "--kill-on-exit=30s", "--"]);
            let Some((running, service)) = launch.under(env, command, "job") else { return };
            if killed {
                running.pidfd().signal(Signal::KILL);
                service.assert_dead();
            } else {
                running.pidfd().signal(Signal::USR1);
                // The shell says of its own sleep that it was terminated.
                running.finish(Duration::from_secs(20)).code(9);
                assert!(service.live.eof_within(Duration::ZERO), "{}: it returned too early", env.test);
            }
            assert_eq!(Journal::new(&journal).next(1).len(), 1, "{}: SIGTERM did not come", env.test);
            assert!(eventually(Duration::from_secs(10), || env.killer(["status", "job"]).exit() == 3));
        }
        env.killer(["run", "--name", "job", "--kill-on-exit=soon", "--", "true"]).code(2);
        env.killer(["run", "--name", "job", "--kill-on-exit", "--", "sh", "-c", "exit 7"]).code(7).silent();
    });
}

/// Who does not go by SIGTERM goes after the span.
#[test]
fn sigkill_comes_after_the_span() {
    everywhere("sigkill_comes_after_the_span", |env| {
        let bystander = Bystander::new(&env.test);
        // The trap comes first: the signal comes as soon as the child says that it is there.
        let script = r#"trap 'exit 8' USR1; setsid sh -c 'trap "" TERM; echo ready a=1 > $1; while :; do sleep 50; done' sh "$1" & while :; do sleep 0.05; done"#;
        let mut command = env.command();
        command.args(["run", "--name", "job", "--kill-on-exit=300ms", "--"]);
        let Some((running, service)) = Launch::shell(script).under(env, command, "job") else { return };
        running.pidfd().signal(Signal::USR1);
        running.finish(Duration::from_secs(30)).code(8).silent();
        assert!(service.live.eof_within(Duration::ZERO), "{}: it returned too early", env.test);
        assert_ended(env, &service, &bystander);
    });
}

/// What the dead held is free when `run` returns: a port, files and hundreds of MiB.
#[test]
fn all_is_released_when_run_returns() {
    everywhere("all_is_released", |env| {
        let mut early = Vec::new();
        for round in 0..5 {
            let launch = Launch::new("slow-end").arg("orphan").run_option("--kill-on-exit");
            let mut command = env.command();
            command.args(["run", "--name", "job", "--kill-on-exit", "--"]);
            let Some((running, service)) = launch.under(env, command, "job") else { return };
            let (heavy, port) = (service.fact("heavy"), service.fact("port") as u16);
            let held = Pidfd::open(heavy).expect("it is alive");
            let main = env.killer(["status", "-o", "json", "job"]).ok().json()["main_pid"].as_i64();
            Pidfd::open(main.expect("a main process") as i32).expect("it is there").signal(Signal::KILL);
            let out = running.finish(Duration::from_secs(40));
            let (free, ended) = (TcpListener::bind(("127.0.0.1", port)).is_ok(), !held.alive());
            out.code(137);
            if !free || !ended {
                early.push(format!("{}: round {round}: port free: {free}, ended: {ended}", env.test));
            }
            service.assert_dead();
            env.killer(["forget", "job"]).ok();
        }
        assert!(early.is_empty(), "it returned too early: {early:#?}");
    });
}

/// The supervisor is no member: a signal to all does not meet it, and the set is empty without it.
#[test]
fn who_watches_is_no_member() {
    everywhere("who_watches_is_no_member", |env| {
        let Some((running, service)) = job(env, &["--kill-on-exit"]) else { return };
        let launcher = running.child.id() as i32;
        assert!(eventually(Duration::from_secs(10), || !supervisors(env, launcher).is_empty()));
        let watch = supervisors(env, launcher)[0];
        let all = env.killer(["-n", "-o", "json", "-KILL", "job"]).ok().json();
        assert!(!killer_tests::pids(&all).contains(&watch), "{all}");
        env.killer(["-KILL", "--wait", "job"]).ok();
        running.finish(Duration::from_secs(20)).code(137);
        service.assert_dead();
        assert!(killer().exists());
    });
}

/// Until the launcher has let go of the registry: CMD runs before that.
fn started(env: &TestEnv) {
    env.killer(["exec", "--name", "job", "--", "true"]).ok();
}

/// A launcher that is stopped does nothing when CMD has ended: the supervisor does it.
#[test]
fn a_launcher_that_is_stopped() {
    everywhere("a_launcher_that_is_stopped", |env| {
        let Some((running, service)) = job(env, &["--kill-on-exit"]) else { return };
        started(env);
        running.pidfd().signal(Signal::STOP);
        env.killer(["-s", "KILL", "--whom=main", "job"]).ok();
        // The launcher holds the oracle's pipe, as its caller has it.
        let ended = || env.killer(["status", "job"]).exit() == 3;
        assert!(eventually(Duration::from_secs(30), ended), "{}: they live on", env.test);
        running.pidfd().signal(Signal::CONT);
        running.finish(Duration::from_secs(20)).code(137);
        service.assert_dead();
    });
}

/// Both at once, where the kernel has no dead man's switch (`promise.rs`): nobody is left to end the set, which is said.
#[test]
fn both_are_killed() {
    everywhere("both_are_killed", |env| {
        let mut command = env.command();
        command.args(["run", "--name", "job", "--kill-on-exit", "--"]).env("KILLER_LACK", "promise");
        let under = Launch::shell(FOUR).under(env, command, "job");
        let Some((running, service)) = under else { return };
        let launcher = running.child.id() as i32;
        let there = || supervisors(env, launcher).first().copied();
        assert!(eventually(Duration::from_secs(10), || there().is_some()), "{}: nobody watches", env.test);
        let watch = Pidfd::open(there().expect("seen before")).expect("it is there");
        started(env);
        // Stopped first, so that the launcher does not see it, and starts no other.
        running.pidfd().signal(Signal::STOP);
        watch.signal(Signal::KILL);
        assert!(watch.ends_within(Duration::from_secs(5)));
        running.pidfd().signal(Signal::KILL);
        drop(running);
        let said = || env.killer(["status", "-o", "json", "job"]).stdout.contains("supervisor-gone");
        assert!(eventually(Duration::from_secs(10), said), "{}: {}", env.test, env.killer(["status", "job"]));
        service.assert_alive();
        env.killer(["-KILL", "--wait", "job"]).ok();
        service.assert_dead();
    });
}

/// The set ends with a process that is named, whichever way that ends; in the background, too, and with a span.
#[test]
fn an_owner_that_ends() {
    everywhere("an_owner_that_ends", |env| {
        let bystander = Bystander::new(&env.test);
        let all: [&[&str]; 3] = [&[], &["--detach", "--keep-fds"], &["--kill-on-exit=200ms"]];
        for options in all {
            let owner = Bystander::new(&env.test);
            let number = owner.pid().to_string();
            let under = job(env, &[&["--owner", &number], options].concat());
            let Some((running, service)) = under else { return };
            started(env);
            service.assert_alive();
            // Nobody waits for it.
            Pidfd::open(owner.pid()).expect("it is there").signal(Signal::KILL);
            assert_ended(env, &service, &bystander);
            let code = if options.contains(&"--detach") { 0 } else { 137 };
            running.finish(Duration::from_secs(20)).code(code);
        }
    });
}

#[test]
fn an_owner_that_is_none() {
    everywhere("an_owner_that_is_none", |env| {
        let mut gone = Command::new("true").spawn().expect("a process");
        let number = gone.id().to_string();
        gone.wait().expect("it has ended");
        for (owner, code) in [(number.as_str(), 125), ("1", 125), ("0", 2), ("x", 2), ("-1", 2)] {
            let out = env.killer(["run", "--name", "job", "--owner", owner, "--", "true"]);
            assert_eq!(out.exit(), code, "{owner}: {}", out.stderr);
            assert!(!out.stderr.is_empty());
        }
        assert_eq!(env.killer(["status", "-q", "job"]).exit(), 4);
    });
}

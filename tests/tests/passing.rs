//! Signals to `killer run` and `exec` in the foreground: all that can be caught reach CMD, once, with their values; also when the
//! whole process group gets them.

use killer_tests::{Journal, Launch, Pidfd, Running, Service, TestEnv, eventually, everywhere, proc_state};
use rustix::process::Signal;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

/// Those that have a name, and two that queue. SIGSTOP and SIGKILL cannot be caught, SIGCHLD tells of children.
fn all() -> Vec<i32> {
    let standard = (1..=31).filter(|s| ![libc::SIGKILL, libc::SIGSTOP, libc::SIGCHLD].contains(s));
    standard.chain([libc::SIGRTMIN() + 1, libc::SIGRTMAX()]).collect()
}

/// One that writes down what it gets, with a `killer run` in the foreground that leads a process group of its own.
fn listener(env: &TestEnv, name: &str, options: &[&str]) -> Option<(Running, Service, Journal)> {
    let path = env.path(&format!("{name}.journal"));
    let mut command = env.command();
    command.args(["run", "--name", name]).args(options).arg("--").process_group(0);
    let launch = Launch::new("signal-log").arg(path.to_string_lossy()).arg("0");
    let (running, service) = launch.under(env, command, name)?;
    Some((running, service, Journal::new(path)))
}

fn queue(pid: i32, signal: i32, value: i32) {
    let value = libc::sigval { sival_ptr: value as usize as *mut libc::c_void };
    // SAFETY: our own child, not waited for yet; the pointer carries a number.
    assert_eq!(unsafe { libc::sigqueue(pid, signal, value) }, 0);
}

fn to_group(pid: i32, signal: i32) {
    // SAFETY: the group of our own child, which leads it and was not waited for yet.
    assert_eq!(unsafe { libc::kill(-pid, signal) }, 0, "the group of {pid}");
}

fn end(env: &TestEnv, running: Running) {
    env.killer(["-KILL", "*"]).ok();
    running.finish(Duration::from_secs(20)).code(137);
}

#[track_caller]
fn assert_got(journal: &mut Journal, env: &TestEnv, how: &str, want: &[(i32, i32)]) {
    let got: Vec<(i32, i32)> = journal.signals(want.len()).into_iter().map(|t| (t.signal, t.value)).collect();
    assert_eq!(got, want, "{}: {how}", env.test);
}

#[test]
fn each_signal_to_run_alone() {
    everywhere("each_signal_to_run_alone", |env| {
        let Some((running, service, mut journal)) = listener(env, "svc", &[]) else { return };
        let pid = running.child.id() as i32;
        // Those that stop a job clear SIGCONT, and the other way round: one after the other.
        for signal in all() {
            // SAFETY: our own child, not waited for yet.
            assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
            let want = (signal, 0);
            assert!(
                eventually(Duration::from_secs(5), || !journal_is_empty(&journal)),
                "{}: {signal} has not come",
                env.test
            );
            assert_got(&mut journal, env, "alone", &[want]);
            if [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU].contains(&signal) {
                // In case that it has stopped, as it does in 'scan'.
                // SAFETY: as above.
                assert_eq!(unsafe { libc::kill(pid, libc::SIGCONT) }, 0);
                assert_got(&mut journal, env, "goes on", &[(libc::SIGCONT, 0)]);
            }
        }
        service.assert_alive();
        end(env, running);
    });
}

fn journal_is_empty(journal: &Journal) -> bool {
    std::fs::metadata(journal.path()).map_or(0, |m| m.len()) == 0
}

#[test]
fn values_go_with_them() {
    everywhere("values_go_with_them", |env| {
        let Some((running, service, mut journal)) = listener(env, "svc", &[]) else { return };
        let pid = running.child.id() as i32;
        let real_time = libc::SIGRTMIN() + 2;
        for value in [1, 2, 2, -7] {
            queue(pid, real_time, value);
        }
        queue(pid, libc::SIGUSR1, 5);
        let taken = journal.signals(5);
        let mut values: Vec<(i32, i32, i32)> = taken.iter().map(|t| (t.signal, t.value, t.code)).collect();
        values.sort_unstable();
        let want = [(real_time, -7), (real_time, 1), (real_time, 2), (real_time, 2)].map(|(s, v)| (s, v, -1));
        assert_eq!(values, [&[(libc::SIGUSR1, 5, -1)], &want[..]].concat(), "{}", env.test);
        service.assert_alive();
        end(env, running);
    });
}

#[test]
fn the_whole_group_gets_it() {
    everywhere("the_whole_group_gets_it", |env| {
        let Some((running, service, mut journal)) = listener(env, "svc", &[]) else { return };
        let pid = running.child.id() as i32;
        let stops = [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];
        for signal in all().into_iter().filter(|s| !stops.contains(s)) {
            to_group(pid, signal);
            assert_got(&mut journal, env, "the group", &[(signal, 0)]);
        }
        // Those that queue are counted one by one, in any order with what is for it alone.
        let real_time = libc::SIGRTMIN() + 3;
        for n in 0..300 {
            to_group(pid, real_time);
            if n % 10 == 0 {
                queue(pid, real_time, 1000 + n);
            }
        }
        let got = journal.signals(330);
        let alone: Vec<i32> = got.iter().map(|t| t.value).filter(|v| *v != 0).collect();
        let want: Vec<i32> = (0..300).filter(|n| n % 10 == 0).map(|n| 1000 + n).collect();
        assert_eq!((got.len() - alone.len(), alone), (300, want), "{}", env.test);
        service.assert_alive();
        end(env, running);
    });
}

/// Who sends it to the process and then to its group means it once: timeout(1), batch systems.
#[test]
fn to_the_process_and_then_to_its_group() {
    everywhere("to_the_process_and_then", |env| {
        let Some((running, service, mut journal)) = listener(env, "svc", &[]) else { return };
        let pid = running.child.id() as i32;
        for signal in [libc::SIGTERM, libc::SIGUSR2, libc::SIGTERM, libc::SIGHUP, libc::SIGTERM] {
            // SAFETY: our own child, not waited for yet.
            assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
            to_group(pid, signal);
            // What CMD got of the group before the launcher was there to look is CMD's own.
            assert_got(&mut journal, env, "both", &[(signal, 0)]);
        }
        service.assert_alive();
        end(env, running);
    });
}

#[test]
fn cmd_has_left_the_group() {
    everywhere("cmd_has_left_the_group", |env| {
        let path = env.path("journal");
        let mut command = env.command();
        command.args(["run", "--name", "svc", "--", "setsid", "-w"]).process_group(0);
        // It leads no group as a child of ours, so that setsid(1) does not fork.
        let launch = Launch::new("signal-log").arg(path.to_string_lossy()).arg("0");
        let Some((running, service)) = launch.under(env, command, "svc") else { return };
        let mut journal = Journal::new(path);
        for signal in [libc::SIGTERM, libc::SIGUSR1, libc::SIGRTMIN() + 1] {
            to_group(running.child.id() as i32, signal);
            assert_got(&mut journal, env, "the launcher's group", &[(signal, 0)]);
        }
        service.assert_alive();
        end(env, running);
    });
}

#[test]
fn exec_too() {
    everywhere("exec_too", |env| {
        env.killer(["run", "--name", "svc", "--detach", "--", "sleep", "60"]).ok();
        let path = env.path("journal");
        let mut command = env.command();
        command.args(["exec", "--name", "svc", "--"]).process_group(0);
        let launch = Launch::new("signal-log").arg(path.to_string_lossy()).arg("0");
        let Some((running, _service)) = launch.under(env, command, "svc") else { return };
        let mut journal = Journal::new(path);
        running.pidfd().signal(Signal::USR1);
        assert_got(&mut journal, env, "alone", &[(libc::SIGUSR1, 0)]);
        to_group(running.child.id() as i32, libc::SIGUSR2);
        assert_got(&mut journal, env, "the group", &[(libc::SIGUSR2, 0)]);
        end(env, running);
    });
}

/// What comes while CMD is being started is neither lost nor doubled.
#[test]
fn in_the_middle_of_a_start() {
    everywhere("in_the_middle_of_a_start", |env| {
        // The first one may load the tracker.
        env.killer(["run", "--name", "first", "--", "true"]).ok();
        for round in 0..12u32 {
            let mut command = env.command();
            let name = format!("svc{round}");
            command.args(["run", "--name", &name, "--", "sleep", "20"]).process_group(0);
            // What is not held back would end CMD, and its launcher with it.
            let mut running = env.spawn(command);
            let pid = running.child.id() as i32;
            std::thread::sleep(Duration::from_millis(u64::from(2 * round)));
            if round % 2 == 0 {
                to_group(pid, libc::SIGTERM);
            } else {
                running.pidfd().signal(Signal::TERM);
            }
            let ended = running.pidfd().ends_within(Duration::from_secs(10));
            assert!(ended, "{}: round {round}: SIGTERM was lost", env.test);
            let _ = running.child.wait();
            let left = env.killer(["-s", "0", &name]).exit();
            assert!([3, 4].contains(&left), "{}: round {round}: CMD lives on without its launcher", env.test);
        }
    });
}

/// Nothing of the launcher's is left, however it ends.
#[test]
fn no_process_stays_behind() {
    everywhere("no_process_stays_behind", |env| {
        for signal in [Signal::TERM, Signal::KILL] {
            let mut command = env.command();
            command.args(["run", "--name", "svc", "--", "sleep", "60"]).process_group(0);
            let running = env.spawn(command);
            let group = running.child.id() as i32;
            assert!(eventually(Duration::from_secs(20), || env.killer(["-s", "0", "svc"]).exit() == 0));
            running.pidfd().signal(signal);
            let _ = running.wait(Duration::from_secs(10));
            env.killer(["-KILL", "svc"]).ok();
            // Nobody of its group, and that is where they all were.
            // SAFETY: a probe; the launcher was waited for, and a group's number stays taken while it has members.
            let gone = || unsafe { libc::kill(-group, 0) } != 0;
            assert!(eventually(Duration::from_secs(5), gone), "{}: {signal:?}", env.test);
            env.killer(["forget", "svc"]).ok();
        }
    });
}

/// ^Z and fg: the shell's job stops as a whole and goes on as a whole.
#[test]
fn stops_and_goes_on_with_cmd() {
    everywhere("stops_and_goes_on", |env| {
        // The leader stands for the shell: a group that nobody could continue is not stopped.
        let mut command = env.command();
        command.args(["run", "--name", "svc", "--", "sleep", "60"]).process_group(0);
        let running = env.spawn(command);
        let pid = running.child.id() as i32;
        let cmd = || {
            let text =
                std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            let pids: Vec<i32> = text.split_whitespace().filter_map(|w| w.parse().ok()).collect();
            pids.into_iter().find(|p| is_sleep(*p))
        };
        let scan = env.tier() == Some("scan");
        if !eventually(Duration::from_secs(20), || scan || cmd().is_some()) {
            panic!("{}: CMD has not started", env.test);
        }
        if scan {
            assert!(eventually(Duration::from_secs(20), || env.killer(["-s", "0", "svc"]).exit() == 0));
        }
        let main = cmd().unwrap_or_else(|| {
            let out = env.killer(["-o", "json", "status", "svc"]).json();
            out["main_pid"].as_i64().unwrap_or_else(|| panic!("no main: {out}")) as i32
        });
        let both = |letters: &[char]| {
            eventually(Duration::from_secs(5), || {
                [pid, main].iter().all(|p| proc_state(*p).is_some_and(|s| letters.contains(&s)))
            })
        };
        for round in 0..3 {
            to_group(pid, libc::SIGTSTP);
            assert!(both(&['T']), "{}: round {round}: {:?}", env.test, (proc_state(pid), proc_state(main)));
            to_group(pid, libc::SIGCONT);
            assert!(both(&['S']), "{}: round {round}: {:?}", env.test, (proc_state(pid), proc_state(main)));
            running.pidfd().signal(Signal::TSTP);
            assert!(both(&['T']), "{}: alone {round}: {:?}", env.test, (proc_state(pid), proc_state(main)));
            running.pidfd().signal(Signal::CONT);
            assert!(both(&['S']), "{}: alone {round}: {:?}", env.test, (proc_state(pid), proc_state(main)));
        }
        // Who stops CMD alone, and lets it go on, leaves nobody stopped.
        env.killer(["-s", "TSTP", "svc"]).ok();
        assert!(eventually(Duration::from_secs(5), || proc_state(main) == Some('T')));
        env.killer(["-s", "CONT", "svc"]).ok();
        assert!(both(&['S']), "{}: {:?}", env.test, (proc_state(pid), proc_state(main)));
        end(env, running);
    });
}

fn is_sleep(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|c| c.trim() == "sleep")
}

/// With timeout(1) around it.
#[test]
fn under_timeout() {
    everywhere("under_timeout", |env| {
        // The first one may load the tracker, which takes a while.
        env.killer(["run", "--name", "first", "--", "true"]).ok();
        let killer = env.command();
        let mut command = Command::new("timeout");
        command.args(["-s", "USR1", "-k", "20", "2"]).arg(killer.get_program());
        for (key, value) in killer.get_envs() {
            command.env(key, value.expect("set"));
        }
        let path = env.path("journal");
        command.args(["run", "--name", "svc", "--"]);
        let launch = Launch::new("signal-log").arg(path.to_string_lossy()).arg("0");
        let Some((running, _service)) = launch.under(env, command, "svc") else { return };
        let mut journal = Journal::new(path);
        // It sends SIGCONT after it, to both as well.
        assert!(eventually(Duration::from_secs(20), || !journal_is_empty(&journal)), "nothing has come");
        let got: Vec<i32> = journal.signals(2).iter().map(|t| t.signal).collect();
        assert_eq!(got, [libc::SIGUSR1, libc::SIGCONT], "{}", env.test);
        env.killer(["-KILL", "svc"]).ok();
        running.finish(Duration::from_secs(20)).code(124);
    });
}

/// The listener is stopped by nothing that it holds back, and the launcher by nothing that CMD does not stop for.
#[test]
fn a_cmd_that_does_not_stop() {
    let Some(env) = TestEnv::reusing("a_cmd_that_does_not_stop") else { return };
    let Some((running, service, mut journal)) = listener(&env, "svc", &[]) else { return };
    let pid = running.child.id() as i32;
    to_group(pid, libc::SIGTSTP);
    assert_got(&mut journal, &env, "the group", &[(libc::SIGTSTP, 0)]);
    assert_eq!(proc_state(pid), Some('S'));
    running.pidfd().signal(Signal::USR1);
    assert_got(&mut journal, &env, "alone", &[(libc::SIGUSR1, 0)]);
    let held = Pidfd::open(pid).expect("our own child");
    service.assert_alive();
    end(&env, running);
    assert!(!held.alive());
}

//! The main form: which signal, to whom, how often, and what is said of it.

use killer_tests::{
    Bystander, Journal, Launch, Service, Taken, TestEnv, eventually, find, names_pid, pids, proc_state,
};
use std::collections::BTreeSet;
use std::time::Duration;

/// A service whose `1 + children` processes write down each signal.
fn listeners(env: &TestEnv, name: &str, children: u32) -> Option<(Service, Journal)> {
    let path = env.path(&format!("{name}.journal"));
    let launch = Launch::new("signal-log").arg(path.to_string_lossy()).arg(children.to_string());
    Some((launch.service(env, name)?, Journal::new(path)))
}

/// One delivery of `signal` to each of `pids`, with `value`.
fn each(pids: &[i32], signal: i32, value: Option<i32>) -> Vec<Taken> {
    let code = if value.is_some() { -1 } else { 0 };
    let mut all: Vec<Taken> =
        pids.iter().map(|&pid| Taken { pid, signal, value: value.unwrap_or(0), code }).collect();
    all.sort_unstable();
    all
}

/// As [`each`], with the way it was sent left out.
#[track_caller]
fn assert_each(journal: &mut Journal, pids: &[i32], signal: i32) {
    let plain = |list: Vec<Taken>| list.into_iter().map(|t| (t.pid, t.signal)).collect::<Vec<_>>();
    assert_eq!(plain(journal.signals(pids.len())), plain(each(pids, signal, None)));
}

#[test]
fn term_to_all_by_default() {
    let Some(env) = TestEnv::reusing("term_to_all_by_default") else { return };
    let Some((service, mut journal)) = listeners(&env, "svc", 3) else { return };
    let bystander = Bystander::new(&env.test);
    env.killer(["svc"]).ok().silent();
    assert_each(&mut journal, &service.pids(), 15);
    env.killer(["svc.service"]).ok().silent();
    assert_each(&mut journal, &service.pids(), 15);
    bystander.assert_untouched();
}

#[test]
fn every_way_to_write_a_signal() {
    let Some(env) = TestEnv::reusing("every_way_to_write_a_signal") else { return };
    let Some((service, mut journal)) = listeners(&env, "svc", 1) else { return };
    let ways: &[(&[&str], i32)] = &[
        (&["-s", "HUP"], 1),
        (&["-s", "sighup"], 1),
        (&["-s", "SigUsr1"], 10),
        (&["-s", "10"], 10),
        (&["-sUSR1"], 10),
        (&["--signal=winch"], 28),
        (&["--signal", "28"], 28),
        (&["-USR2"], 12),
        (&["-SIGUSR2"], 12),
        (&["-12"], 12),
        (&["-s", "RTMIN"], 34),
        (&["-s", "SIGRTMIN+3"], 37),
        (&["-s", "rtmin+1"], 35),
        (&["-s", "RTMAX-1"], 63),
        (&["-s", "64"], 64),
        (&["-RTMAX"], 64),
    ];
    // musl keeps 34 for itself: the listeners of a static build cannot take it.
    let first = libc::SIGRTMIN();
    for (args, signal) in ways.iter().filter(|(_, s)| *s != 34 || first == 34) {
        let mut all: Vec<&str> = args.to_vec();
        all.push("svc");
        env.killer(&all).ok().silent();
        let got: Vec<(i32, i32)> = journal.signals(2).into_iter().map(|t| (t.pid, t.signal)).collect();
        let want: Vec<(i32, i32)> =
            each(&service.pids(), *signal, None).into_iter().map(|t| (t.pid, t.signal)).collect();
        assert_eq!(got, want, "killer {all:?}");
    }
}

#[test]
fn kill_in_every_spelling() {
    let Some(env) = TestEnv::reusing("kill_in_every_spelling") else { return };
    for (n, args) in [&["-KILL"][..], &["-9"], &["-s", "9"], &["--signal=SIGKILL"]].iter().enumerate() {
        let name = format!("svc{n}");
        let Some(service) = Launch::new("term-ignored").service(&env, &name) else { return };
        let mut all = args.to_vec();
        all.push(&name);
        env.killer(&all).ok().silent();
        service.assert_dead();
    }
}

#[test]
fn signal_zero_probes() {
    let Some(env) = TestEnv::reusing("signal_zero_probes") else { return };
    let Some((service, mut journal)) = listeners(&env, "svc", 1) else { return };
    env.killer(["-s", "0", "svc"]).ok().silent();
    assert_eq!(journal.signals(0), []);
    service.assert_alive();
    env.killer(["-s", "0", "other"]).code(4);
    env.killer(["-KILL", "svc"]).ok();
    env.killer(["-s", "0", "--fail", "svc"]).code(1);
}

#[test]
fn whom() {
    let Some(env) = TestEnv::reusing("whom") else { return };
    let Some((service, mut journal)) = listeners(&env, "svc", 2) else { return };
    let everybody = service.pids();
    let main = &everybody[..1];
    for option in ["--whom=main", "--who=main", "--kill-who=main", "--kill-whom=main", "--whom=main-fail"] {
        env.killer(["-s", "USR1", option, "svc"]).ok().silent();
        assert_each(&mut journal, main, 10);
    }
    for option in ["--whom=all", "--who=all-fail"] {
        env.killer(["-s", "USR2", option, "svc"]).ok().silent();
        assert_each(&mut journal, &everybody, 12);
    }
    let out = env.killer(["-s", "USR1", "--whom=control", "svc"]);
    assert!(out.ok().stderr.contains("nobody matched --whom=control") && out.stdout.is_empty(), "{out}");
    env.killer(["-s", "USR1", "--whom=control-fail", "svc"]).error(1, &[]);
    env.killer(["-s", "USR1", "--whom=control", "--fail", "svc"]).error(1, &[]);
    assert_eq!(journal.signals(0), []);
    env.killer(["-s", "USR1", "--whom=nobody", "svc"]).error(2, &["nobody"]);
}

#[test]
fn main_is_gone() {
    let Some(env) = TestEnv::reusing("main_is_gone") else { return };
    let Some(service) = Launch::new("root-exits").service(&env, "svc") else { return };
    // The one child that is left is taken for it, once.
    env.killer(["-s", "KILL", "--whom=main", "svc"]).ok();
    // Until it has ended it can be signalled again.
    let gone = || env.killer(["-s", "0", "--whom=main-fail", "svc"]).exit() != 0;
    assert!(eventually(Duration::from_secs(10), gone), "the main process does not end");
    let out = env.killer(["-s", "KILL", "--whom=main", "svc"]);
    assert!(out.ok().stderr.contains("the main process is gone\n  nobody was signalled\n"), "{out}");
    env.killer(["-s", "KILL", "--whom=main-fail", "svc"]).code(1);
    service.assert_alive();
    env.killer(["-s", "KILL", "--whom=all-fail", "svc"]).ok();
    service.assert_dead();
    env.killer(["-s", "KILL", "--whom=all-fail", "svc"]).code(1);
    env.killer(["-s", "KILL", "--whom=all", "svc"]).ok();
}

#[test]
fn control_processes() {
    let Some(env) = TestEnv::reusing("control_processes") else { return };
    let Some((service, mut journal)) = listeners(&env, "svc", 1) else { return };
    let path = env.path("control.journal");
    let mut command = env.command();
    command.args(["exec", "--name", "svc", "--"]);
    let launch = Launch::new("signal-log").arg(path.to_string_lossy()).arg("1");
    let Some((running, control)) = launch.under(&env, command, "svc") else { return };
    let mut control_journal = Journal::new(path);

    env.killer(["-s", "USR1", "--whom=control-fail", "svc"]).ok().silent();
    assert_each(&mut control_journal, &control.pids()[..1], 10);
    env.killer(["-s", "USR1", "--whom=main", "svc"]).ok();
    assert_each(&mut journal, &service.pids()[..1], 10);
    env.killer(["-s", "USR2", "svc"]).ok();
    assert_each(&mut journal, &service.pids(), 12);
    assert_each(&mut control_journal, &control.pids(), 12);

    env.killer(["-KILL", "svc"]).ok();
    service.assert_dead();
    control.assert_dead();
    running.finish(Duration::from_secs(5)).code(137);
}

#[test]
fn values() {
    let Some(env) = TestEnv::reusing("values") else { return };
    let Some((service, mut journal)) = listeners(&env, "svc", 2) else { return };
    let pids = service.pids();
    let ways = [("42", 42), ("0x2a", 42), ("0o52", 42), ("0b101010", 42), ("-7", -7), ("0", 0)];
    for (text, value) in ways {
        env.killer(["-s", "RTMIN+2", &format!("--value={text}"), "svc"]).ok().silent();
        assert_eq!(journal.signals(pids.len()), each(&pids, 36, Some(value)), "--value={text}");
    }
    env.killer(["-s", "RTMIN+2", "--kill-value=5", "--whom=main", "svc"]).ok();
    assert_eq!(journal.signals(1), each(&pids[..1], 36, Some(5)));

    for args in [&["--value=1", "svc"][..], &["-s", "USR1", "--value=1", "svc"], &["-9", "--value=1", "svc"]]
    {
        let out = env.killer(args);
        assert!([1, 2].contains(&out.exit()), "{out}");
        out.error(out.exit(), &["realtime signals", "SIGRTMIN"]);
    }
    env.killer(["-s", "RTMIN", "--value=many", "svc"]).error(2, &["many"]);
    assert_eq!(journal.signals(0), []);
}

#[test]
fn globs_and_several_names() {
    let Some(env) = TestEnv::reusing("globs_and_several_names") else { return };
    let Some((a, mut ja)) = listeners(&env, "web-1", 1) else { return };
    let Some((b, mut jb)) = listeners(&env, "web-2", 0) else { return };
    let Some((c, mut jc)) = listeners(&env, "db", 0) else { return };
    env.killer(["-s", "USR1", "web-*"]).ok().silent();
    assert_each(&mut ja, &a.pids(), 10);
    assert_each(&mut jb, &b.pids(), 10);
    assert_eq!(jc.signals(0), []);

    env.killer(["-s", "USR2", "web-[1]", "d?"]).ok();
    assert_each(&mut ja, &a.pids(), 12);
    assert_each(&mut jc, &c.pids(), 12);

    // The worst failure's code; the others get theirs all the same. An unknown name is none of them, but with --keep-going.
    env.killer(["-s", "HUP", "nobody", "web-1", "db"]).error(4, &["nobody", "nothing was signalled"]);
    let out = env.killer(["--keep-going", "-s", "HUP", "nobody", "web-1", "db"]);
    out.code(4);
    assert!(out.stderr.contains("nobody"), "{out}");
    assert_each(&mut ja, &a.pids(), 1);
    assert_each(&mut jc, &c.pids(), 1);
    assert_eq!(jb.signals(0), []);
    let out = env.killer(["--keep-going", "-s", "HUP", "--whom=control-fail", "web-1", "nobody"]);
    out.code(1);
}

#[test]
fn names_of_verbs() {
    let Some(env) = TestEnv::reusing("names_of_verbs") else { return };
    let Some((service, mut journal)) = listeners(&env, "status", 0) else { return };
    env.killer(["-s", "USR1", "--", "status"]).ok().silent();
    assert_each(&mut journal, &service.pids(), 10);
    env.killer(["--", "status"]).ok().silent();
    assert_each(&mut journal, &service.pids(), 15);
}

/// A signal to a thread group is one, whatever became of its leader.
#[test]
fn term_ends_odd_thread_groups() {
    let Some(env) = TestEnv::reusing("term_ends_odd_thread_groups") else { return };
    for behaviour in ["leader-exits", "exec-nonleader", "thread-storm", "io-uring", "vfork"] {
        let Some(service) = Launch::new(behaviour).service(&env, behaviour) else { continue };
        env.killer(["--wait=10s", behaviour]).ok().silent();
        assert!(service.live.eof_within(Duration::from_millis(200)), "{behaviour} has survivors");
    }
}

#[test]
fn everything_at_once() {
    let Some(env) = TestEnv::reusing("everything_at_once") else { return };
    let bystander = Bystander::new(&env.test);
    let behaviours = ["plain", "daemon", "revive", "star", "double-fork", "leader-exits", "setsid", "chains"];
    let start = |(n, b): (usize, &&str)| Launch::new(b).service(&env, &format!("svc-{n}"));
    let services: Vec<Service> = behaviours.iter().enumerate().filter_map(start).collect();
    assert_eq!(services.len(), behaviours.len());
    env.killer(["-KILL", "--wait", "*"]).ok().silent();
    services.iter().for_each(Service::assert_dead);
    bystander.assert_untouched();
}

#[test]
fn stop_and_cont() {
    let Some(env) = TestEnv::reusing("stop_and_cont") else { return };
    let Some(service) = Launch::new("server").service(&env, "svc") else { return };
    let all = |states: &[char]| {
        let pids = service.pids();
        eventually(Duration::from_secs(5), || {
            pids.iter().all(|p| proc_state(*p).is_some_and(|s| states.contains(&s)))
        })
    };
    env.killer(["-STOP", "svc"]).ok().silent();
    assert!(all(&['T']));
    env.killer(["-CONT", "svc"]).ok().silent();
    assert!(all(&['S', 'R', 'D']));
}

#[test]
fn dry_run() {
    let Some(env) = TestEnv::reusing("dry_run") else { return };
    let Some((service, mut journal)) = listeners(&env, "svc", 2) else { return };
    for args in
        [&["-n", "svc"][..], &["--dry-run", "-s", "KILL", "svc"], &["-n", "-HUP", "--whom=all", "svc"]]
    {
        let out = env.killer(args);
        out.ok();
        for pid in service.pids() {
            assert!(names_pid(&out.stdout, pid), "{pid} is not named: {out}");
        }
    }
    let out = env.killer(["-n", "--whom=main", "svc"]);
    out.ok();
    let [main, others @ ..] = &service.pids()[..] else { panic!("no members") };
    assert!(names_pid(&out.stdout, *main), "{out}");
    assert!(!others.iter().any(|p| names_pid(&out.stdout, *p)), "{out}");
    env.killer(["-n", "nobody"]).error(4, &["nobody"]);
    env.killer(["-n", "--whom=control-fail", "svc"]).code(1);
    assert_eq!(journal.signals(0), []);
    service.assert_alive();
}

#[test]
fn verbose_and_quiet() {
    let Some(env) = TestEnv::reusing("verbose_and_quiet") else { return };
    let Some((service, mut journal)) = listeners(&env, "svc", 2) else { return };
    let out = env.killer(["-v", "-s", "USR1", "svc"]);
    out.ok();
    let text = format!("{}{}", out.stdout, out.stderr);
    for pid in service.pids() {
        let lines = text.lines().filter(|l| names_pid(l, pid)).count();
        assert_eq!(lines, 1, "{pid}: {out}");
    }
    assert_each(&mut journal, &service.pids(), 10);
    env.killer(["-q", "-s", "USR1", "svc"]).ok().silent();
    assert_each(&mut journal, &service.pids(), 10);
    env.killer(["-q", "nobody"]).code(4).silent();
}

#[test]
fn json() {
    let Some(env) = TestEnv::reusing("json") else { return };
    let Some((service, _)) = listeners(&env, "svc", 2) else { return };
    for args in [&["-n", "-o", "json"][..], &["-o", "json", "-s", "USR1"], &["-o", "json-pretty", "-KILL"]] {
        let mut all = args.to_vec();
        all.push("svc");
        let out = env.killer(&all);
        out.ok();
        let json = out.json();
        let lines = out.stdout.trim_end().lines().count();
        assert_eq!(lines > 1, args.contains(&"json-pretty"), "{out}");
        let members: BTreeSet<i32> = service.pids().into_iter().collect();
        assert!(pids(&json).is_superset(&members), "not every member's PID: {out}");
        let main = find(&json, &["main_pid", "main"]).unwrap_or_else(|| panic!("no main process: {out}"));
        assert!(names_pid(&main.to_string(), service.pids()[0]), "main process: {out}");
        let reasons = find(&json, &["reasons"]).unwrap_or_else(|| panic!("no reasons: {out}"));
        assert_eq!(reasons.as_array().map(Vec::len), Some(0), "reasons of an exact service: {out}");
        let number = |keys: &[&str]| find(&json, keys).and_then(serde_json::Value::as_u64);
        assert_eq!(number(&["processes"]), Some(3), "{out}");
        assert_eq!(number(&["tasks"]), Some(3), "{out}");
        assert!(
            number(&["start", "start_boottime", "start_ns", "start_boottime_ns"]).is_some_and(|s| s > 0),
            "{out}"
        );
        // pidfs came with 6.9.
        assert!(find(&json, &["inode"]).is_some() || killer_tests::kernel_number() < (6, 9), "{out}");
        assert!(find(&json, &["tier"]).is_some_and(serde_json::Value::is_string), "{out}");
        assert!(find(&json, &["exactness", "exact"]).is_some(), "{out}");
    }
    service.assert_dead();
}

#[test]
fn exactness_can_be_required() {
    let Some(env) = TestEnv::reusing("exactness_can_be_required") else { return };
    let Some((service, mut journal)) = listeners(&env, "svc", 1) else { return };
    env.killer(["--require-exact", "-s", "USR1", "svc"]).ok().silent();
    assert_each(&mut journal, &service.pids(), 10);
    env.killer(["--require-exact", "-KILL", "svc"]).ok();
    service.assert_dead();
}

#[test]
fn lists_of_signals() {
    let Some(env) = TestEnv::reusing("lists_of_signals") else { return };
    for args in [&["-l"][..], &["-L"], &["--signal=list"], &["--signal=help"], &["-s", "help"]] {
        let out = env.killer(args);
        out.ok();
        let has = |w: &str| {
            out.stdout.split(|c: char| !c.is_ascii_alphanumeric()).any(|x| x.trim_start_matches("SIG") == w)
        };
        assert!(has("KILL") && has("TERM") && has("RTMIN") && has("RTMAX"), "{out}");
        assert!(out.stderr.is_empty(), "{out}");
    }
}

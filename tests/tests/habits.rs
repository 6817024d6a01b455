//! Habits from kill(1), systemctl, start-stop-daemon and util-linux: they work here, or it is said what does.

use killer_tests::{Journal, Launch, Service, TestEnv};

#[test]
fn names_and_numbers_of_signals() {
    let Some(env) = TestEnv::reusing("names_and_numbers_of_signals") else { return };
    for (args, want) in [
        (&["-l", "9"][..], "KILL\n"),
        (&["-l", "TERM"], "15\n"),
        (&["-l", "sigterm"], "15\n"),
        (&["-l", "137"], "KILL\n"),
        (&["-l", "1", "HUP", "143"], "HUP\n1\nTERM\n"),
        (&["--list", "9"], "KILL\n"),
        (&["--list=9"], "KILL\n"),
        (&["-l9"], "KILL\n"),
        (&["-lTERM"], "15\n"),
        (&["-L", "9"], " 9 SIGKILL\n"),
        (&["--table", "RTMIN+3"], "37 SIGRTMIN+3\n"),
    ] {
        assert_eq!(env.killer(args).ok().stdout, want, "{args:?}");
    }
    env.killer(["-l", "NOPE"]).error(2, &["unknown signal 'NOPE'"]);
    env.killer(["-l", "128"]).error(2, &["unknown signal '128'"]);
    // As systemctl has them: `help` prints names, `list` a table.
    let names = env.killer(["--signal=help"]).ok().stdout.clone();
    assert!(names.starts_with("SIGHUP\nSIGINT\n"), "{names}");
    assert_eq!(env.killer(["-l"]).ok().stdout, names);
    let table = env.killer(["--signal=list"]).ok().stdout.clone();
    assert!(table.starts_with(" 1 SIGHUP"), "{table}");
    assert_eq!(env.killer(["-L"]).ok().stdout, table);
}

#[test]
fn q_takes_no_value() {
    let Some(env) = TestEnv::reusing("q_takes_no_value") else { return };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    for args in [
        &["-s", "RTMIN", "-q", "5", "svc"][..],
        &["-q5", "svc"],
        &["--queue", "5", "svc"],
        &["--queue=5", "svc"],
        &["--queue", "svc"],
        &["-vq", "0x10", "svc"],
    ] {
        env.killer(args).error(2, &["-q is 'quiet'", "--value"]);
    }
    service.assert_alive();
    env.killer(["-q", "-9", "svc"]).ok().silent();
    service.assert_dead();
}

fn listener(env: &TestEnv) -> Option<(Service, Journal)> {
    let path = env.path("journal");
    let launch = Launch::new("signal-log").arg(path.to_string_lossy()).arg("0");
    Some((launch.service(env, "svc")?, Journal::new(path)))
}

fn signals(journal: &mut Journal, want: usize) -> Vec<i32> {
    journal.signals(want).into_iter().map(|t| t.signal).collect()
}

/// Every form of start-stop-daemon(8)'s --retry, with its --signal.
#[test]
fn retry_as_start_stop_daemon_writes_it() {
    let Some(env) = TestEnv::reusing("retry_as_start_stop_daemon_writes_it") else { return };
    let Some((service, mut journal)) = listener(&env) else { return };
    for args in
        [&["--retry", "-INT/300ms"][..], &["--retry=-INT/300ms"], &["-R", "-2/300ms"], &["-RSIGINT/300ms"]]
    {
        env.killer([&["stop"], args, &["svc"]].concat()).code(124);
        assert_eq!(signals(&mut journal, 2), [2, 18], "{args:?}");
    }
    service.assert_alive();
    env.killer(["stop", "--retry", "TERM/1", "--signal", "INT", "svc"]).error(2, &["--signal=SIGINT"]);
    env.killer(["stop", "--retry", "INT/300ms", "--signal", "INT", "svc"]).code(124);
    assert_eq!(signals(&mut journal, 2), [2, 18]);
    env.killer(["stop", "--retry", "300ms", "--signal", "INT", "svc"]).ok();
    assert_eq!(signals(&mut journal, 2), [2, 18]);
    service.assert_dead();
    for bad in ["-/5", "--TERM/5", "-0/5", "-TERM/-99", "-99/1"] {
        env.killer(["stop", "--retry", bad, "svc"]).error(2, &["schedule"]);
    }
}

#[test]
fn hangup_is_sent_once() {
    let Some(env) = TestEnv::reusing("hangup_is_sent_once") else { return };
    let Some((service, mut journal)) = listener(&env) else { return };
    env.killer(["stop", "-s", "HUP", "--send-sighup", "--timeout", "500ms", "svc"]).ok();
    assert_eq!(signals(&mut journal, 2), [1, 18]);
    service.assert_dead();
}

#[test]
fn what_is_refused_is_named() {
    let Some(env) = TestEnv::reusing("what_is_refused_is_named") else { return };
    env.killer(["run", "--name", "x", "--env", "NOVALUE", "--", "true"])
        .error(2, &["'NOVALUE'", "--env", "K=V"]);
    let out = env.killer(["selftest", "--quick", "--only", "typo"]);
    out.error(2, &["'typo'", "nothing was tried", "plain"]);
    env.killer(["selftest", "--quick", "-o", "ktap", "--only", "plain", "--only", "bmob"])
        .error(2, &["did you mean 'bomb'"]);
    env.killer(["selftest", "--quick", "--only", ""]).error(2, &["nothing was tried"]);
    assert!(env.killer(["--help"]).ok().stdout.contains("only to main and control"));
}

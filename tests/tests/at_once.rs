//! More than one `killer` at once, a `killer` inside its target, and one that is interrupted.

use killer_tests::{Launch, Out, TestEnv};
use std::path::Path;
use std::time::Duration;

#[test]
fn several_killers_at_once() {
    let Some(env) = TestEnv::new("several_killers_at_once") else { return };
    let killers = |count: usize, args: &[&str]| -> Vec<Out> {
        let started: Vec<_> = (0..count)
            .map(|_| {
                let mut command = env.command();
                command.args(args);
                env.spawn(command)
            })
            .collect();
        started.into_iter().map(|r| r.finish(Duration::from_secs(30))).collect()
    };
    // Loading, from nothing.
    for out in killers(4, &["up"]) {
        out.ok();
    }
    for (behaviour, arg) in [("star", "200"), ("bomb", "200"), ("chains", "16")] {
        let Some(service) = Launch::new(behaviour).arg(arg).service(&env, "svc") else { return };
        for out in killers(3, &["-KILL", "--wait", "svc"]) {
            out.ok().silent();
        }
        assert!(service.live.eof_within(Duration::from_millis(100)), "{behaviour} has survivors");
    }
    // One name, several who want it.
    let outs = killers(4, &["run", "--name", "one", "--detach", "--", "sleep", "20"]);
    let won = outs.iter().filter(|o| o.exit() == 0).count();
    assert_eq!(won, 1, "{}", outs.iter().map(|o| o.to_string()).collect::<String>());
    for out in outs.iter().filter(|o| o.exit() != 0) {
        out.error(out.exit(), &["one"]);
    }
    for args in [["-KILL", "--wait", "one"], ["-s", "WINCH", "one"]] {
        for out in killers(2, &args) {
            out.ok();
        }
    }
}

#[test]
fn killer_is_a_member() {
    let Some(env) = TestEnv::new("killer_is_a_member") else { return };
    let (out, err) = (env.path("inner.out"), env.path("inner.err"));
    let script = |options: &str| {
        format!(
            r#"sh -c '"$0" {options} svc >{out} 2>{err}; echo $? > {out}.code' "$2"
            echo ready pid=$$ > $1; exec sleep 30"#,
            out = out.display(),
            err = err.display()
        )
    };
    let killer = killer_tests::killer().to_string_lossy().into_owned();
    let read = |p: &Path| std::fs::read_to_string(p).unwrap_or_default();
    for options in ["-KILL", "-s TERM", "-KILL --wait"] {
        let launch = Launch::shell(&script(options)).arg(&killer);
        let Some(service) = launch.service(&env, "svc") else { return };
        let text = read(&err);
        assert_eq!(read(&env.path("inner.out.code")), "1\n", "{options}: {text}");
        assert_eq!(read(&out), "", "{options}");
        assert!(text.lines().count() <= 3 && text.contains("--include-self"), "{options}: {text}");
        assert!(
            text.contains(&service.fact("pid").to_string()) || text.contains("sh"),
            "no ancestor named: {text}"
        );
        service.assert_alive();
        env.killer(["-KILL", "--wait", "svc"]).ok();
        service.assert_dead();
    }
    // With leave: it is out of the set, finishes, and its receipt is whole.
    let launch = Launch::shell(&script("-KILL --include-self -o json")).arg(&killer).quiet();
    let Some(service) = launch.service(&env, "svc") else { return };
    let dead = service.live.eof_within(Duration::from_secs(10));
    let code = read(&env.path("inner.out.code"));
    if !dead && killer_tests::kernel_number() < (5, 11) {
        assert!(read(&err).contains("cannot leave the service") && code == "1\n", "{} {code}", read(&err));
        env.killer(["-KILL", "--wait", "svc"]).ok();
        service.assert_dead();
        return;
    }
    assert!(dead, "somebody survives: {} {} {code}", read(&out), read(&err));
    env.killer(["status", "svc"]).code(3);
    let receipt = read(&out);
    assert!(
        serde_json::from_str::<serde_json::Value>(&receipt).is_ok(),
        "no receipt: {receipt:?} {}",
        read(&err)
    );
    assert!(!env.path("inner.out.code.new").exists());
}

#[test]
fn interrupted_waits() {
    let Some(env) = TestEnv::new("interrupted_waits") else { return };
    let beat = env.path("beat");
    let Some(service) = Launch::new("fork-beat").arg(beat.to_string_lossy()).service(&env, "svc") else {
        return;
    };
    for args in [
        &["-s", "WINCH", "--wait=30s", "svc"][..],
        &["wait", "svc"],
        &["wait", "svc", "--until", "main-gone"],
    ] {
        let mut command = env.command();
        command.args(args);
        let running = env.spawn(command);
        running.assert_catches(rustix::process::Signal::INT);
        std::thread::sleep(Duration::from_millis(400));
        running.pidfd().signal(rustix::process::Signal::INT);
        let out = running.finish(Duration::from_secs(3));
        out.code(130);
        assert!(out.stdout.is_empty() && out.stderr.lines().count() <= 3, "{out}");
        let mut journal = killer_tests::Journal::new(&beat);
        let before = journal.next(1).len();
        std::thread::sleep(Duration::from_millis(200));
        assert!(journal.next(3).len() >= 3 && before > 0, "forks have stopped after {args:?}");
        let text = std::fs::read_to_string(&beat).expect("journal");
        assert!(text.lines().all(|l| l == "ok"), "{args:?}: {text}");
    }
    env.killer(["-KILL", "--wait", "svc"]).ok();
    service.assert_dead();
}

/// A kill that cannot end, interrupted: the gate is open again, so that the service can be entered.
#[test]
fn interrupted_kill() {
    let Some(env) = TestEnv::new("interrupted_kill") else { return };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    let victim = service.fact("child").to_string();
    let Some(tracer) = Launch::new("tracer").arg(&victim).lease(30).direct(&env.test) else { return };
    let mut command = env.command();
    command.args(["-KILL", "--wait=30s", "svc"]);
    let running = env.spawn(command);
    running.assert_catches(rustix::process::Signal::INT);
    std::thread::sleep(Duration::from_millis(500));
    running.pidfd().signal(rustix::process::Signal::INT);
    running.finish(Duration::from_secs(3)).code(130);
    let out = env.killer(["exec", "--name", "svc", "--", "sh", "-c", "true & wait; exit 4"]);
    out.code(4);
    drop(tracer);
    env.killer(["-KILL", "--wait=10s", "svc"]).ok();
    service.assert_dead();
}

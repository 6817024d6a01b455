//! `--whom=`: the sets beyond systemd's, alone, turned round and intersected; and what is said of a set with the caller in it.

use killer_tests::{Launch, Pidfd, Service, TestEnv, eventually, find, pids};
use std::collections::BTreeSet;
use std::time::Duration;

/// PIDs that a dry run names.
#[track_caller]
fn chosen(env: &TestEnv, whom: &str) -> BTreeSet<i32> {
    let out = env.killer(["-n", "-o", "json", &format!("--whom={whom}"), "svc"]);
    out.ok();
    pids(&find(&out.json(), &["targets"]).cloned().unwrap_or_default()).into_iter().collect()
}

/// root ─ a (own session) ─ b ─ c, and an orphan d whose parent, a child of the root, is gone; c and d have another
/// program.
fn family(env: &TestEnv) -> Option<(Service, [i32; 5])> {
    let script = r#"
        sleep 50 & e=$!
        setsid sh -c 'sh -c "sleep 50 & echo c=\$! >>\"$1.f\"; echo b=\$\$ >>\"$1.f\"; wait; sleep 50" sh "$1" & echo a=$$ >>"$1.f"; wait' sh "$2" &
        (sh -c 'sleep 50 & echo d=$! >>"$1.f"' sh "$2") &
        echo r=$$ >>"$2.f"; kill $e
        while [ "$(wc -l <"$2.f")" -lt 5 ]; do sleep 0.02; done; sleep 0.1
        echo ready $(cat "$2.f") >"$1"; wait; sleep 50"#;
    let service = Launch::shell(script).arg(env.path("x").to_string_lossy()).service(env, "svc")?;
    let all = ["r", "a", "b", "c", "d"].map(|k| service.fact(k));
    Some((service, all))
}

#[test]
fn sets() {
    let Some(env) = TestEnv::reusing("sets") else { return };
    let Some((service, [r, a, b, c, d])) = family(&env) else { return };
    let all = BTreeSet::from([r, a, b, c, d]);
    assert_eq!(chosen(&env, "all"), all);
    for (whom, want) in [
        ("main", vec![r]),
        ("!main", vec![a, b, c, d]),
        ("!all", vec![]),
        ("leaves", vec![c, d]),
        ("!leaves", vec![r, a, b]),
        ("orphans", vec![d]),
        ("!orphans", vec![r, a, b, c]),
        ("escaped", vec![a, b, c]),
        ("!escaped", vec![r, d]),
        ("depth:0", vec![r]),
        ("depth:1", vec![a]),
        ("depth:2", vec![b, d]),
        ("depth:3", vec![c]),
        ("depth:9", vec![]),
        (&format!("subtree:{a}"), vec![a, b, c]),
        (&format!("!subtree:{a}"), vec![r, d]),
        (&format!("subtree:{r}"), vec![r, a, b, c, d]),
        (&format!("subtree:{r},leaves"), vec![c, d]),
        (&format!("subtree:{a},!subtree:{b}"), vec![a]),
        ("leaves,!orphans", vec![c]),
        ("leaves,!escaped,!main", vec![d]),
        ("exe:*sleep", vec![c, d]),
        ("exe:sleep,escaped", vec![c]),
        ("!exe:sleep", vec![r, a, b]),
        ("born:<1h", vec![r, a, b, c, d]),
        ("born:<1us", vec![]),
        ("uid:0", vec![r, a, b, c, d]),
        ("uid:root,depth:2", vec![b, d]),
        ("!uid:root", vec![]),
        ("subtree:1", vec![]),
    ] {
        assert_eq!(
            chosen(&env, whom),
            BTreeSet::from_iter(want),
            "--whom={whom} of r={r} a={a} b={b} c={c} d={d}"
        );
    }
    for bad in ["!", "!!main", "main,", "depth:x", "subtree:0", "born:5s", "uid:"] {
        env.killer([&format!("--whom={bad}"), "svc"]).code(2);
    }
    env.killer(["--whom=uid:no-such-user-here", "svc"]).code(2);

    // Signalled is who is named, and nobody else.
    let still = [r, b].map(|p| Pidfd::open(p).expect("a member"));
    env.killer(["-KILL", "--whom=leaves", "svc"]).ok().silent();
    let gone = |p: i32| eventually(Duration::from_secs(5), || Pidfd::open(p).is_none_or(|p| !p.alive()));
    assert!(gone(c) && gone(d) && still.iter().all(Pidfd::alive));
    env.killer(["-KILL", "--whom=depth:7", "--fail", "svc"]).code(1);
    env.killer(["-KILL", "--wait", &format!("--whom=!subtree:{a}"), "svc"]).ok();
    assert!(gone(r));
    service.assert_alive();
    env.killer(["-KILL", "svc"]).ok();
    service.assert_dead();
}

#[test]
fn real_uid_as_it_is_now() {
    let Some(env) = TestEnv::reusing("real_uid_as_it_is_now") else { return };
    let Some(service) = Launch::new("setuid-child").service(&env, "svc") else { return };
    let (root, others) = (chosen(&env, "uid:0"), chosen(&env, "!uid:0"));
    assert!(!root.is_empty() && !others.is_empty() && root.is_disjoint(&others), "{root:?} {others:?}");
    for pid in &others {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        assert!(!status.contains("Uid:\t0\t"), "{pid} is root's");
    }
    env.killer(["-KILL", "svc"]).ok();
    service.assert_dead();
}

/// Control processes come from outside: no orphans, although no member forked them.
#[test]
fn control_processes_are_no_orphans() {
    let Some(env) = TestEnv::reusing("control_processes_are_no_orphans") else { return };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    let mut command = env.command();
    command.args(["exec", "--name", "svc", "--", "sleep", "20"]);
    let _running = env.spawn(command);
    assert!(eventually(Duration::from_secs(5), || chosen(&env, "control").len() == 1));
    assert_eq!(chosen(&env, "orphans"), BTreeSet::new());
    assert_eq!(chosen(&env, "!control").len(), 2);
    env.killer(["-KILL", "svc"]).ok();
    service.assert_dead();
}

/// A session below a tracked sshd: who is logged in there can end everything but himself, is told why not otherwise, and
/// with --include-self sees it through.
#[test]
fn from_a_session_inside() {
    let Some(env) = TestEnv::reusing("from_a_session_inside") else { return };
    let killer = killer_tests::killer().to_string_lossy().into_owned();
    // The listener, another session, and ours: sshd → sshd → login shell → shell → killer.
    let script = r#"
        setsid sh -c 'echo other=$$ >>"$1.f"; exec sleep 50' sh "$3" &
        setsid sh -c 'echo session=$$ >>"$2.f"; sh -c "
            while [ ! -e \"$2.go\" ]; do sleep 0.02; done
            \"$1\" \$(cat \"$2.go\") >\"$2.out\" 2>\"$2.err\"; echo \$? >\"$2.code\"; sleep 50" sh "$1" "$2"; exit 0' sh "$2" "$3" &
        until [ "$(cat "$3.f" 2>/dev/null | wc -l)" -ge 2 ]; do sleep 0.02; done
        echo ready $(cat "$3.f") >"$1"; wait; sleep 50"#;
    let order = |args: &str, n: u32| {
        let path = env.path(&format!("x{n}"));
        let launch = Launch::shell(script).arg(&killer).arg(path.to_string_lossy());
        let service = launch.service(&env, "svc")?;
        let session = service.fact("session").to_string();
        std::fs::write(env.path(&format!("x{n}.tmp")), args.replace("SESSION", &session)).expect("order");
        std::fs::rename(env.path(&format!("x{n}.tmp")), env.path(&format!("x{n}.go"))).expect("order");
        Some(service)
    };
    let read =
        |n: u32, what: &str| std::fs::read_to_string(env.path(&format!("x{n}.{what}"))).unwrap_or_default();
    let code = |n: u32| {
        // The shell makes the file before it writes to it.
        eventually(Duration::from_secs(15), || read(n, "code").ends_with('\n'));
        read(n, "code")
    };

    // Refused, the ancestor is named, nobody was touched.
    let Some(service) = order("-KILL svc", 1) else { return };
    assert_eq!(code(1), "1\n", "{}", read(1, "err"));
    let said = read(1, "err");
    assert!(said.contains("ancestor") && said.contains("--include-self"), "{said}");
    let other = Pidfd::open(service.fact("other")).expect("the other session");
    assert!(other.alive());
    env.killer(["-KILL", "--wait", "svc"]).ok();
    service.assert_dead();

    // Everything but his own session and what it hangs on.
    let Some(service) = order("-KILL --whom=!subtree:SESSION,!main svc", 2) else { return };
    assert_eq!(code(2), "0\n", "{}", read(2, "err"));
    let gone = |p: i32| eventually(Duration::from_secs(5), || Pidfd::open(p).is_none_or(|p| !p.alive()));
    assert!(gone(service.fact("other")));
    let session = Pidfd::open(service.fact("session")).expect("the own session");
    assert!(session.alive());
    env.killer(["-KILL", "--wait", "svc"]).ok();
    service.assert_dead();

    // All of it, his own session too: the killer leaves first, and finishes.
    let Some(service) = order("-KILL --include-self -o json svc", 3) else { return };
    assert!(
        eventually(Duration::from_secs(10), || read(3, "out").contains("left the service first")),
        "{}",
        read(3, "err")
    );
    assert!(read(3, "out").contains("\"empty\":true"), "{}", read(3, "out"));
    service.assert_dead();
}

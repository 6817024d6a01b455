//! `adopt --freeze`, `adopt --also`, and the orphans that adoptions tell of.

use killer_tests::{Launch, TestEnv, eventually, everywhere, find, pids, proc_state};
use std::process::Command;
use std::time::Duration;

/// Held still in the call that takes it in.
#[test]
fn adopted_and_frozen() {
    let Some(env) = TestEnv::reusing("adopted_and_frozen") else { return };
    let Some(it) = Launch::new("plain").direct(&env.test) else { return };
    let main = it.pid().to_string();
    env.killer(["adopt", "svc", "--pid", &main, "--freeze"]).ok();
    let status = env.killer(["status", "-o", "json", "svc"]).ok().json();
    assert_eq!(status["frozen"]["state"], "frozen", "{status}");
    assert_eq!(proc_state(it.pid()), Some('T'));
    env.killer(["thaw", "svc"]).ok();
    it.assert_untouched();
    env.killer(["-s", "KILL", "svc"]).ok();
    assert!(it.live.eof_within(Duration::from_secs(10)), "it lives");
}

/// Where nobody can be frozen nothing is adopted either.
#[test]
fn what_cannot_be_frozen_is_not_adopted() {
    let test = "what_cannot_be_frozen_is_not_adopted";
    let Some(env) = TestEnv::without_programs(test, "scan", None) else { return };
    let Some(it) = Launch::new("plain").direct(test) else { return };
    env.killer(["adopt", "svc", "--pid", &it.pid().to_string(), "--freeze"]).error(1, &["cannot freeze"]);
    env.killer(["status", "svc"]).error(4, &["no such service"]);
    it.assert_untouched();
}

#[test]
fn another_one_is_taken_in() {
    everywhere("another_one_is_taken_in", |env| {
        let Some(first) = Launch::new("plain").direct(&env.test) else { return };
        let Some(other) = Launch::new("plain").direct(&env.test) else { return };
        let (a, b) = (first.pid().to_string(), other.pid().to_string());
        env.killer(["adopt", "svc", "--also", &b]).error(4, &["no such service 'svc'"]);
        env.killer(["adopt", "svc", "--pid", &a]).ok();
        env.killer(["adopt", "svc", "--also", &b]).ok();
        let tree = env.killer(["tree", "-o", "json", "svc"]).ok().json();
        for p in [first.pid(), other.pid()] {
            assert!(pids(&tree).contains(&p), "{tree}");
        }
        let status = env.killer(["status", "-o", "json", "svc"]).ok().json();
        assert_eq!(status["main"]["pid"], first.pid(), "{status}");
        assert_eq!(status["exactness"]["exact"], false, "{status}");
        env.killer(["adopt", "svc", "--also", &b]).error(1, &["already a member of service 'svc'"]);
        env.killer(["adopt", "other", "--also", &b, "--pid", &a]).code(2);
        env.killer(["adopt", "other", "--also", &b, "--move"]).code(2);
        env.killer(["-s", "KILL", "svc"]).ok();
        for it in [&first, &other] {
            assert!(it.live.eof_within(Duration::from_secs(10)), "one lives");
        }
    });
}

/// A frozen service stays frozen, and so is who comes in.
#[test]
fn taken_into_a_frozen_one() {
    let Some(env) = TestEnv::reusing("taken_into_a_frozen_one") else { return };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    let Some(other) = Launch::new("plain").direct(&env.test) else { return };
    env.killer(["freeze", "svc"]).ok();
    env.killer(["adopt", "svc", "--also", &other.pid().to_string()]).ok();
    assert!(eventually(Duration::from_secs(10), || proc_state(other.pid()) == Some('T')), "it runs");
    let status = env.killer(["status", "-o", "json", "svc"]).ok().json();
    assert_eq!(status["frozen"]["state"], "frozen", "{status}");
    // Of what came in late it is not known what it had forked before.
    assert_eq!(status["exactness"]["exact"], false, "{status}");
    env.killer(["-s", "KILL", "svc"]).ok();
    service.assert_dead();
    assert!(other.live.eof_within(Duration::from_secs(10)), "it lives");
}

/// An orphan from before is told of, with the command that takes it in; it is not taken in by itself.
#[test]
fn orphans_are_told_of() {
    let Some(env) = TestEnv::reusing("orphans_are_told_of") else { return };
    let program = env.path("their-own");
    std::fs::copy("/bin/sleep", &program).expect("a program");
    let mut sh = Command::new("sh");
    sh.args(["-c", r#"("$0" 61 & echo $! > "$0.orphan"); exec "$0" 62"#]).arg(&program);
    let mut main = sh.spawn().expect("sh");
    let file = env.path("their-own.orphan");
    let orphan = || std::fs::read_to_string(&file).ok()?.trim().parse::<i32>().ok();
    assert!(eventually(Duration::from_secs(10), || orphan().is_some()), "no orphan");
    let orphan = orphan().expect("a number");
    let executed = |p: i32| std::fs::read_link(format!("/proc/{p}/exe")).is_ok_and(|e| e == program);
    assert!(
        eventually(Duration::from_secs(10), || executed(orphan) && executed(main.id() as i32)),
        "no exec"
    );
    let out = env.killer(["adopt", "-o", "json", "svc", "--pid", &main.id().to_string()]).ok().json();
    let notes = out["notes"].to_string();
    assert!(notes.contains(&format!("--also {orphan}")) && notes.contains("same program"), "{out}");
    let tree = env.killer(["tree", "-o", "json", "svc"]).ok().json();
    assert!(!pids(&tree).contains(&orphan) && find(&tree, &["pid"]).is_some(), "{tree}");
    env.killer(["adopt", "svc", "--also", &orphan.to_string()]).ok();
    env.killer(["-s", "KILL", "svc"]).ok();
    let gone = || !matches!(proc_state(orphan), Some('S' | 'R'));
    assert!(eventually(Duration::from_secs(10), gone), "the orphan lives");
    main.wait().expect("its end");
}

/// Whoever gives the command is not held by it.
#[test]
fn the_caller_is_not_held() {
    let Some(env) = TestEnv::reusing("the_caller_is_not_held") else { return };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    env.killer(["freeze", "svc"]).ok();
    for args in ["adopt svc --also $$", "adopt other --pid $$ --freeze"] {
        let mut sh = Command::new("sh");
        sh.arg("-c").arg(format!("\"$0\" {args}; exit $?")).arg(killer_tests::killer());
        for (name, value) in env.command().get_envs() {
            sh.env(name, value.unwrap_or_default());
        }
        env.finish(sh).error(1, &["this command descends from it", "run it from elsewhere"]);
    }
    env.killer(["status", "other"]).error(4, &["no such service"]);
    env.killer(["-s", "KILL", "svc"]).ok();
    service.assert_dead();
}

/// Nor one that descends from there through processes that have ended, which only the recorder knows.
#[test]
fn the_caller_is_not_held_through_the_dead() {
    let Some(env) = TestEnv::new("the_caller_is_not_held_through_the_dead").map(TestEnv::alone) else {
        return;
    };
    let up = env.killer(["up", "--lineage=all"]);
    if up.exit() != 0 {
        return killer_tests::skip(&env.test, up.stderr.trim());
    }
    let said = env.path("said");
    let script = "( while [ -e /proc/$1 ]; do sleep 0.05; done; \"$0\" adopt svc --of $1 --freeze 2> $2.new; echo $? >> $2.new; \
                  mv $2.new $2 ) & exit";
    let mut sh = Command::new("sh");
    sh.args(["-c", &format!("set -- $$ \"$1\"; {script}")]).arg(killer_tests::killer()).arg(&said);
    for (name, value) in env.command().get_envs() {
        sh.env(name, value.unwrap_or_default());
    }
    sh.stdin(std::process::Stdio::null()).spawn().and_then(|mut c| c.wait()).expect("a shell that ends");
    assert!(eventually(Duration::from_secs(20), || said.exists()), "it is held, or has not ended");
    let said = std::fs::read_to_string(&said).expect("what it has said");
    assert!(said.contains("this command descends from it") && said.trim_end().ends_with('1'), "{said}");
    env.killer(["status", "svc"]).error(4, &["no such service"]);
}

/// `adopt --of` and `up --lineage`.
#[test]
fn words_for_of() {
    let Some(env) = TestEnv::reusing("words_for_of") else { return };
    env.killer(["adopt", "svc", "--of", "1x"]).code(2);
    env.killer(["adopt", "svc", "--of", "-1"]).code(2);
    env.killer(["adopt", "svc", "--of", "12", "--pid", "12"]).code(2);
    env.killer(["adopt", "svc", "--of", "12", "--move"]).code(2);
    env.killer(["adopt", "svc", "--of", "12"]).error(1, &["not recorded", "up --lineage=all"]);
    env.killer(["up", "--lineage=some"]).code(2);
    env.killer(["up", "--lineage=off"]).ok();
}

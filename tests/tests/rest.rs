//! A tracker that is loaded and tracks nobody: its hooks are attached nowhere until something is to be tracked.

use killer_tests::{Launch, RuledHost, TestEnv};
use std::path::PathBuf;
use std::process::Command;

/// Pins of links, the hook on signals aside; `None`: there is no directory for them.
fn links(env: &TestEnv) -> Option<usize> {
    let links = std::fs::read_dir(env.pin_root.join("v1/links")).ok()?;
    Some(links.flatten().filter(|e| e.file_name() != "on_signal").count())
}

/// One whose links are pinned; `None` where a keeper holds them.
fn loaded(test: &str) -> Option<TestEnv> {
    let env = TestEnv::new(test)?;
    env.killer(["up"]).ok();
    let kept = std::fs::read_dir(env.pin_root.join("v1")).expect("a version").flatten();
    if kept.into_iter().any(|e| e.file_name().to_string_lossy().starts_with("keeper-")) {
        killer_tests::skip(test, "links cannot be pinned here");
        return None;
    }
    Some(env)
}

#[test]
fn hooks_are_attached_by_the_first_service() {
    let Some(env) = loaded("hooks_are_attached_by_the_first_service") else { return };
    assert_eq!(links(&env), None);
    let doctor = env.killer(["doctor"]);
    assert!(doctor.stdout.contains("attached by the first"), "{doctor}");
    for args in [&["list"][..], &["up"], &["-s", "0", "*"]] {
        env.killer(args);
        assert_eq!(links(&env), None, "{args:?}");
    }
    let Some(service) = Launch::new("double-fork").service(&env, "svc") else { return };
    assert!(links(&env).is_some_and(|n| n >= 3), "{:?}", links(&env));
    env.killer(["-s", "0", "--require-exact", "svc"]).ok();
    env.killer(["up"]).ok();
    assert!(links(&env).is_some(), "somebody is tracked");
    env.killer(["-s", "KILL", "--wait", "--require-exact", "svc"]).ok();
    service.assert_dead();
    env.killer(["up"]).ok();
    assert!(links(&env).is_some(), "a service that has ended is known still");
    env.killer(["forget", "svc"]).ok();
    env.killer(["up"]).ok();
    assert_eq!(links(&env), None);
}

#[test]
fn an_adoption_attaches_them() {
    let Some(env) = loaded("an_adoption_attaches_them") else { return };
    let mut child = Command::new("sleep").arg("60").spawn().expect("sleep");
    let adopted = env.killer(["adopt", "svc", "--pid", &child.id().to_string()]);
    let attached = links(&env);
    let killed = env.killer(["-s", "KILL", "svc"]);
    let _ = child.kill();
    let _ = child.wait();
    if adopted.exit() != 0 && adopted.stderr.contains("walk") {
        killer_tests::skip(&env.test, adopted.stderr.trim());
        return;
    }
    adopted.ok();
    killed.ok();
    assert!(attached.is_some_and(|n| n >= 3), "{attached:?}");
}

/// What a `killer` that was killed while it attached them has left is in nobody's way, and goes.
#[test]
fn what_was_left_goes() {
    let Some(env) = loaded("what_was_left_goes") else { return };
    let left: PathBuf = env.pin_root.join("v1/waking-1");
    std::fs::create_dir(&left).expect("a directory");
    env.killer(["run", "--name", "svc", "--", "true"]).ok();
    assert!(!left.exists());
    assert!(links(&env).is_some_and(|n| n >= 3), "{:?}", links(&env));
}

/// Links taken away by hand, with their directory, while somebody is tracked: that is no rest.
#[test]
fn a_loss_is_no_rest() {
    let Some(env) = loaded("a_loss_is_no_rest") else { return };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    std::fs::remove_dir_all(env.pin_root.join("v1/links")).expect("removal");
    let doctor = env.killer(["doctor"]);
    assert!(doctor.stdout.contains("links are gone"), "{doctor}");
    env.killer(["-s", "0", "--require-exact", "svc"]).code(5);
    // A new service has its hooks; the old one's doubt stays.
    let Some(other) = Launch::new("double-fork").service(&env, "other") else { return };
    env.killer(["-s", "KILL", "--wait", "--require-exact", "other"]).ok();
    other.assert_dead();
    env.killer(["-s", "0", "--require-exact", "svc"]).code(5);
    env.killer(["-s", "KILL", "--wait", "svc"]);
    service.assert_dead();
}

/// Rules that are put in force later, too: a script opens its service from then on.
#[test]
fn rules_attach_them() {
    let Some(env) = loaded("rules_attach_them") else { return };
    let host = RuledHost::of(env);
    let script = host.script("kt-rest", "sleep 60 & echo $! > $0.pid");
    let rules = host.killer(&["up", "--rules"]);
    if rules.exit() == 1 && rules.stderr.contains("the tier") {
        killer_tests::skip(&host.env.test, rules.stderr.trim());
        return;
    }
    rules.ok();
    assert!(links(&host.env).is_some_and(|n| n >= 4), "{:?}", links(&host.env));
    let started = Command::new(&script).arg("start").status().expect("the script");
    assert!(started.success());
    assert_eq!(host.names(), ["kt-rest"]);
    host.killer(&["-s", "KILL", "--wait", "--require-exact", "kt-rest"]).ok();
    host.killer(&["up"]).ok();
    assert!(links(&host.env).is_some(), "rules are in force");
}

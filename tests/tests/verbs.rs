//! The other verbs: adopt, list, status, tree, wait, verify, the registry, the tracker itself, and what packagers want.

use killer_tests::{
    Journal, Launch, Out, OwnPlaces, Pidfd, Service, TestEnv, eventually, find, names_pid, pids,
};
use rustix::process::Signal;
use std::time::Duration;

#[track_caller]
fn kill(env: &TestEnv, service: &Service) {
    env.killer(["-KILL", "--wait", &service.name]).ok().silent();
    service.assert_dead();
}

#[test]
fn list() {
    let Some(env) = TestEnv::reusing("list") else { return };
    let out = env.killer(["list"]);
    out.ok();
    let Some(a) = Launch::new("plain").service(&env, "alpha") else { return };
    let Some(b) = Launch::new("daemon").service(&env, "beta") else { return };
    let out = env.killer(["list"]);
    out.ok();
    let line = |name: &str| out.stdout.lines().find(|l| l.contains(name)).unwrap_or_else(|| panic!("{out}"));
    assert!(names_pid(line("alpha"), a.fact("pid")), "{out}");
    assert!(names_pid(line("alpha"), 2), "two live members: {out}");
    line("beta");
    let json = env.killer(["list", "-o", "json"]);
    assert!(pids(&json.json()).contains(&a.fact("pid")) || names_pid(&json.stdout, a.fact("pid")), "{json}");
    kill(&env, &b);
    assert!(env.killer(["list"]).ok().stdout.contains("beta"), "dead, but not forgotten");
    env.killer(["forget", "beta"]).ok();
    assert!(!env.killer(["list"]).ok().stdout.contains("beta"));
    kill(&env, &a);
}

#[test]
fn status() {
    let Some(env) = TestEnv::reusing("status") else { return };
    env.killer(["status", "svc"]).error(4, &["svc"]);
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    let out = env.killer(["status", "svc"]);
    out.ok();
    for word in
        ["svc", "adversary plain", &service.fact("pid").to_string(), &service.fact("child").to_string()]
    {
        assert!(out.stdout.contains(word), "no '{word}': {out}");
    }
    assert!(out.stdout.contains('├') || out.stdout.contains('└'), "no tree: {out}");
    let mut ascii = env.command();
    ascii.args(["status", "svc"]).env("LC_ALL", "C").env_remove("LANG");
    let out = env.finish(ascii);
    assert!(out.ok().stdout.is_ascii(), "not ASCII under LC_ALL=C: {out}");
    assert!(!out.stdout.contains('\x1b'), "colour without a terminal: {out}");
    kill(&env, &service);
    let out = env.killer(["status", "svc"]);
    out.code(3);
    assert!(out.stdout.contains("KILL"), "nothing of the last kill: {out}");
    env.killer(["forget", "svc"]).ok();
    env.killer(["status", "svc"]).code(4);
}

/// What members call themselves does not reach a terminal as it is.
#[test]
fn names_are_escaped() {
    let Some(env) = TestEnv::reusing("names_are_escaped") else { return };
    let Some(service) = Launch::new("comm").service(&env, "svc") else { return };
    let mut hostile = env.command();
    hostile.args([
        "exec",
        "--name",
        "svc",
        "--",
        "/bin/sh",
        "-c",
        "echo ready a=1 > $2; sleep 30; : \x1b]0;owned\x07 \x1b[2J",
    ]);
    hostile.arg("sh").arg("-").arg("/dev/null");
    let running = env.spawn(hostile);
    std::thread::sleep(Duration::from_millis(300));
    for args in [
        &["status", "svc"][..],
        &["tree", "svc"],
        &["list"],
        &["verify", "svc"],
        &["-n", "svc"],
        &["-v", "-s", "WINCH", "svc"],
        &["tree", "-o", "dot", "svc"],
        &["tree", "-o", "mermaid", "svc"],
    ] {
        let out = env.killer(args);
        let both = format!("{}{}", out.stdout, out.stderr);
        let control: Vec<char> = both.chars().filter(|c| c.is_control() && !"\n\t".contains(*c)).collect();
        assert!(control.is_empty(), "{control:?} in {args:?}: {both:?}");
    }
    env.killer(["status", "-o", "json", "svc"]).json();
    kill(&env, &service);
    running.finish(Duration::from_secs(5));
}

#[test]
fn tree_with_dead_ancestors() {
    let Some(env) = TestEnv::reusing("tree_with_dead_ancestors") else { return };
    let script = r#"sh -c 'sleep 30 & echo ready dead=$$ orphan=$! > "$0"' "$1"; exec sleep 30"#;
    let Some(service) = Launch::shell(script).service(&env, "svc") else { return };
    let dead = service.fact("dead");
    assert!(eventually(Duration::from_secs(2), || Pidfd::open(dead).is_none()));
    let out = env.killer(["tree", "svc"]);
    out.ok();
    let at = |pid: i32| {
        out.stdout.lines().position(|l| names_pid(l, pid)).unwrap_or_else(|| panic!("{pid}: {out}"))
    };
    assert!(at(dead) < at(service.fact("orphan")), "the dead ancestor is not above its child: {out}");
    let out = env.killer(["tree", "-o", "json", "svc"]);
    assert!(pids(&out.ok().json()).is_superset(&[dead, service.fact("orphan")].into()), "{out}");
    let out = env.killer(["tree", "-o", "dot", "svc"]);
    assert!(out.ok().stdout.starts_with("digraph") && out.stdout.trim_end().ends_with('}'), "{out}");
    assert!(names_pid(&out.stdout, dead), "{out}");
    let out = env.killer(["tree", "-o", "mermaid", "svc"]);
    assert!(out.ok().stdout.starts_with("flowchart") || out.stdout.starts_with("graph"), "{out}");
    assert!(names_pid(&out.stdout, dead), "{out}");
    kill(&env, &service);
    env.killer(["tree", "nobody"]).error(4, &["nobody"]);
}

fn begin(env: &TestEnv, args: &[&str]) -> killer_tests::Running {
    let mut command = env.command();
    command.args(args);
    let running = env.spawn(command);
    std::thread::sleep(Duration::from_millis(250));
    running
}

fn quick(running: killer_tests::Running) -> Out {
    running.finish(Duration::from_secs(5))
}

#[test]
fn wait_until_empty() {
    let Some(env) = TestEnv::reusing("wait_until_empty") else { return };
    let Some(service) = Launch::new("revive").service(&env, "svc") else { return };
    let out = env.killer(["wait", "svc", "--timeout", "500ms"]);
    out.code(124);
    assert!((0.45..3.0).contains(&out.took.as_secs_f64()), "{out}");
    let one = begin(&env, &["wait", "svc"]);
    let two = begin(&env, &["wait", "svc", "--until", "empty", "--timeout=30s"]);
    kill(&env, &service);
    quick(one).ok().silent();
    quick(two).ok().silent();
    env.killer(["wait", "svc"]).ok();
    env.killer(["wait", "nobody"]).error(4, &["nobody"]);
}

#[test]
fn wait_until_main_is_gone() {
    let Some(env) = TestEnv::reusing("wait_until_main_is_gone") else { return };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    env.killer(["wait", "svc", "--until", "main-gone", "--timeout", "300ms"]).code(124);
    let waiting = begin(&env, &["wait", "svc", "--until=main-gone"]);
    env.killer(["-KILL", "--whom=main", "svc"]).ok();
    quick(waiting).ok().silent();
    service.assert_alive();
    env.killer(["wait", "svc", "--until", "main-gone"]).ok();
    kill(&env, &service);
}

#[test]
fn wait_until_few_are_left() {
    let Some(env) = TestEnv::reusing("wait_until_few_are_left") else { return };
    let Some(service) = Launch::new("server").arg("4").arg("1").service(&env, "svc") else { return };
    env.killer(["wait", "svc", "--until", "size<=5"]).ok();
    env.killer(["wait", "svc", "--until", "size<=2", "--timeout", "300ms"]).code(124);
    let waiting = begin(&env, &["wait", "svc", "--until", "size<=2", "--timeout", "20s"]);
    let handles: Vec<Pidfd> = service.pids().into_iter().skip(1).filter_map(Pidfd::open).collect();
    let mut waiting = Some(waiting);
    for (n, handle) in handles.iter().take(3).enumerate() {
        let child = &mut waiting.as_mut().expect("still waiting").child;
        assert!(matches!(child.try_wait(), Ok(None)), "ended with {} left", 5 - n);
        handle.signal(Signal::KILL);
        std::thread::sleep(Duration::from_millis(150));
    }
    quick(waiting.take().expect("still waiting")).ok();
    env.killer(["wait", "svc", "--until", "size<=x"]).error(2, &["size<=x"]);
    kill(&env, &service);
}

#[test]
fn verify_shows_what_others_miss() {
    let Some(env) = TestEnv::reusing("verify_shows_what_others_miss") else { return };
    let Some(service) = Launch::new("double-fork").service(&env, "svc") else { return };
    let out = env.killer(["verify", "svc"]);
    out.ok();
    assert!(names_pid(&out.stdout, service.fact("orphan")), "the orphan that a /proc walk misses: {out}");
    env.killer(["verify", "-o", "json", "svc"]).ok().json();
    kill(&env, &service);
    env.killer(["verify", "nobody"]).error(4, &["nobody"]);
}

#[test]
fn set_main() {
    let Some(env) = TestEnv::reusing("set_main") else { return };
    let path = env.path("journal");
    let launch = Launch::new("signal-log").arg(path.to_string_lossy()).arg("2");
    let Some(service) = launch.service(&env, "svc") else { return };
    let mut journal = Journal::new(path);
    let second = service.pids()[2];
    env.killer(["set-main", "svc", &second.to_string()]).ok();
    env.killer(["-s", "USR1", "--whom=main", "svc"]).ok();
    let got: Vec<i32> = journal.signals(1).into_iter().map(|t| t.pid).collect();
    assert_eq!(got, [second]);
    let me = std::process::id().to_string();
    env.killer(["set-main", "svc", &me]).error(1, &[&me]);
    env.killer(["set-main", "nobody", &second.to_string()]).error(4, &["nobody"]);
    kill(&env, &service);
}

#[test]
fn forget_and_rename() {
    let Some(env) = TestEnv::reusing("forget_and_rename") else { return };
    let Some(service) = Launch::new("plain").service(&env, "old") else { return };
    let Some(other) = Launch::new("plain").service(&env, "other") else { return };
    env.killer(["forget", "old"]).error(1, &["old"]);
    env.killer(["rename", "old", "new"]).ok();
    env.killer(["status", "old"]).code(4);
    env.killer(["status", "new"]).ok();
    env.killer(["rename", "new", "other"]).error(1, &["other"]);
    env.killer(["rename", "nobody", "x"]).error(4, &["nobody"]);
    env.killer(["rename", "new", "bad\u{1b}name"]).error(2, &[]);
    env.killer(["-KILL", "new"]).ok();
    service.assert_dead();
    other.assert_alive();
    env.killer(["forget", "new"]).ok().silent();
    env.killer(["forget", "new"]).error(4, &["new"]);
    env.killer(["-KILL", "new"]).error(4, &["new"]);
    kill(&env, &other);
}

#[test]
fn up_and_down() {
    let Some(env) = TestEnv::new("up_and_down") else { return };
    env.killer(["down"]).ok();
    for _ in 0..2 {
        env.killer(["up"]).ok();
    }
    assert!(env.pin_root.exists());
    for _ in 0..2 {
        env.killer(["down"]).ok();
    }
    let left = std::fs::read_dir(&env.pin_root).map(|d| d.count()).unwrap_or(0);
    assert_eq!(left, 0, "pins are left behind");
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    env.killer(["down"]).error(1, &["svc"]);
    env.killer(["status", "svc"]).ok();
    for _ in 0..2 {
        env.killer(["down", "--force"]).ok();
    }
    service.assert_alive();
    env.killer(["status", "svc"]).code(4);
}

/// Tracing programs of one tracker, and none of them after `down`.
#[test]
fn down_leaves_no_program() {
    let Some(env) = TestEnv::new("down_leaves_no_program") else { return };
    env.killer(["up"]).ok();
    let pins = |dir: &std::path::Path| walk(dir);
    assert!(pins(&env.pin_root) > 3);
    let mode = |p: &std::path::Path| {
        std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(p).expect("pin directory")) & 0o777
    };
    assert_eq!(mode(&env.pin_root), 0o700, "others can look at the pins");
    env.killer(["down"]).ok();
    assert_eq!(pins(&env.pin_root), 0);
}

fn walk(dir: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|e| if e.path().is_dir() { walk(&e.path()) } else { 1 }).sum()
}

/// Nothing that a detached service would keep open belongs to the tracker: links live as long as a descriptor does.
#[test]
fn members_hold_nothing_of_the_tracker() {
    let Some(env) = TestEnv::new("members_hold_nothing_of_the_tracker") else { return };
    let Some(service) = Launch::new("plain").run_option("--kill-on-exit").service(&env, "svc") else {
        return;
    };
    for pid in [service.fact("pid"), service.fact("child")] {
        let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("descriptors").flatten();
        let names: Vec<String> = fds
            .filter_map(|f| Some(std::fs::read_link(f.path()).ok()?.to_string_lossy().into_owned()))
            .collect();
        let bad: Vec<_> = names.iter().filter(|n| n.contains("bpf") || n.contains("anon_inode")).collect();
        assert!(bad.is_empty(), "{pid} holds {bad:?}");
    }
    kill(&env, &service);
}

#[test]
fn doctor() {
    let Some(env) = TestEnv::new("doctor") else { return };
    let out = env.killer(["doctor"]);
    out.ok();
    for word in ["typed", "bpffs", "BTF"] {
        assert!(out.stdout.to_lowercase().contains(&word.to_lowercase()), "no '{word}': {out}");
    }
    let json = env.killer(["doctor", "-o", "json"]);
    assert!(find(&json.ok().json(), &["tier"]).is_some(), "{json}");
}

/// Debian has another package `killer`, whose program ends users' background jobs.
#[test]
fn doctor_warns_of_another_killer() {
    let Some(env) = TestEnv::reusing("doctor_warns_of_another_killer") else { return };
    let mut places = OwnPlaces::default();
    let other = places.put(&env, "/usr/sbin").join("killer");
    let found = |out: &Out| {
        let json = out.ok().json();
        let checks = json["checks"].as_array().expect("checks");
        checks.iter().find(|c| c["name"] == "other killer").cloned()
    };
    assert_eq!(found(&places.killer(&env, ["doctor", "-o", "json"])), None);
    std::fs::write(&other, "#!/usr/bin/perl -w\n").expect("a script");
    let told = found(&places.killer(&env, ["doctor", "-o", "json"])).expect("a warning");
    assert_eq!(told["result"], "warn", "{told}");
    let text = places.killer(&env, ["doctor"]);
    for words in ["/usr/sbin/killer is another program", "Debian's package 'killer'", "dpkg --remove killer"]
    {
        assert!(text.ok().stdout.contains(words), "no '{words}': {text}");
    }
}

#[test]
fn generate() {
    let Some(env) = TestEnv::new("generate") else { return };
    let out = env.killer(["generate", "man"]);
    assert!(out.ok().stdout.contains(".TH killer 8") && out.stdout.contains("whom"), "no man page: {out}");
    for shell in ["bash", "zsh", "fish"] {
        let out = env.killer(["generate", "completions", shell]);
        assert!(out.ok().stdout.contains("killer") && out.stdout.contains("adopt"), "{out}");
    }
    let out = env.killer(["generate", "schema"]);
    assert!(out.ok().json().get("$schema").is_some(), "{out}");
    assert!(!env.pin_root.exists(), "generate has loaded a tracker");
    env.killer(["generate", "completions", "csh"]).code(2);
}

/// Two services of the same program share nothing, and the second `killer` finds the tracker that the first has loaded.
#[test]
fn pins_are_used_again() {
    let Some(env) = TestEnv::new("pins_are_used_again") else { return };
    env.killer(["up"]).ok();
    let names = |env: &TestEnv| {
        let mut all: Vec<_> =
            std::fs::read_dir(&env.pin_root).expect("pins").flatten().map(|e| e.file_name()).collect();
        all.sort();
        all
    };
    let before = names(&env);
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    env.killer(["list"]).ok();
    env.killer(["up"]).ok();
    assert_eq!(names(&env), before);
    env.killer(["status", "svc"]).ok();
    kill(&env, &service);
}

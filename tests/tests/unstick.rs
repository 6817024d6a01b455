//! Survivors that can be cured by consent.

use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use rustix::pty::OpenptFlags;

use killer_tests::{Bystander, Freezer, Launch, Service, TestEnv, eventually, names_pid, skip};

/// What waits in one connection makes another test's uncertain.
static FUSE: Mutex<()> = Mutex::new(());
const SOON: Duration = Duration::from_secs(10);

/// A service with a child in a frozen freezer.
fn frozen(test: &str) -> Option<(TestEnv, Freezer, Service)> {
    let env = TestEnv::new(test).map(TestEnv::alone)?;
    let Some(freezer) = Freezer::new(&env) else {
        skip(&env.test, "no cgroup v1 freezer");
        return None;
    };
    let service = Launch::new("plain").service(&env, "svc")?;
    freezer.freeze(service.fact("child"));
    Some((env, freezer, service))
}

#[test]
fn a_freezer_without_strangers() {
    let Some((env, freezer, service)) = frozen("a_freezer_without_strangers") else { return };
    // Without the option the line says the command.
    let out = env.killer(["-KILL", "--wait=500ms", "svc"]);
    out.code(124);
    assert!(out.stderr.contains("to let it end: killer -s KILL --wait=10s --unstick -- svc"), "{out}");
    // Only shown.
    let out = env.killer(["-n", "-KILL", "--unstick", "svc"]);
    out.ok();
    let state = format!("echo THAWED > {}/freezer.state", freezer.path().display());
    assert!(out.stdout.contains("would let survivors end") && out.stdout.contains(&state), "{out}");
    assert!(!out.stdout.contains("of others"), "{out}");
    // Nobody can be asked, and nothing is done.
    let out = env.killer(["-KILL", "--wait=500ms", "--unstick", "svc"]);
    out.code(1);
    let child = service.fact("child");
    assert!(out.stderr.contains(&state) && out.stderr.contains("nobody has said yes"), "{out}");
    assert!(names_pid(&out.stderr, child) && freezer.state() == "FROZEN", "{out}");
    let out = env.killer(["-KILL", "--wait=500ms", "--unstick", "--yes", "-o", "json", "svc"]);
    let doc = out.ok().json();
    service.assert_dead();
    let step = &doc["unstick"][0];
    assert_eq!((&step["kind"], &step["done"]), (&"thaw-freezer".into(), &true.into()), "{doc}");
    assert_eq!((&step["others"], &step["members"]), (&0.into(), &serde_json::json!([child])), "{doc}");
    assert!(
        step["command"] == state.as_str() && step["undo"].is_string() && step["undone"].is_null(),
        "{doc}"
    );
    assert_eq!((&doc["empty"], freezer.state()), (&true.into(), "THAWED".into()));
    let receipts = env.killer(["receipts", "--all"]).ok().stdout.clone();
    let id = receipts.lines().last().and_then(|l| l.split_whitespace().next()).expect("a receipt").to_owned();
    let kept = env.killer(["receipts", &id]);
    assert!(kept.ok().stdout.contains("unstick: thaw-freezer"), "{kept}");
}

/// Strangers in the same freezer, and a freezer above, which is frozen as well: both are thawed, and frozen again.
#[test]
fn a_freezer_with_strangers() {
    let Some((env, freezer, service)) = frozen("a_freezer_with_strangers") else { return };
    let stranger = Bystander::new(&env.test);
    freezer.add(stranger.pid());
    let inner = freezer.path().join(std::ffi::OsStr::from_bytes(b"in\x1b[31m'\xff"));
    std::fs::create_dir(&inner).expect("a group");
    std::fs::write(inner.join("cgroup.procs"), service.fact("child").to_string()).expect("into it");
    std::fs::write(inner.join("freezer.state"), "FROZEN").expect("frozen");
    let out = env.killer(["stop", "--retry=KILL/5", "--unstick", "--yes", "-o", "json", "svc"]);
    let doc = out.ok().json();
    assert!(out.stderr.contains("in\\x1b[31m'\\xff") && !out.stderr.contains('\x1b'), "{out}");
    service.assert_dead();
    let steps = doc["steps"][0]["unstick"].as_array().expect("steps").clone();
    assert_eq!(steps.len(), 2, "{doc}");
    assert!(steps.iter().all(|s| s["done"] == true), "{doc}");
    assert_eq!((&steps[0]["others"], &steps[0]["undone"]), (&1.into(), &true.into()), "{doc}");
    assert!(names_pid(&steps[0]["other_names"].to_string(), stranger.pid()), "{doc}");
    assert!(
        steps[1]["command"].as_str().is_some_and(|c| c.contains("/in\\033[31m\\047\\377/freezer.state'")),
        "{doc}"
    );
    assert_eq!(freezer.state(), "FROZEN", "a stranger's freezer is frozen again");
    assert!(eventually(SOON, || std::fs::remove_dir(&inner).is_ok()));
    freezer.thaw();
    stranger.assert_untouched();
}

/// A killer that is killed while a freezer is thawed leaves it frozen, as it was.
#[test]
fn killed_while_it_is_thawed() {
    let Some((env, freezer, service)) = frozen("killed_while_it_is_thawed") else { return };
    let stranger = Bystander::new(&env.test);
    freezer.add(stranger.pid());
    // A second one, of which the first step knows nothing: the killer waits two seconds between them.
    let inner = freezer.path().join("inner");
    std::fs::create_dir(&inner).expect("a group");
    std::fs::write(inner.join("cgroup.procs"), service.fact("child").to_string()).expect("into it");
    std::fs::write(inner.join("freezer.state"), "FROZEN").expect("frozen");
    let mut command = env.command();
    command.args(["-s", "KILL", "--wait=2s", "--unstick", "--yes", "svc"]);
    let killer = env.spawn(command);
    assert!(eventually(Duration::from_secs(30), || freezer.state() == "THAWED"));
    killer.pidfd().signal(rustix::process::Signal::KILL);
    killer.wait(SOON);
    assert!(eventually(SOON, || freezer.state() == "FROZEN"), "a stranger's freezer stays thawed");
    env.killer(["-s", "KILL", "--wait=2s", "--unstick", "--yes", "svc"]).ok();
    service.assert_dead();
    assert_eq!(freezer.state(), "FROZEN");
    assert!(eventually(SOON, || std::fs::remove_dir(&inner).is_ok()));
    freezer.thaw();
    stranger.assert_untouched();
}

/// Runs it at a terminal, and types a yes to each question with this word, and else a no.
fn at_a_terminal(mut command: Command, yes_to: &str) -> (i32, String) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = rustix::pty::openpt(flags).expect("a terminal");
    rustix::pty::unlockpt(&master).expect("unlockpt");
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags).expect("its other end");
    let master = std::fs::File::from(master);
    let other = || Stdio::from(slave.try_clone().expect("a descriptor"));
    let mut child = command.stdin(other()).stderr(other()).stdout(Stdio::null()).spawn().expect("killer");
    drop(command);
    drop(slave);
    let mut said = String::new();
    let mut answered = 0;
    use std::io::{Read, Write};
    let mut piece = [0u8; 4096];
    while let Ok(n) = (&master).read(&mut piece) {
        if n == 0 {
            break;
        }
        said.push_str(&String::from_utf8_lossy(&piece[..n]));
        let asked = said.matches("[y/N]").count();
        if asked > answered {
            answered = asked;
            let question = said.lines().rfind(|l| l.contains("[y/N]")).unwrap_or_default();
            let answer = if question.contains(yes_to) { "y\n" } else { "n\n" };
            (&master).write_all(answer.as_bytes()).expect("an answer");
        }
    }
    (child.wait().expect("killer").code().unwrap_or(-1), said)
}

#[test]
fn a_person_is_asked() {
    let Some((env, freezer, service)) = frozen("a_person_is_asked") else { return };
    let command = || {
        let mut c = env.command();
        c.args(["-KILL", "--wait=500ms", "--unstick", "svc"]);
        c
    };
    let (code, said) = at_a_terminal(command(), "abort-fuse");
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("thaw-freezer") && said.contains("the answer was no") && freezer.state() == "FROZEN",
        "{said}"
    );
    let (code, said) = at_a_terminal(command(), "thaw-freezer");
    assert_eq!(code, 0, "{said}");
    service.assert_dead();
}

/// A tracer is a stranger: it is named, with the command, and nothing is done to it.
#[test]
fn a_tracer() {
    let Some(env) = TestEnv::reusing("a_tracer") else { return };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    let victim = service.fact("child");
    let Some(tracer) = Launch::new("tracer").arg(victim.to_string()).arg("ugly").lease(40).direct(&env.test)
    else {
        return;
    };
    let out = env.killer(["-KILL", "--wait=500ms", "--unstick", "--yes", "svc"]);
    out.code(124);
    let command = format!("by hand: kill {}", tracer.pid());
    assert!(out.stderr.contains(&command) && out.stderr.contains("only by hand"), "{out}");
    assert!(out.stderr.contains("\\x1b(cer") && !out.stderr.contains('\x1b'), "{out}");
    tracer.assert_untouched_pid();
    // A stopped one has to go on first.
    killer_tests::Pidfd::open(tracer.pid()).expect("the tracer").signal(rustix::process::Signal::STOP);
    assert!(eventually(SOON, || killer_tests::proc_state(tracer.pid()) == Some('T')));
    let out = env.killer(["-KILL", "--wait=500ms", "svc"]);
    assert!(out.code(124).stderr.contains(&format!("to let it end: kill -CONT {}", tracer.pid())), "{out}");
    drop(tracer);
    env.killer(["-KILL", "--wait=5s", "svc"]).ok();
    service.assert_dead();
}

/// A server that is no member and never answers, and its directory.
fn server(env: &TestEnv, name: &str, more: &[&str]) -> Option<(Bystander, String)> {
    let dir = env.path(name);
    std::fs::create_dir(&dir).expect("a directory");
    let dir = dir.to_str().expect("text").to_owned();
    let launch = Launch::new("evidence-fuse").arg(&dir).lease(120);
    let launch = more.iter().fold(launch, |l, m| l.arg(*m));
    Some((launch.direct(&env.test)?, dir))
}

/// It waits for an answer.
fn waits(pid: i32) -> bool {
    let stack = || std::fs::read_to_string(format!("/proc/{pid}/stack")).unwrap_or_default();
    eventually(SOON, || stack().contains("request_wait_answer"))
}

/// Whether the server's file system still answers.
fn answers(server: &Bystander, dir: &str) -> bool {
    std::fs::File::open(format!("/proc/{}/root{dir}/file", server.pid())).is_ok()
}

#[test]
fn a_fuse_server_that_never_answers() {
    let _one = FUSE.lock();
    let Some(env) = TestEnv::new("a_fuse_server_that_never_answers").map(TestEnv::alone) else { return };
    let Some((server, dir)) = server(&env, "fuse", &[]) else { return };
    let launch = Launch::new("fuse-client").arg(server.pid().to_string()).arg(&dir);
    let Some(service) = launch.service(&env, "svc") else { return };
    let child = service.fact("child");
    assert!(waits(child));
    let out = env.killer(["-KILL", "--wait=500ms", "svc"]);
    out.code(124);
    assert!(out.stderr.contains("--unstick -- svc") && names_pid(&out.stderr, child), "{out}");
    let doc = env.killer(["-KILL", "--wait=500ms", "--unstick", "-o", "json", "svc"]).code(1).json();
    let step = &doc["unstick"][0];
    assert_eq!((&step["kind"], &step["result"]), (&"abort-fuse".into(), &"refused".into()), "{doc}");
    assert!(step["undo"].is_null() && step["done"] == false && step["others"].as_u64() >= Some(1), "{doc}");
    assert!(names_pid(&step["other_names"].to_string(), server.pid()), "{doc}");
    // Where a request waits elsewhere on this host, a yes has to be typed.
    let mut command = env.command();
    command.args(["-KILL", "--wait=500ms", "--unstick", "svc"]);
    match step["effect"].as_str().is_some_and(|e| e.contains("only likely") || e.contains("nothing says")) {
        true => {
            let (code, said) = at_a_terminal(command, &dir);
            assert!(code == 0 && said.contains("cannot be undone") && said.contains(": done"), "{said}");
        }
        false => {
            let out = env.finish({
                command.arg("--yes");
                command
            });
            assert!(out.ok().stderr.contains("cannot be undone"), "{out}");
        }
    }
    service.assert_dead();
    server.assert_untouched_pid();
}

/// It shows another server's mounts, and has that one's file under the number that its call is about.
#[test]
fn a_member_that_points_at_a_stranger() {
    let _one = FUSE.lock();
    let Some(env) = TestEnv::new("a_member_that_points_at_a_stranger").map(TestEnv::alone) else { return };
    let Some((mute, dir)) = server(&env, "mute", &[]) else { return };
    let Some((stranger, its)) = server(&env, "stranger", &[]) else { return };
    let launch = Launch::new("fuse-client")
        .arg(mute.pid().to_string())
        .arg(&dir)
        .arg(stranger.pid().to_string())
        .arg(&its);
    let Some(service) = launch.service(&env, "svc") else { return };
    let child = service.fact("child");
    assert!(waits(child));
    std::thread::sleep(Duration::from_millis(600));
    let number = |of: &Bystander, dir: &str| {
        let text = std::fs::read_to_string(format!("/proc/{}/mountinfo", of.pid())).expect("mounts");
        let line = text.lines().find(|l| l.split(' ').nth(4) == Some(dir)).expect("its mount").to_owned();
        line.split(' ').nth(2).and_then(|d| d.split(':').nth(1)).expect("its device").to_owned()
    };
    let (right, wrong) = (number(&mute, &dir), number(&stranger, &its));
    // As long as nobody waits for the stranger's, it cannot be the one, whatever the member shows.
    let doc = env.killer(["-KILL", "--wait=500ms", "--unstick", "-o", "json", "svc"]).code(1).json();
    let steps: Vec<String> =
        doc["unstick"].as_array().expect("steps").iter().map(|s| s["command"].to_string()).collect();
    assert!(steps.iter().all(|c| !c.contains(&format!("/{wrong}/abort"))), "{doc}");
    assert!(steps.iter().any(|c| c.contains(&format!("/{right}/abort"))), "{doc}");
    // When somebody does, nothing is certain any more, and --yes does nothing.
    let launch = Launch::new("fuse-client").arg(stranger.pid().to_string()).arg(&its).lease(90);
    let Some(waiter) = launch.service(&env, "other") else { return };
    assert!(waits(waiter.fact("child")));
    let out = env.killer(["-KILL", "--wait=500ms", "--unstick", "--yes", "svc"]);
    assert!(out.code(1).stderr.contains("--yes does only what is certain"), "{out}");
    assert!(answers(&stranger, &its) && answers(&mute, &dir), "both are there still: {right} {wrong}");
    let out = env.killer(["-KILL", "--wait=500ms", "other"]);
    out.code(124);
    drop((mute, stranger));
    env.killer(["-KILL", "--wait=5s", "svc", "other"]).ok();
    service.assert_dead();
    waiter.assert_dead();
}

/// A process that has ended, by the kernel's count, and waits for a server while it closes its files.
#[test]
fn an_end_that_is_held() {
    let _one = FUSE.lock();
    let Some(env) = TestEnv::new("an_end_that_is_held").map(TestEnv::alone) else { return };
    for stop in [false, true] {
        let name = if stop { "stop" } else { "kill" };
        let Some((server, dir)) = server(&env, name, &["flushes"]) else { return };
        let launch = Launch::new("fuse-client").arg(server.pid().to_string()).arg(&dir).arg("holds");
        let Some(service) = launch.service(&env, name) else { return };
        let mut command = env.command();
        match stop {
            true => command.args(["stop", "--retry=KILL/1", "--unstick", name]),
            false => command.args(["-KILL", "--wait=1s", "--unstick", name]),
        };
        let (code, said) = at_a_terminal(command, &dir);
        assert!(code == 0 && said.contains("abort-fuse") && said.contains(": done"), "{said}");
        service.assert_dead();
        server.assert_untouched_pid();
    }
}

#[test]
fn usage() {
    let Some(env) = TestEnv::reusing("usage") else { return };
    for words in [
        &["--unstick", "svc"][..],
        &["-HUP", "--unstick", "svc"],
        &["-KILL", "--whom=main", "--unstick", "svc"],
        &["-KILL", "--yes", "svc"],
        &["stop", "--retry=TERM/5", "--unstick", "svc"],
        &["stop", "--mode=process", "--unstick", "svc"],
        &["stop", "--yes", "svc"],
    ] {
        env.killer(words).error(2, &["--unstick"]);
    }
    let out = env.killer(["-KILL", "--unstick", "no-such-service"]);
    assert_eq!(out.exit(), 4, "{out}");
}

//! Captures of services that fight back, and captures that are cut short.

use killer_tests::{Launch, Running, Service, TestEnv, eventually, everywhere, proc_state};
use rustix::process::Signal;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

fn path(p: &Path) -> &str {
    p.to_str().expect("a path")
}

fn world(env: &TestEnv) -> PathBuf {
    let dir = env.path("world");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir(&dir).expect("a directory");
    dir
}

#[track_caller]
fn state(env: &TestEnv, file: &Path) -> Value {
    let out = env.killer(["verify-capture", "-o", "json", path(file)]);
    let doc = out.json();
    assert_eq!(out.exit() == 0, doc["state"] == "whole", "{out}");
    doc
}

#[track_caller]
fn end(env: &TestEnv, service: &Service) {
    env.killer(["-KILL", "--wait", "svc"]).ok();
    service.assert_dead();
    env.killer(["forget", "svc"]).ok();
}

fn left_out<'a>(doc: &'a Value, word: &str) -> Vec<&'a Value> {
    let all = doc["manifest"]["left_out"].as_array().expect("a list");
    all.iter().filter(|l| l.to_string().contains(word)).collect()
}

/// A capture in the middle of a large core.
fn held_up(env: &TestEnv, file: &Path, more: &[&str]) -> Running {
    let mut command = env.command();
    command.args(["capture", "svc", "--memory=all", "--out", path(file)]).args(more);
    let running = env.spawn(command);
    let writes = || file.metadata().is_ok_and(|m| m.len() > 32 << 20);
    assert!(eventually(SOON, writes), "it never got so far: {}", running.so_far());
    running
}

fn runs(pid: i32) -> bool {
    eventually(SOON, || matches!(proc_state(pid), Some('S' | 'R')))
}

/// A file that the service itself serves, which is frozen: it is named and not opened, and where nobody can see that, a look that does
/// not come back is given up.
#[test]
fn what_never_answers() {
    let Some(env) = TestEnv::reusing("what_never_answers") else { return };
    for gone in [false, true] {
        let dir = world(&env);
        let mut launch = Launch::new("evidence-fuse").arg(path(&dir));
        if gone {
            launch = launch.arg("gone");
        }
        let Some(service) = launch.service(&env, "svc") else { return };
        let file = env.path(&format!("{gone}.tar"));
        let out = env.killer([
            "capture",
            "-o",
            "json",
            "svc",
            "--patience=1s",
            "--memory=all",
            "--out",
            path(&file),
        ]);
        let doc = out.json();
        out.ok();
        let fd = format!("fd/{}\"", service.fact("file"));
        let why = if gone { "in time" } else { "FUSE" };
        assert!(left_out(&doc, &fd).iter().any(|l| l.to_string().contains(why)), "{gone}: {doc}");
        assert_eq!(state(&env, &file)["state"], "whole");
        assert!(runs(service.fact("pid")));
        end(&env, &service);
    }
}

/// By somebody without any privilege, of a service of his own.
#[test]
fn without_privilege() {
    let Some(env) = TestEnv::without_programs("without_privilege", "scan", Some(65534)) else { return };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    let file = env.path("run/svc.tar");
    let out = env.killer(["capture", "-o", "json", "svc", "--memory=private", "--out", path(&file)]);
    let doc = out.json();
    out.ok();
    assert!(doc["manifest"]["doubts"].to_string().contains("not frozen"), "{doc}");
    assert_eq!(state(&env, &file)["state"], "whole");
    end(&env, &service);
}

/// Killed in the middle: the file can be read as far as it came, and the next call lets the set go on.
#[test]
fn killed_in_the_middle() {
    let Some(env) = TestEnv::reusing("killed_in_the_middle") else { return };
    let Some(service) = Launch::new("evidence-large").service(&env, "svc") else { return };
    let pid = service.fact("pid");
    let file = env.path("svc.tar");
    let running = held_up(&env, &file, &["--then=keep"]);
    assert_eq!(proc_state(pid), Some('T'));
    running.pidfd().signal(Signal::KILL);
    assert_eq!(running.finish(SOON).exit(), 137);
    let doc = state(&env, &file);
    assert!(
        doc["state"] == "incomplete" && doc["parts"].as_u64() > Some(1) && doc["service"] == "svc",
        "{doc}"
    );
    env.killer(["list"]).ok();
    assert!(runs(pid), "{:?}", proc_state(pid));
    end(&env, &service);
}

/// Interrupted: what was asked is done with the set, and the file says why it is not all.
#[test]
fn interrupted() {
    let Some(env) = TestEnv::reusing("interrupted") else { return };
    for (then, after) in [("thaw", "S"), ("keep", "T"), ("kill", "")] {
        let Some(service) = Launch::new("evidence-large").service(&env, "svc") else { return };
        let pid = service.fact("pid");
        let file = env.path(&format!("{then}.tar"));
        let running = held_up(&env, &file, &["--then", then]);
        running.assert_catches(Signal::INT);
        running.pidfd().signal(Signal::INT);
        let out = running.finish(SOON);
        out.code(130);
        assert!(out.stdout.contains("cut short"), "{out}");
        assert_eq!(state(&env, &file)["state"], "whole");
        if after.is_empty() {
            service.assert_dead();
        } else {
            let is = || proc_state(pid).is_some_and(|s| after.contains(s));
            assert!(eventually(SOON, is), "{then}: {:?}", proc_state(pid));
        }
        end(&env, &service);
    }
}

/// The time and the size are bounded; so is what is written then.
#[test]
fn bounds() {
    let Some(env) = TestEnv::reusing("bounds") else { return };
    let Some(service) = Launch::new("evidence-large").service(&env, "svc") else { return };
    let file = env.path("time.tar");
    let out = env.killer(["capture", "svc", "--memory=all", "--timeout=1s", "--out", path(&file)]);
    assert!(out.code(124).stdout.contains("--timeout"), "{out}");
    assert_eq!(state(&env, &file)["state"], "whole");
    assert!(runs(service.fact("pid")));
    end(&env, &service);
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    let file = env.path("size.tar");
    let out =
        env.killer(["capture", "-o", "json", "svc", "--most=600K", "--memory=all", "--out", path(&file)]);
    let doc = out.json();
    assert!(!left_out(&doc, "--most").is_empty(), "{doc}");
    assert_eq!(state(&env, &file)["state"], "whole");
    assert!(file.metadata().expect("the file").len() < 2 << 20);
    assert!(runs(service.fact("pid")));
    end(&env, &service);
}

#[test]
fn a_hundred_thousand_descriptors() {
    let Some(env) = TestEnv::reusing("a_hundred_thousand_descriptors") else { return };
    let launch = Launch::new("evidence-descriptors").arg("100000");
    let Some(service) = launch.service(&env, "svc") else { return };
    let file = env.path("svc.tar");
    // The last one is full when it is ready; others may not be.
    std::thread::sleep(Duration::from_secs(1));
    let out = env.killer(["capture", "-o", "json", "svc", "--out", path(&file)]);
    let doc = out.json();
    out.ok();
    println!("{:?}", out.took);
    assert!(left_out(&doc, "descriptor").is_empty(), "{doc}");
    assert_eq!(state(&env, &file)["state"], "whole");
    let bytes = std::fs::read(&file).expect("the file");
    let rows = bytes.windows(6).filter(|w| *w == b"{\"fd\":").count();
    assert!(rows > 100_000, "{rows}");
    end(&env, &service);
}

/// Nothing that a member writes reaches a terminal, or becomes the name of an entry.
#[test]
fn hostile_names() {
    everywhere("hostile_names", |env| {
        let dir = world(env);
        let Some(service) = Launch::new("evidence-names").arg(path(&dir)).service(env, "svc") else { return };
        let file = env.path("svc.tar");
        let _ = std::fs::remove_file(&file);
        let out = env.killer(["capture", "-v", "svc", "--memory=private", "--out", path(&file)]);
        out.ok();
        let clean = |text: &str| !text.chars().any(|c| c.is_control() && c != '\n');
        assert!(clean(&out.stdout) && clean(&out.stderr), "{out}");
        assert_eq!(state(env, &file)["state"], "whole");
        let mut archive = tar::Archive::new(std::fs::File::open(&file).expect("the file"));
        for e in archive.entries().expect("entries") {
            let mut e = e.expect("an entry");
            let name = e.path_bytes().into_owned();
            assert!(name.iter().all(|b| b.is_ascii_alphanumeric() || b"-._/".contains(b)), "{name:?}");
            if name.ends_with(b"ndjson") || name.ends_with(b"json") {
                let mut text = String::new();
                std::io::Read::read_to_string(&mut e, &mut text).expect("UTF-8");
                assert!(clean(&text), "{name:?}: {text:?}");
            }
        }
        // Nor the lines of other tools.
        let rest = [".body", ".ndjson"].map(|e| PathBuf::from(format!("{}{e}", path(&file))));
        rest.iter().for_each(|f| drop(std::fs::remove_file(f)));
        let out = env.killer(["capture", "--export", path(&file)]);
        assert!(clean(&out.ok().stdout), "{out}");
        let [body, events] = rest.map(|f| std::fs::read_to_string(f).expect("UTF-8"));
        assert!(clean(&body) && clean(&events));
        assert!(body.lines().count() > 3 && body.lines().all(|l| l.matches('|').count() == 10), "{body}");
        for line in events.lines() {
            let e: Value = serde_json::from_str(line).expect("JSON");
            assert!(["message", "datetime", "timestamp_desc"].iter().all(|k| e[k].is_string()), "{e}");
        }
        assert!(events.contains("Process Started") && events.contains("Capture Ended"), "{events}");
        env.killer(["capture", "--export", path(&file)]).error(1, &["could not be made"]);
        end(env, &service);
    });
}

/// Links, files and processes that change all the time, also where nobody can be frozen.
#[test]
fn restless() {
    everywhere("restless", |env| {
        let dir = world(env);
        let Some(service) = Launch::new("evidence-restless").arg(path(&dir)).service(env, "svc") else {
            return;
        };
        for n in 0..3 {
            let file = env.path(&format!("{n}.tar"));
            let _ = std::fs::remove_file(&file);
            let out = env.killer(["capture", "svc", "--memory=private", "--out", path(&file)]);
            assert!([0, 124].contains(&out.exit()), "{out}");
            assert_eq!(state(env, &file)["state"], "whole");
            let secret = std::fs::read("/etc/shadow").unwrap_or_default();
            let bytes = std::fs::read(&file).expect("the file");
            assert!(
                secret.len() < 16 || !bytes.windows(secret.len()).any(|w| w == secret),
                "a link was followed"
            );
        }
        end(env, &service);
    });
}

/// Two gigabytes are read, hashed and written beside other tests.
const LONG: Duration = Duration::from_secs(90);

/// A service that is killed while it is read, and one that is thawed by somebody else.
#[test]
fn others_meddle() {
    let Some(env) = TestEnv::reusing("others_meddle") else { return };
    let Some(service) = Launch::new("evidence-large").lease(400).service(&env, "svc") else { return };
    let file = env.path("killed.tar");
    let running = held_up(&env, &file, &["-o", "json"]);
    env.killer(["-KILL", "--wait", "svc"]).ok();
    service.assert_dead();
    let out = running.finish(LONG);
    let doc = out.json();
    assert!(!left_out(&doc, "ended").is_empty(), "{doc}");
    assert!(file.metadata().expect("the file").len() < 2 << 30, "zeros for what is gone");
    assert_eq!(state(&env, &file)["state"], "whole");
    env.killer(["forget", "svc"]).ok();

    let Some(service) = Launch::new("evidence-large").lease(400).service(&env, "svc") else { return };
    let file = env.path("thawed.tar");
    let running = held_up(&env, &file, &["-o", "json"]);
    env.killer(["thaw", "svc"]).ok();
    let out = running.finish(LONG);
    assert!(out.json()["manifest"]["doubts"].to_string().contains("by somebody else"), "{out}");
    assert!(runs(service.fact("pid")));

    let file = env.path("frozen.tar");
    let running = held_up(&env, &file, &["-o", "json"]);
    env.killer(["freeze", "svc"]).ok();
    let out = running.finish(LONG);
    assert_eq!(out.json()["then"], "kept", "{out}");
    assert_eq!(proc_state(service.fact("pid")), Some('T'));
    end(&env, &service);
}

/// A file that is there, or a link, is never written to; then nothing is frozen.
#[test]
fn places_that_are_refused() {
    let Some(env) = TestEnv::reusing("places_that_are_refused") else { return };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    let there = env.path("there.tar");
    std::fs::write(&there, "mine").expect("write");
    let link = env.path("link.tar");
    std::os::unix::fs::symlink(env.path("elsewhere"), &link).expect("a link");
    for place in [&there, &link, &env.path("no/such.tar")] {
        env.killer(["capture", "svc", "--out", path(place)])
            .error(1, &["could not be made", "nothing was frozen"]);
    }
    assert_eq!(std::fs::read(&there).expect("read"), b"mine");
    assert!(!env.path("elsewhere").exists());
    let zst = env.path("x.tar.gz");
    env.killer(["capture", "svc", "--out", path(&zst)]).error(2, &["Zstandard"]);
    env.killer(["capture", "nobody", "--out", path(&env.path("n.tar"))]).error(4, &["nobody"]);
    assert!(!env.path("n.tar").exists());
    assert!(runs(service.fact("pid")));
    env.killer(["-KILL", "--wait", "svc"]).ok();
    env.killer(["capture", "svc", "--out", path(&env.path("n.tar"))]).error(3, &["no live process"]);
    assert!(!env.path("n.tar").exists(), "an empty file is no use");
    service.assert_dead();
}

/// The disk is full in the middle: an error, and the set goes on.
#[test]
fn no_room_for_it() {
    let Some(env) = TestEnv::reusing("no_room_for_it") else { return };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    let small = env.path("small");
    std::fs::create_dir(&small).expect("a directory");
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs", path(&small)])
        .status();
    if !mounted.is_ok_and(|s| s.success()) {
        return killer_tests::skip(&env.test, "no tmpfs can be mounted");
    }
    let file = small.join("svc.tar");
    let out = env.killer(["capture", "svc", "--out", path(&file)]);
    let kill = env.killer(["capture", "svc", "--then=kill", "--out", path(&small.join("kill.tar"))]);
    let found = state(&env, &file);
    let _ = std::process::Command::new("umount").arg(&small).status();
    out.error(1, &["could not be written", "No space"]);
    kill.error(1, &["could not be"]);
    assert_eq!(found["state"], "incomplete");
    assert!(service.live.alive(), "a capture that was not written must not end it");
    end(&env, &service);
}

/// By anybody, without a tracker; hostile files, too.
#[test]
fn checked_by_anybody() {
    let Some(env) = TestEnv::reusing("checked_by_anybody") else { return };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    let file = env.path("svc.tar");
    env.killer(["capture", "svc", "--out", path(&file)]).ok();
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().expect("the file").permissions());
    assert_eq!(mode & 0o777, 0o600);
    end(&env, &service);
    let bytes = std::fs::read(&file).expect("the file");
    let Some(other) = TestEnv::without_programs("checked_by_anybody", "scan", Some(65534)) else { return };
    let check = |name: &str, bytes: &[u8]| {
        let place = other.path(name);
        std::fs::write(&place, bytes).expect("write");
        let out = other.killer(["verify-capture", "-o", "json", path(&place)]);
        (out.json()["state"].as_str().expect("a state").to_owned(), out)
    };
    assert_eq!(check("whole", &bytes).0, "whole");
    assert_eq!(check("cut", &bytes[..bytes.len() / 2]).0, "incomplete");
    let mut changed = bytes.clone();
    changed[bytes.len() / 2] ^= 1;
    let (state, out) = check("changed", &changed);
    assert_eq!(state, "changed", "{out}");
    out.code(1);
    assert_eq!(check("empty", b"").0, "none");
    assert_eq!(check("zeros", &[0; 4096]).0, "none");
    other.killer(["capture", "--export", path(&other.path("changed"))]).error(1, &["changed"]);
    other.killer(["capture", "--export", path(&other.path("zeros"))]).error(1, &["begin"]);
    let words = other.killer(["verify-capture", path(&other.path("changed"))]);
    assert!(words.code(1).stdout.starts_with("changed: "), "{words}");
    let out = other.killer(["verify-capture", "--sha256=00", path(&other.path("whole"))]);
    assert!(out.code(1).stdout.contains("digest"), "{out}");
    other.killer(["verify-capture", path(&other.path("none"))]).error(1, &["cannot be read"]);
    let mut piped = other.command();
    piped.args(["verify-capture", "-"]).stdin(std::fs::File::open(other.path("whole")).expect("open"));
    other.finish(piped).ok();
}

//! Receipts: every kill leaves a line, and a line that was changed, removed or put in is found.

mod ends;
mod keys;
mod places;
mod tamper;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use killer_tests::{Launch, Out, Service, TestEnv, everywhere, killer};
use serde_json::Value;

/// The files of the ledger, oldest first.
fn files(env: &TestEnv) -> Vec<PathBuf> {
    let dir = fs::read_dir(env.receipts()).into_iter().flatten().flatten().map(|e| e.path());
    let mut found: Vec<PathBuf> = dir.filter(|p| p.extension().is_some_and(|e| e == "ndjson")).collect();
    // The current one has no number.
    found.sort_by_key(|p| (p.file_name().is_some_and(|n| n == "receipts.ndjson"), p.clone()));
    found
}

fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_inclusive('\n').map(str::to_owned).collect()
}

/// Every whole line of all files.
fn all(env: &TestEnv) -> Vec<Value> {
    let text = files(env).iter().flat_map(|f| lines(f)).collect::<Vec<_>>();
    text.iter().filter_map(|l| serde_json::from_str(l).ok()).collect()
}

fn current(env: &TestEnv) -> PathBuf {
    env.receipts().join("receipts.ndjson")
}

/// A service that takes any signal, and `n` receipts of signals to it.
fn some(env: &TestEnv, n: usize) -> Option<Service> {
    let service = Launch::new("term-ignored").service(env, "svc")?;
    for _ in 0..n {
        env.killer(["-s", "WINCH", "svc"]).ok().silent();
    }
    Some(service)
}

fn verify(env: &TestEnv, more: &[&str]) -> Out {
    env.killer([&["receipts", "--verify"], more].concat())
}

#[track_caller]
fn head(env: &TestEnv) -> String {
    verify(env, &["-o", "json"]).ok().json()["head"].as_str().expect("a head").to_owned()
}

#[test]
fn every_kill_has_a_line() {
    everywhere("every_kill_has_a_line", |env| {
        let Some(service) = Launch::new("plain").service(env, "svc") else { return };
        for args in [
            &["-n", "svc"][..],
            &["-s", "0", "svc"],
            &["-s", "WINCH", "--no-receipt", "svc"],
            &["-s", "WINCH", "--receipt=no", "svc"],
        ] {
            let kept = &env.killer([args, &["-o", "json"]].concat()).ok().json()["kept"];
            assert!(kept.is_null(), "{args:?}: {kept}");
        }
        env.killer(["-s", "KILL", "--max=0", "svc"]).code(1);
        assert_eq!(files(env), Vec::<PathBuf>::new());
        env.killer(["-s", "WINCH", "--whom=main", "svc"]).ok();
        let json = env.killer(["-s", "KILL", "-o", "json", "svc"]).ok().json();
        service.assert_dead();
        env.killer(["run", "--name", "two", "--detach", "--", "sleep", "60"]).ok();
        let stop = env.killer(["stop", "-o", "json", "two"]).ok().json();
        env.killer(["run", "--name", "job", "--kill-on-exit", "--", "sh", "-c", "sleep 60 & exit 0"]).ok();
        let kept = all(env);
        let forms: Vec<&str> = kept.iter().filter_map(|k| k["form"].as_str()).collect();
        assert_eq!(forms, ["signal", "signal", "stop", "kill-on-exit"], "{kept:?}");
        assert_eq!((&kept[1]["id"], &kept[2]["id"]), (&json["kept"]["id"], &stop["kept"]["id"]));
        let k = &kept[1];
        assert_eq!(
            (&k["signals"][0], &k["empty"], &k["outcome"]),
            (&"SIGKILL".into(), &json["empty"], &json["outcome"])
        );
        assert_eq!(k["processes"].as_array().map(Vec::len), json["targets"].as_array().map(Vec::len), "{k}");
        let first = &k["processes"][0];
        assert_eq!(
            (&first["got"][0]["result"], &first["end"]["state"]),
            (&"signalled".into(), &"ended".into()),
            "{k}"
        );
        assert_eq!(kept[0]["processes"][0]["end"]["state"], "unknown", "nobody has waited for it");
        // Who asked: this killer, and this test above it.
        let asked = &k["asked_by"];
        let above: Vec<u64> = asked["processes"]
            .as_array()
            .expect("processes")
            .iter()
            .filter_map(|p| p["pid"].as_u64())
            .collect();
        assert!(above.contains(&u64::from(std::process::id())), "{asked}");
        assert!(
            asked["processes"][0]["exe"]
                .as_str()
                .is_some_and(|e| Path::new(e) == killer().canonicalize().expect("a path")),
            "{asked}"
        );
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("a boot");
        assert_eq!(k["boot_id"], boot.trim());
        assert_eq!(k["program"]["objects"].as_str().map(str::len), Some(64));
        verify(env, &[]).ok();
        // Shown: all of them, one of them, and what is none.
        let list = env.killer(["receipts", "-o", "json"]).ok().json();
        assert_eq!(list["receipts"].as_array().map(Vec::len), Some(4), "{list}");
        let id = k["id"].as_str().expect("an id");
        assert_eq!(&env.killer(["receipts", "-o", "json", &id[..10]]).ok().json(), k);
        let shown = env.killer(["receipts", id]).ok().stdout.clone();
        assert!(shown.contains("got SIGKILL; ended") && shown.contains("Asked by"), "{shown}");
        assert!(env.killer(["receipts"]).ok().stdout.contains(id));
        env.killer(["receipts", "0123456789abcdef"]).error(4, &["no receipt"]);
        env.killer(["receipts", "svc"]).error(2, &["hexadecimal"]);
        let mode = |p: &Path| fs::metadata(p).expect("it is there").permissions().mode() & 0o777;
        assert_eq!((mode(&env.receipts()), mode(&current(env))), (0o700, 0o600));
    });
}

#[test]
fn hostile_names_stay_text() {
    let Some(env) = TestEnv::reusing("hostile_names_stay_text") else { return };
    let bad = "x\u{1b}[31m\n\",\"z";
    let program = env.path(bad);
    fs::copy("/bin/sleep", &program).expect("a program");
    let name = "svc\"}\u{e9}";
    let mut run = env.command();
    run.args(["run", "--name", name, "--detach", "--"]).arg(&program).arg("60");
    env.finish(run).ok();
    env.killer(["-s", "KILL", "--wait", name]).ok();
    let text = fs::read_to_string(current(&env)).expect("a ledger");
    assert_eq!(
        (text.matches('\n').count(), text.chars().filter(|c| c.is_control()).count()),
        (1, 1),
        "{text:?}"
    );
    let k = &all(&env)[0];
    assert_eq!(
        (k["service"].as_str(), k["processes"][0]["comm"].as_str()),
        (Some(name), Some(&*bad.chars().take(15).collect::<String>()))
    );
    let id = k["id"].as_str().expect("an id");
    for args in
        [&["receipts"][..], &["receipts", id], &["receipts", "-o", "json", id], &["receipts", "--verify"]]
    {
        let out = env.killer(args);
        assert!(!out.ok().stdout.chars().any(|c| c.is_control() && c != '\n'), "{out}");
    }
}

#[test]
fn words_that_contradict() {
    let Some(env) = TestEnv::reusing("words_that_contradict") else { return };
    env.killer(["--no-receipt", "--receipt=required", "svc"]).error(2, &["contradicts"]);
    env.killer(["--receipt=some", "svc"]).error(2, &["--receipt"]);
    env.killer(["receipts", "--new-key", "k", "-o", "json"]).error(2, &["no JSON"]);
    env.killer(["receipts", "--new-key", "k", "--verify"]).error(2, &["--new-key"]);
    env.killer(["receipts", "--dir", "/no/such/place"]).error(1, &["no receipts can be read"]);
}

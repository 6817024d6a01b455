//! Who has escaped: judged by what the first process was at the start, whatever it has become, and when it has ended.

use killer_tests::{Launch, Service, TestEnv, eventually, everywhere, find, killer, names_pid, pids};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One worker that leaves its session, the oldest, and two that stay; then the first process does what `$2` says.
const WORKERS: &str = r#"
    setsid sleep 50 & c=$!
    sleep 50 & a=$!; sleep 50 & b=$!
    while [ "$(cut -d' ' -f6 /proc/$c/stat)" != $c ]; do sleep 0.02; done
    echo ready pid=$$ a=$a b=$b c=$c >"$1"; eval "$2""#;

fn chosen(env: &TestEnv, whom: &str) -> BTreeSet<i32> {
    let out = env.killer(["-n", "-o", "json", &format!("--whom={whom}"), "svc"]);
    pids(&find(&out.json(), &["targets"]).cloned().unwrap_or_default()).into_iter().collect()
}

/// Who is shown as having left something, and what.
fn left(nodes: &Value) -> Vec<(i64, String)> {
    let mut found = Vec::new();
    for n in nodes.as_array().expect("nodes") {
        if n["alive"] == true && n["escaped"] != serde_json::json!([]) {
            found.push((n["pid"].as_i64().expect("pid"), n["escaped"].to_string()));
        }
        found.extend(left(&n["children"]));
    }
    found.sort();
    found
}

fn missed(verify: &Value, way: &str) -> BTreeSet<i32> {
    let ways = verify["ways"].as_array().expect("ways");
    let it = ways.iter().find(|w| w["way"] == way).unwrap_or_else(|| panic!("no {way}: {verify}"));
    pids(&it["missed"]).into_iter().collect()
}

/// `c` has left session and group, `more` has left them, too, nobody else has.
#[track_caller]
fn judged(env: &TestEnv, service: &Service, more: &[i32]) {
    let mut escaped: BTreeSet<i32> = more.iter().copied().collect();
    escaped.insert(service.fact("c"));
    let all = chosen(env, "all");
    assert!(all.is_superset(&BTreeSet::from(["a", "b", "c"].map(|k| service.fact(k)))), "{all:?}");
    assert_eq!(chosen(env, "escaped"), escaped, "{}", env.killer(["tree", "svc"]));
    assert_eq!(chosen(env, "!escaped"), all.difference(&escaped).copied().collect());
    let tree = env.killer(["tree", "-o", "json", "svc"]).ok().json();
    let want: Vec<(i64, String)> =
        escaped.iter().map(|p| (i64::from(*p), r#"["session","process group"]"#.to_owned())).collect();
    assert_eq!(left(&tree["tree"]), want, "{tree}");
    let verify = env.killer(["verify", "-o", "json", "svc"]).json();
    for way in ["session", "process group"] {
        assert_eq!(missed(&verify, way), escaped, "{way}: {verify}");
    }
}

#[track_caller]
fn end(env: &TestEnv, service: &Service) {
    env.killer(["-KILL", "--wait", "svc"]).ok();
    service.assert_dead();
    env.killer(["forget", "svc"]).ok();
}

#[test]
fn when_the_main_process_has_ended() {
    everywhere("when_the_main_process_has_ended", |env| {
        for how in ["exit 0", "exit 3", "kill -KILL $$"] {
            let Some(service) = Launch::shell(WORKERS).arg(how).service(env, "svc") else { return };
            let gone = || !chosen(env, "all").contains(&service.fact("pid"));
            assert!(eventually(Duration::from_secs(10), gone), "the first process stays");
            judged(env, &service, &[]);
            // By name, and nobody else.
            env.killer(["-KILL", "--whom=escaped", "--wait", "svc"]).ok();
            assert_eq!(chosen(env, "all"), BTreeSet::from(["a", "b"].map(|k| service.fact(k))));
            end(env, &service);
        }
    });
}

/// The first process of a foreground `run` leads no session: it can leave the caller's, and then it is who has left.
#[test]
fn when_the_main_process_has_left() {
    everywhere("when_the_main_process_has_left", |env| {
        let leaves = r#"exec setsid sh -c "sleep 50 & echo >\"$3\"; wait""#;
        let done = env.path("left");
        let _ = std::fs::remove_file(&done);
        let launch = Launch::shell(WORKERS).arg(leaves).arg(done.to_string_lossy());
        let Some((running, service)) = launch.foreground(env, "svc") else { return };
        assert!(eventually(Duration::from_secs(10), || done.exists()), "it never left");
        let below = i64::from(service.fact("pid"));
        let tree = env.killer(["tree", "-o", "json", "svc"]).json();
        let main = &tree["tree"].as_array().expect("nodes").iter().find(|n| n["pid"] == below).expect("main")
            ["children"];
        let known = ["a", "b", "c"].map(|k| i64::from(service.fact(k)));
        let kids: Vec<i64> =
            main.as_array().expect("children").iter().filter_map(|n| n["pid"].as_i64()).collect();
        let new = kids.iter().find(|p| !known.contains(p)).expect("its own child");
        judged(env, &service, &[service.fact("pid"), *new as i32]);
        env.killer(["-KILL", "--wait", "svc"]).ok();
        running.finish(Duration::from_secs(10));
        service.assert_dead();
        env.killer(["forget", "svc"]).ok();
    });
}

/// As it was when it was taken in.
#[test]
fn of_an_adopted_one() {
    everywhere("of_an_adopted_one", |env| {
        let it =
            Launch::shell(WORKERS).arg("trap 'exit 0' USR1; while :; do sleep 0.1 & wait; done").own_group();
        let Some(it) = it.direct(&env.test) else { return };
        let fact = |key: &str| -> i32 {
            let words = it.facts.iter().flat_map(|f| f.split_whitespace());
            let found =
                words.filter_map(|w| w.strip_prefix(key)?.strip_prefix('=')).find_map(|v| v.parse().ok());
            found.unwrap_or_else(|| panic!("no {key} in {:?}", it.facts))
        };
        let out = env.killer(["adopt", "svc", "--pid", &it.pid().to_string()]);
        if out.exit() == 1 {
            return killer_tests::skip(&env.test, "this tier cannot adopt");
        }
        let c = BTreeSet::from([fact("c")]);
        assert_eq!(chosen(env, "escaped"), c);
        env.killer(["-s", "USR1", "--whom=main", "svc"]).ok();
        let gone = || !chosen(env, "all").contains(&it.pid());
        assert!(eventually(Duration::from_secs(10), gone), "the first process stays");
        assert_eq!(chosen(env, "escaped"), c, "{}", env.killer(["tree", "svc"]));
        assert!(chosen(env, "!escaped").is_superset(&BTreeSet::from([fact("a"), fact("b")])));
        env.killer(["-KILL", "--wait", "svc"]).ok();
        env.killer(["forget", "svc"]).ok();
    });
}

/// Into another cgroup, when the main process has ended: who stays has left nothing.
#[test]
fn of_a_cgroup() {
    let Some(mut env) = TestEnv::reusing("of_a_cgroup") else { return };
    let Some(dir) = env.cgroup() else { return killer_tests::skip(&env.test, "no cgroup v2") };
    let Some(service) = Launch::shell(WORKERS).arg("exit 0").service(&env, "svc") else { return };
    let gone = || !chosen(&env, "all").contains(&service.fact("pid"));
    assert!(eventually(Duration::from_secs(10), gone), "the first process stays");
    let moved = service.fact("b");
    std::fs::write(dir.join("cgroup.procs"), moved.to_string()).expect("another cgroup");
    assert_eq!(chosen(&env, "escaped"), BTreeSet::from([moved, service.fact("c")]));
    let text = env.killer(["tree", "svc"]).ok().stdout.clone();
    let line = text.lines().find(|l| names_pid(l, moved)).unwrap_or_default();
    assert!(line.contains("left its cgroup") && text.matches("left its").count() == 2, "{text}");
    end(&env, &service);
}

/// One worker in each namespace that this kernel lets a worker have, `mount=PID` and so on, and two in the service's own.
const APART: &str = r#"
    facts="pid=$$"
    for one in mount:mnt net:net user:user ipc:ipc uts:uts cgroup:cgroup; do
        unshare --${one%:*} true 2>/dev/null || continue
        unshare --${one%:*} sleep 50 & p=$!
        while [ "$(readlink /proc/$p/ns/${one#*:})" = "$(readlink /proc/$$/ns/${one#*:})" ]; do sleep 0.02; done
        facts="$facts ${one%:*}=$p"
    done
    sleep 50 & a=$!; setsid sleep 50 & c=$!
    while [ "$(cut -d' ' -f6 /proc/$c/stat)" != $c ]; do sleep 0.02; done
    echo ready $facts a=$a c=$c >"$1"; eval "$2""#;

/// Of whom it is said which namespaces, of a worker's key or of another process.
fn apart(service: &Service, nodes: &Value) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for n in nodes.as_array().expect("nodes") {
        let spaces = &n["other_namespaces"];
        if n["alive"] == true && *spaces != serde_json::json!([]) {
            let pid = n["pid"].to_string();
            let words = service.facts.iter().flat_map(|f| f.split_whitespace());
            let key = words
                .filter_map(|w| w.split_once('='))
                .find(|(_, v)| *v == pid)
                .map(|(key, _)| key.to_owned());
            found.insert(key.unwrap_or(pid), spaces.clone());
        }
        found.extend(apart(service, &n["children"]));
    }
    found
}

/// Another namespace is told, by what the first process had at the start, and is no escape but for the PID namespace.
#[test]
fn of_namespaces() {
    everywhere("of_namespaces", |env| {
        for how in ["wait", "exit 0"] {
            let Some(service) = Launch::shell(APART).arg(how).service(env, "svc") else { return };
            let stays = || chosen(env, "all").contains(&service.fact("pid"));
            assert!(
                how == "wait" || eventually(Duration::from_secs(10), || !stays()),
                "the first process stays"
            );
            let tree = env.killer(["tree", "-o", "json", "svc"]).ok().json();
            let found = apart(&service, &tree["tree"]);
            let words = ["mount", "network", "user", "IPC", "UTS", "cgroup"]
                .map(|n| serde_json::json!([format!("{n} namespace")]));
            let keys = ["mount", "net", "user", "ipc", "uts", "cgroup"];
            let has = |key: &str| service.facts.iter().any(|f| f.contains(&format!(" {key}=")));
            let want =
                keys.iter().zip(words).filter(|(k, _)| has(k)).map(|(k, w)| ((*k).to_owned(), w)).collect();
            assert_eq!(found, want, "{how}: {tree}");
            assert!(!found.is_empty(), "this kernel has no namespaces at all");
            for (key, spaces) in &found {
                let said = format!("[in another {}]", spaces[0].as_str().expect("words"));
                for verb in ["tree", "status"] {
                    let text = env.killer([verb, "svc"]).ok().stdout.clone();
                    let line = text.lines().find(|l| names_pid(l, service.fact(key))).unwrap_or_default();
                    assert!(line.contains(&said), "{said}: {text}");
                }
            }
            // They are found by every way to end a service, as they were.
            assert_eq!(chosen(env, "escaped"), BTreeSet::from([service.fact("c")]), "{tree}");
            end(env, &service);
        }
    });
}

/// The PID namespace hides: numbers are others in it.
#[test]
fn of_a_pid_namespace() {
    everywhere("of_a_pid_namespace", |env| {
        let script = r#"
            unshare --pid --fork true 2>/dev/null || { echo skip no PID namespaces >"$1"; exit; }
            rm -f "$3"
            unshare --pid --fork sh -c 'read -r b rest </proc/self/stat; echo $b >"$0.new"; mv "$0.new" "$0"; exec sleep 50' "$3" &
            until [ -e "$3" ]; do sleep 0.02; done
            read -r b <"$3"
            echo ready pid=$$ b=$b >"$1"; eval "$2""#;
        for how in ["wait", "exit 0"] {
            let number = env.path("number");
            let launch = Launch::shell(script).arg(how).arg(number.to_string_lossy());
            let Some(service) = launch.service(env, "svc") else { return };
            let stays = || chosen(env, "all").contains(&service.fact("pid"));
            assert!(
                how == "wait" || eventually(Duration::from_secs(10), || !stays()),
                "the first process stays"
            );
            // The one that has written the file may not have ended yet.
            let b = BTreeSet::from([service.fact("b")]);
            assert!(eventually(Duration::from_secs(10), || chosen(env, "escaped") == b), "{how}");
            let tree = env.killer(["tree", "-o", "json", "svc"]).ok().json();
            assert_eq!(left(&tree["tree"]), [(service.fact("b").into(), r#"["PID namespace"]"#.to_owned())]);
            end(env, &service);
        }
    });
}

/// A service with a namespace of its own: who is in it is a way to look for it, and who left it is not found by that.
#[test]
fn of_a_service_with_its_own_namespace() {
    everywhere("of_a_service_with_its_own_namespace", |env| {
        let script = r#"
            sleep 50 & a=$!; nsenter --uts=/proc/$3/ns/uts sleep 50 & b=$!
            n=0
            while [ "$(readlink /proc/$b/ns/uts)" = "$(readlink /proc/$$/ns/uts)" ]; do
                n=$((n + 1)); [ $n -lt 200 ] || { echo skip no way back >"$1"; exit; }; sleep 0.02
            done
            echo ready pid=$$ a=$a b=$b >"$1"; eval "$2""#;
        for how in ["wait", "exit 0"] {
            let inner = env.command();
            let mut command = std::process::Command::new("unshare");
            command.arg("--uts").arg(inner.get_program()).args([
                "run",
                "--name",
                "svc",
                "--detach",
                "--keep-fds",
                "--",
            ]);
            command
                .envs(inner.get_envs().filter_map(|(k, v)| Some((k, v?))))
                .stdin(std::process::Stdio::null());
            let Some((running, service)) =
                Launch::shell(script).arg(how).arg(std::process::id().to_string()).under(env, command, "svc")
            else {
                return;
            };
            running.finish(Duration::from_secs(90)).ok();
            let stays = || chosen(env, "all").contains(&service.fact("pid"));
            assert!(
                how == "wait" || eventually(Duration::from_secs(10), || !stays()),
                "the first process stays"
            );
            let b = BTreeSet::from([service.fact("b")]);
            let verify = env.killer(["verify", "-o", "json", "svc"]).json();
            assert_eq!(missed(&verify, "UTS namespace"), b, "{verify}");
            let tree = env.killer(["tree", "-o", "json", "svc"]).ok().json();
            let want = BTreeMap::from([("b".to_owned(), serde_json::json!(["UTS namespace"]))]);
            assert_eq!(apart(&service, &tree["tree"]), want, "{tree}");
            end(env, &service);
        }
    });
}

/// In session 0: under an init that never calls `setsid`, and where the session's leader is outside the PID namespace.
#[test]
fn of_session_0() {
    let Some(env) = TestEnv::without_programs("of_session_0", "scan", None) else { return };
    let script = r#"
        "$0" run --name svc -- sh -c 'setsid sleep 50 & sleep 50 & wait' &
        until [ "$("$0" -n --whom=escaped svc 2>/dev/null | wc -l)" -gt 0 ]; do
            n=$((n + 1)); [ $n -lt 100 ] || exit 98; sleep 0.05
        done
        cut -d' ' -f6 /proc/self/stat >&2
        "$0" tree -o json svc; "$0" -q -KILL --wait svc; wait"#;
    let mut command = std::process::Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script]).arg(killer());
    command.envs(env.command().get_envs().filter_map(|(k, v)| Some((k, v?))));
    command.stdin(std::process::Stdio::null());
    let out = env.finish(command);
    if out.exit() == 1 && out.stderr.contains("unshare") {
        return killer_tests::skip(&env.test, out.stderr.trim());
    }
    assert!(out.stderr.starts_with("0\n"), "{out}");
    let ways: Vec<String> = left(&out.json()["tree"]).into_iter().map(|(_, ways)| ways).collect();
    assert_eq!(ways, [r#"["session","process group"]"#], "{out}");
}

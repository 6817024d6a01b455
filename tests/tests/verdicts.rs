//! What the journal, the record, the receipt and the terminal say of one order is one judgement, also where hooks are gone.

use killer_tests::{Launch, Out, Service, TestEnv, skip};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

/// A log daemon's socket, and `killer` in a mount namespace of its own in which that is `/dev/log`.
struct Log(UnixDatagram);

impl Log {
    fn new(env: &TestEnv) -> Log {
        let socket = UnixDatagram::bind(env.path("log.sock")).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
        Log(socket)
    }

    /// What one call of `killer` says, and the lines that it has logged.
    fn killer(&self, env: &TestEnv, args: &[&str]) -> (Out, Vec<String>) {
        self.under(env, &[], args)
    }

    /// The same, as another command starts it.
    fn under(&self, env: &TestEnv, by: &[&str], args: &[&str]) -> (Out, Vec<String>) {
        let script =
            "mount -t tmpfs none /dev && mknod /dev/null c 1 3 && ln -s \"$0\" /dev/log && exec \"$@\"";
        let killer = env.command();
        let mut command = std::process::Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", script]);
        command.arg(env.path("log.sock")).args(by).arg(killer.get_program()).args(args);
        command.envs(killer.get_envs().filter_map(|(k, v)| Some((k, v?))));
        let out = env.finish(command);
        let mut lines = Vec::new();
        let mut text = [0; 4096];
        while let Ok(n) = self.0.recv(&mut text) {
            lines.push(String::from_utf8_lossy(&text[..n]).into_owned());
        }
        (out, lines)
    }
}

/// One judgement: exit code, receipt and journal have the same word and number, journal and terminal the same sentence.
#[track_caller]
fn told(said: &(Out, Vec<String>), word: &str, code: i32) {
    let (out, lines) = said;
    let json = out.code(code).json();
    assert_eq!((&json["outcome"], &json["exit_code"]), (&word.into(), &code.into()), "{out}");
    let begin = "killer: 'svc': ";
    let sentence = out.stderr.lines().find_map(|l| l.strip_prefix(begin)).unwrap_or_else(|| panic!("{out}"));
    let line = format!("svc: {word} ({code}): {sentence}");
    let last = lines.last().unwrap_or_else(|| panic!("nothing in the journal: {out}"));
    assert!(last.contains(&line), "no '{line}' in {lines:?}\n{out}");
    assert_eq!(lines.iter().filter(|l| l.contains(&format!(": {word} ({code})"))).count(), 1, "{lines:?}");
}

fn without_hook(env: &TestEnv) -> Option<Service> {
    let service = Launch::new("plain").service(env, "svc")?;
    let link = env.pin_root.join("v1/links/on_exec");
    if !link.exists() {
        skip(&env.test, "this tier has no link of on_exec");
        return None;
    }
    std::fs::remove_file(link).expect("unpinning");
    Some(service)
}

/// The last judgement is what everybody says: exit code, terminal, receipt, journal, record.
#[test]
fn one_judgement() {
    for verb in [&["-s", "TERM"][..], &["-s", "KILL"], &["-s", "KILL", "--wait"], &["stop"], &["freeze"]] {
        let Some(env) = TestEnv::new("one_judgement").map(TestEnv::alone) else { return };
        let log = Log::new(&env);
        let Some(_service) = without_hook(&env) else { return };
        let args = [verb, &["-o", "json", "svc"]].concat();
        let said = log.killer(&env, &args);
        told(&said, "doubtful", 1);
        let (out, lines) = said;
        assert_eq!(out.stderr.matches("nobody knows").count(), 1, "{out}");
        let json = out.json();
        assert_eq!((&json["empty"], &json["exactness"]["exact"]), (&false.into(), &false.into()), "{out}");
        assert!(lines.iter().any(|l| l.contains("svc: Sent signal SIG")), "{lines:?}\n{out}");
        let last = lines.last().expect("lines");
        assert!(last.contains("nobody knows") && last.contains("on_exec"), "{lines:?}\n{out}");
        assert_eq!(lines.iter().filter(|l| l.contains("nobody knows")).count(), 1, "{lines:?}");
        if verb[0] == "freeze" {
            env.killer(["thaw", "svc"]);
            continue;
        }
        let status = env.killer(["status", "-o", "json", "svc"]);
        assert_eq!(status.json()["last_kill"]["exit_code"], 1, "{status}");
    }
}

/// Two members, one of another user, whom a caller without CAP_KILL may not signal.
const MIXED: &str = "setpriv --reuid=65534 --clear-groups sleep 60 & echo ready child=$! > $1; exec sleep 60";

/// Whatever the ending is.
#[test]
fn every_ending_is_told_alike() {
    let test = "every_ending_is_told_alike";
    let Some(env) = TestEnv::new(test).map(TestEnv::alone) else { return };
    let log = Log::new(&env);
    let json = |args: &[&'static str]| [args, &["-o", "json", "svc"]].concat();
    let Some(service) = Launch::new("term-ignored").service(&env, "svc") else { return };
    told(&log.killer(&env, &json(&["-s", "TERM", "--wait=10ms"])), "survivors", 124);
    told(&log.killer(&env, &json(&["stop", "--retry", "TERM/1"])), "survivors", 124);
    let interrupted = ["timeout", "--preserve-status", "-s", "INT", "1"];
    told(&log.under(&env, &interrupted, &json(&["-s", "TERM", "--wait"])), "interrupted", 130);
    told(&log.under(&env, &interrupted, &json(&["stop"])), "interrupted", 130);
    env.killer(["-KILL", "svc"]).ok();
    service.assert_dead();

    let weak = ["setpriv", "--bounding-set=-kill"];
    if !std::process::Command::new("setpriv").args(&weak[1..]).arg("true").status().is_ok_and(|s| s.success())
    {
        return skip(test, "no setpriv here");
    }
    let Some(service) = Launch::shell(MIXED).service(&env, "svc") else { return };
    std::thread::sleep(Duration::from_millis(300));
    told(&log.under(&env, &weak, &json(&["-s", "WINCH"])), "partial", 64);
    told(&log.under(&env, &weak, &json(&["-s", "WINCH", "--whom=!main"])), "not-permitted", 77);
    env.killer(["-KILL", "svc"]).ok();
    service.assert_dead();
}

/// Nobody is listed any more, and whoever was forked since the hook went is in no list: to have waited is no success.
#[test]
fn a_wait_that_cannot_know() {
    let Some(env) = TestEnv::new("a_wait_that_cannot_know").map(TestEnv::alone) else { return };
    let Some(_service) = without_hook(&env) else { return };
    env.killer(["-KILL", "svc"]).error(1, &["nobody knows"]);
    env.killer(["wait", "svc"]).error(1, &["nobody knows", "on_exec"]);
}

/// What went well is told in the journal as it was, and no judgement beside it; what did not is told there, too.
#[test]
fn what_the_journal_says() {
    for tier in [None, Some("named"), Some("scan")] {
        let test = "what_the_journal_says";
        let env = match tier {
            None => TestEnv::new(test).map(TestEnv::alone),
            Some(tier) => TestEnv::without_programs(test, tier, None),
        };
        let Some(env) = env else { continue };
        let log = Log::new(&env);
        let Some(service) = Launch::new("term-ignored").service(&env, "svc") else { continue };
        let (out, lines) = log.killer(&env, &["-s", "TERM", "--wait=10ms", "svc"]);
        out.code(124);
        assert!(
            lines.last().is_some_and(|l| l.contains("lives on") || l.contains("live on")),
            "{lines:?}\n{out}"
        );
        let (out, lines) = log.killer(&env, &["-s", "KILL", "svc"]);
        out.ok();
        let (kept, sent): (Vec<&String>, Vec<&String>) =
            lines.iter().partition(|l| l.contains(" Kept receipt "));
        assert_eq!(kept.len(), 1, "{lines:?}");
        assert!(!sent.is_empty() && sent.iter().all(|l| l.contains("Sent signal SIGKILL")), "{lines:?}");
        service.assert_dead();
    }
}

//! What the recorder leaves out, and what attacks it: it stays bounded, and says so.

use super::{LONG, exact, executed, few, line, recording, why};
use killer_tests::{Bystander, Launch, Out, eventually, pids};
use std::process::Command;

/// Ten thousand execs of one process take the place of eight, and nobody else's.
#[test]
fn exec_after_exec_is_bounded() {
    let Some(env) = recording("exec_after_exec_is_bounded", "all") else { return };
    let Some(other) = Launch::new("plain").direct(&env.test) else { return };
    let Some(storm) = Launch::new("exec-storm").service(&env, "svc") else { return };
    let child = storm.fact("child");
    let many = || line(&why(&env, child)).last().and_then(|l| l["executed_left_out"].as_u64()) > Some(100);
    assert!(eventually(LONG, many), "{}", why(&env, child));
    assert!(executed(&why(&env, child)).len() <= 8);
    assert!(!executed(&why(&env, other.pid())).is_empty());
    env.killer(["-s", "KILL", "svc"]).ok();
    storm.assert_dead();
}

/// Whatever is in names, arguments and paths: no control character comes to the terminal, and documents are whole.
#[test]
fn hostile_names() {
    use std::os::unix::ffi::OsStrExt;
    let Some(env) = recording("hostile_recorded_names", "all") else { return };
    let hostile = std::ffi::OsStr::from_bytes(b"\x1b[31m\n\xff\xfe\"\\");
    let dir = env.path("dir").join(hostile);
    std::fs::create_dir_all(&dir).expect("a directory");
    let program = dir.join(hostile);
    std::fs::copy("/bin/sleep", &program).expect("a copy");
    let mut child = Command::new(&program).arg("60").arg("0").current_dir(&dir).spawn().expect("it starts");
    let pid = child.id().to_string();
    assert!(eventually(LONG, || !executed(&why(&env, child.id() as i32)).is_empty()), "nothing is recorded");
    let text = env.killer(["why", &pid]);
    let json = env.killer(["why", "-o", "json", &pid]);
    let drawn: Vec<Out> =
        ["dot", "mermaid", "svg"].iter().map(|f| env.killer(["why", "-o", f, &pid])).collect();
    let _ = child.kill();
    let _ = child.wait();
    for out in drawn.iter().chain([&text]) {
        let bad = out.ok().stdout.chars().any(|c| c.is_control() && c != '\n');
        assert!(!bad && !out.stdout.contains('\u{1b}'), "{out}");
    }
    let last = executed(&json.ok().json()).pop().expect("an exec");
    assert!(last["directory"].as_str().is_some_and(|d| d.contains('\u{1b}')), "{last}");
}

/// A line of thousands that end behind themselves stays bounded, and who lives at its end is found from its beginning.
#[test]
fn a_long_line_is_bounded() {
    // All others of the host need places, too.
    let others = std::fs::read_dir("/proc").expect("/proc").count() * 2;
    let places = (512 + others).to_string();
    let Some(env) = few("a_long_line_is_bounded", "all", Some(&places)) else { return };
    let hop = env.path("hop");
    std::fs::write(&hop, "#!/bin/sh\nchmod 755 $0; [ $2 = 0 ] && { echo ready a=$$ > $1; exec sleep 300; }\n$0 $1 $(($2 - 1)) &\n").expect("a script");
    let Some(it) = Launch::shell("exec sh $2 $1 $3")
        .arg(hop.to_string_lossy())
        .arg((1500 + 2 * others).to_string())
        .direct(&env.test)
    else {
        return;
    };
    let last =
        why(&env, it.facts.iter().find_map(|f| f.split("a=").nth(1)?.trim().parse().ok()).expect("a number"));
    // The first ones and the last ones, and how many there were between.
    let known = line(&last);
    let between: Vec<u64> = known.iter().filter_map(|l| l["unknown_above"].as_u64()).collect();
    assert!(known.len() > 64 && between.len() == 1 && between[0] > 100, "{}: {between:?}", known.len());
    assert!(known.iter().any(|l| l["pid"] == it.pid()), "its first one is not known");
    for all in [&["--all"][..], &[]] {
        let pid = last["pid"].to_string();
        let text = env.killer([&["why", &pid][..], all].concat()).ok().stdout.clone();
        assert!(text.contains("in between are no longer known"), "{text}");
    }
    let nodes = env.killer(["metrics"]).ok().stdout.clone();
    let nodes = nodes.lines().find_map(|l| l.strip_prefix("killer_recorder_nodes ")?.parse::<f64>().ok());
    assert!(nodes.is_some_and(|n| n < 2000.0 + others as f64), "{nodes:?}");
    // The first one of the line has ended, and is known still.
    let first = it.pid();
    let taken = env.killer(["adopt", "svc", "--of", &first.to_string()]);
    assert!(taken.ok().stderr.contains("; exact"), "{taken}");
    env.killer(["-s", "KILL", "svc"]).ok();
    assert!(it.live.eof_within(LONG), "the last one lives");
}

/// Chains that fork and end as fast as they may: all are taken in, or it is said that they may not be.
#[test]
fn chains_are_taken_in_or_it_is_said() {
    let Some(env) = recording("chains_are_taken_in_or_it_is_said", "all") else { return };
    let Some(chains) = Launch::new("chains").arg("4").lease(20).nanny().direct(&env.test) else { return };
    let taken = env.killer(["adopt", "svc", "--of", &chains.pid().to_string()]);
    let whole = taken.exit() == 0 && exact(&env, "svc")["exact"] == true;
    env.killer(["-s", "KILL", "svc"]);
    // Those that were not taken in end by themselves.
    let within = if whole { LONG } else { 4 * LONG };
    assert!(chains.live.eof_within(within), "exact: {whole}, and one lives");
}

/// A process that calls itself like another one, by its first argument and by its name, is not taken for it.
#[test]
fn a_name_is_no_proof() {
    let Some(env) = recording("a_name_is_no_proof", "all") else { return };
    let dir = env.path("names");
    std::fs::create_dir(&dir).expect("a directory");
    let (real, fake) = (dir.join("sleep"), dir.join("other/sleep"));
    std::fs::create_dir(dir.join("other")).expect("a directory");
    std::fs::copy("/bin/sleep", &real).expect("a copy");
    std::fs::copy("/bin/sleep", &fake).expect("a copy");
    let named = |path: &std::path::Path| {
        use std::os::unix::process::CommandExt;
        // Its name for itself is the real one's path, whichever it is.
        Command::new(path).arg0(&real).arg("60").spawn().expect("it starts")
    };
    let (mut is, mut pretends) = (named(&real), named(&fake));
    // The kernel lets go of whoever waits for an exec before it is over.
    let are_there = || [&is, &pretends].iter().all(|p| !executed(&why(&env, p.id() as i32)).is_empty());
    assert!(eventually(LONG, are_there), "nothing is recorded");
    env.killer(["adopt", "svc", "--of", &real.to_string_lossy()]).ok();
    let tree = env.killer(["tree", "-o", "json", "svc"]).ok().json();
    assert_eq!(pids(&tree), [is.id() as i32].into(), "{tree}");
    let known = why(&env, pretends.id() as i32);
    assert_eq!(
        (&known["member"], &executed(&known)[0]["file"]["path"]),
        (&false.into(), &fake.to_string_lossy().into())
    );
    env.killer(["-s", "KILL", "svc"]).ok();
    let _ = is.wait();
    assert!(pretends.try_wait().expect("a status").is_none(), "the other one was killed");
    let _ = pretends.kill();
    let _ = pretends.wait();
}

/// What had no place is counted, and said of every adoption after that.
#[test]
fn a_full_map_is_said() {
    let Some(env) = few("a_full_map_is_said", "all", Some("8")) else { return };
    let Some(it) = Launch::new("star").arg("30").direct(&env.test) else { return };
    let metrics = env.killer(["metrics"]).ok().stdout.clone();
    let lost = metrics
        .lines()
        .find_map(|l| l.strip_prefix("killer_recorder_lost_total{what=\"forks\"} ")?.parse::<f64>().ok());
    assert!(lost > Some(0.0), "{metrics}");
    env.killer(["adopt", "svc", "--pid", &it.pid().to_string()]).ok();
    assert_eq!(exact(&env, "svc")["exact"], false);
    let doctor = env.killer(["doctor"]).stdout.clone();
    assert!(doctor.contains("forks had no place"), "{doctor}");
    let later = Bystander::new(&env.test);
    let whose = env.killer(["why", &later.pid().to_string()]);
    assert!(whose.code(1).stderr.contains("forks had no place"), "{whose}");
    env.killer(["-s", "KILL", "svc"]).ok();
    assert!(it.live.eof_within(LONG), "one lives");
}

/// Somebody takes its hooks away: nothing is called exact by it, and it is said.
#[test]
fn hooks_that_are_gone_are_said() {
    let Some(env) = recording("recorder_hooks_that_are_gone", "all") else { return };
    let Some(it) = Launch::new("plain").direct(&env.test) else { return };
    std::fs::remove_file(env.pin_root.join("v1/recorder/on_record_fork")).expect("a link");
    env.killer(["adopt", "svc", "--pid", &it.pid().to_string()]).ok();
    assert_eq!(exact(&env, "svc")["exact"], false);
    let doctor = env.killer(["doctor"]).stdout.clone();
    assert!(doctor.contains("hooks are gone"), "{doctor}");
    env.killer(["-s", "KILL", "svc"]).ok();
    assert!(it.live.eof_within(LONG), "it lives");
    // What happened meanwhile is not known, so nothing from before is believed when it goes on.
    let Some(before) = Launch::new("plain").direct(&env.test) else { return };
    let again = env.killer(["up", "--lineage=all"]);
    assert!(again.ok().stderr.contains("forgotten"), "{again}");
    let Some(since) = Launch::new("plain").direct(&env.test) else { return };
    for (it, name, is) in [(&before, "before", false), (&since, "since", true)] {
        env.killer(["adopt", name, "--pid", &it.pid().to_string()]).ok();
        assert_eq!(exact(&env, name)["exact"], is, "{name}: {}", exact(&env, name));
        env.killer(["-s", "KILL", name]).ok();
        assert!(it.live.eof_within(LONG), "{name} lives");
    }
}

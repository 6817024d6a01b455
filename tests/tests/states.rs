//! States of members' threads: what the kernel tells by a program, against what /proc says of the same threads.

use killer_common::states::Thread;
use killer_tests::{Launch, Objects, Out, Service, TestEnv, eventually, skip};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// By the kernel's word, or by /proc alone.
fn by(env: &TestEnv, source: &str, args: &[&str]) -> Out {
    let mut command = env.command();
    command.env("KILLER_STATES", source).args(args);
    env.finish(command)
}

/// A line that says the same of a thread, whichever of both it comes from.
fn line(letter: char, flags: u32, own: u64, group: u64, threads: u32) -> String {
    format!("{letter} {flags:#x} {own:#x} {group:#x} of {threads}")
}

fn told(t: &Thread) -> String {
    line(t.letter(), t.flags, t.own, t.group, t.threads)
}

/// Of a thread, by its directory in /proc.
fn in_proc(dir: &Path) -> Option<String> {
    let stat = std::fs::read_to_string(dir.join("stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let status = std::fs::read_to_string(dir.join("status")).ok()?;
    let mask = |name| {
        let text = status.lines().find_map(|l| l.strip_prefix(name))?;
        u64::from_str_radix(text.trim(), 16).ok()
    };
    let letter = fields[0].chars().next()?;
    Some(line(letter, fields[6].parse().ok()?, mask("SigPnd:")?, mask("ShdPnd:")?, fields[17].parse().ok()?))
}

/// Directories of a process's threads.
fn threads(pid: &u32) -> Vec<PathBuf> {
    let dir = std::fs::read_dir(format!("/proc/{pid}/task"));
    dir.into_iter().flatten().flatten().map(|e| e.path()).collect()
}

/// What both say of every thread of these processes, and the letters that were seen: equal, or the difference.
fn compare(told_all: &[Thread], pids: &BTreeSet<u32>) -> Result<BTreeSet<char>, String> {
    let ours = || told_all.iter().filter(|t| pids.contains(&t.tgid));
    let kernel: BTreeMap<u32, String> = ours().map(|t| (t.tid, told(t))).collect();
    let tid = |dir: &PathBuf| dir.file_name()?.to_str()?.parse().ok();
    let dirs = pids.iter().flat_map(threads);
    let proc: BTreeMap<u32, String> = dirs.filter_map(|d| Some((tid(&d)?, in_proc(&d)?))).collect();
    match kernel == proc && ours().count() == kernel.len() {
        true => Ok(ours().map(Thread::letter).collect()),
        false => Err(format!("the kernel: {kernel:?}\n/proc: {proc:?}")),
    }
}

/// Every thread of each kind of process: asleep, running, stopped, traced, in a vfork, dead with others alive; held still, and not.
#[test]
fn the_kernel_and_proc_say_the_same() {
    let Some(env) = TestEnv::new("the_kernel_and_proc_say_the_same") else { return };
    let shell = Launch::shell("while :; do :; done & wait").quiet();
    let kinds = ["self-stopped", "ptraced", "vfork", "leader-exits", "thread-storm", "io-uring"];
    let launched = kinds.into_iter().map(|k| (k, Launch::new(k))).chain([("spin", shell)]);
    let services: Vec<(&str, Service)> =
        launched.filter_map(|(name, launch)| Some((name, launch.service(&env, name)?))).collect();
    let objects = Objects::new(&env.pin_root);
    by(&env, "kernel", &["freeze", "vfork"]);
    if objects.states().is_none() {
        return skip(&env.test, "this tier has no program that tells states, or the kernel does not take it");
    }
    by(&env, "kernel", &["thaw", "vfork"]).ok();
    let mut letters = BTreeSet::new();
    for frozen in [false, true] {
        for (name, _) in &services {
            if frozen {
                // One whose tracer holds it may be named.
                by(&env, "kernel", &["freeze", name]);
            }
            let status = env.killer(["status", "-o", "json", name]).json();
            let pids: BTreeSet<u32> = killer_tests::pids(&status).into_iter().map(|p| p as u32).collect();
            assert!(!pids.is_empty(), "{name}: {status}");
            let mut last = Err(String::new());
            let same = eventually(Duration::from_secs(10), || {
                last = compare(&objects.states().expect("the program"), &pids);
                last.is_ok()
            });
            // Threads that come and go are never the same twice.
            assert!(same || name == &"thread-storm" && !frozen, "{name}, frozen: {frozen}: {last:?}");
            letters.extend(last.unwrap_or_default());
            // The word for it is the same, too.
            let held = ["kernel", "proc"].map(|s| by(&env, s, &["status", "-o", "json", name]).json());
            assert_eq!(held[0]["state"], held[1]["state"], "{name}");
            assert_eq!(held[0]["frozen"]["awake"], held[1]["frozen"]["awake"], "{name}");
        }
    }
    for letter in ['R', 'S', 'T', 't', 'D', 'Z'] {
        assert!(letters.contains(&letter), "no thread was in state {letter}: {letters:?}");
    }
    for (name, service) in services {
        env.killer(["-KILL", "--wait", name]).ok();
        service.assert_dead();
    }
}

/// The program is loaded when it is needed: for a service of many, when it is frozen or shown frozen.
#[test]
fn many_are_asked_of_the_kernel() {
    let Some(env) = TestEnv::new("many_are_asked_of_the_kernel") else { return };
    if std::env::var_os("KILLER_STATES").is_some() {
        return skip(&env.test, "KILLER_STATES is set");
    }
    let objects = Objects::new(&env.pin_root);
    let Some(few) = Launch::new("star").arg("10").service(&env, "few") else { return };
    let Some(many) = Launch::new("star").arg("200").service(&env, "many") else { return };
    if env.killer(["freeze", "few"]).exit() != 0 {
        return skip(&env.test, "this tier cannot freeze");
    }
    assert!(objects.states().is_none(), "ten are looked at in /proc");
    by(&env, "proc", &["freeze", "many"]).ok().silent();
    assert!(objects.states().is_none(), "it was not wanted");
    env.killer(["freeze", "many"]).ok().silent();
    let Some(told) = objects.states() else {
        return skip(&env.test, "this tier has no program that tells states, or the kernel does not take it");
    };
    let stopped = told.iter().filter(|t| t.letter() == 'T').count();
    assert!(told.len() == 212 && stopped == 212, "{stopped} of {} are stopped", told.len());
    for (name, service) in [("few", few), ("many", many)] {
        env.killer(["thaw", name]).ok().silent();
        env.killer(["-KILL", "--wait", name]).ok();
        service.assert_dead();
    }
}

/// Ages run on; everything else is compared byte for byte.
fn without_ages(text: &str) -> String {
    let mut parts = text.split("\"age_s\":");
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|p| p.trim_start_matches(|c: char| c.is_ascii_digit()));
    std::iter::once(first).chain(rest.map(str::to_owned)).collect::<Vec<_>>().join("\"age_s\":")
}

/// Programs are shown the same members, whether the kernel has told of their threads or `stat` of each was read.
#[test]
fn what_is_shown_is_the_same() {
    let Some(env) = TestEnv::new("what_is_shown_is_the_same") else { return };
    let kinds = ["self-stopped", "vfork", "leader-exits", "daemon", "pid-ns"].map(|k| (k, Launch::new(k)));
    // One with threads, one in a session of its own, one that is nobody's child any more, one of a long name.
    let script = "setsid sleep 300 & (sleep 301 &) ; exec -a 'of a (long) name' sleep 302 & wait";
    let shell = Launch::shell(script).quiet();
    let star = Launch::new("star").arg("100");
    let launched = kinds.into_iter().chain([("shell", shell), ("star", star)]);
    let services: Vec<(&str, Service)> =
        launched.filter_map(|(name, launch)| Some((name, launch.service(&env, name)?))).collect();
    for (name, service) in services {
        for verb in ["status", "tree"] {
            let mut last = [String::new(), String::new()];
            // One that is just being started is another one at the next look.
            let same = eventually(Duration::from_secs(10), || {
                last = ["kernel", "proc"].map(|s| by(&env, s, &["-o", "json", verb, name]).stdout);
                let [kernel, proc] = [0, 1].map(|i| without_ages(&last[i]));
                !kernel.is_empty() && kernel == proc
            });
            assert!(same, "{name}, {verb}:\n{}\n{}", last[0], last[1]);
        }
        env.killer(["-KILL", "--wait", name]).ok();
        service.assert_dead();
    }
}

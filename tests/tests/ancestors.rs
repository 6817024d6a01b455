//! Dead ancestors of who lives stay known, whatever else dies on the host; where they do not, it is said.

use killer_tests::{Launch, Objects, Service, TestEnv, eventually};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde_json::Value;
use std::time::Duration;

/// Three that end at once, and below them one that lives.
const ORPHAN: &str = "( ( ( sleep 60 & echo ready child=$! > $1 ) & ) & ) & exec sleep 60";
/// As many that fork and end as `$2` says, then `$3` is there.
const FLOOD: &str =
    "i=0; while [ $i -lt $2 ]; do ( : & ); i=$((i+1)); done; echo > $3.new; mv $3.new $3; exec sleep 60";
const NOT_KNOWN: &str = "[ancestors no longer known";

fn tree(env: &TestEnv, name: &str) -> Value {
    env.killer(["tree", "-o", "json", name]).ok().json()["tree"].clone()
}

/// The way from the top to a process: for each whether it lives, and how many above the first one are not known.
fn way(nodes: &Value, pid: i64) -> Option<(Vec<bool>, Option<u64>)> {
    nodes.as_array().expect("nodes").iter().find_map(|n| {
        let me = n["alive"].as_bool().expect("alive");
        let unknown = n.get("unknown_ancestors").and_then(Value::as_u64);
        if n["pid"].as_i64() == Some(pid) && me {
            return Some((vec![me], unknown));
        }
        let (mut below, none) = way(&n["children"], pid)?;
        assert_eq!(none, None, "ancestors are missing below a known one: {n}");
        below.insert(0, me);
        Some((below, unknown))
    })
}

/// This thread, and so all that it starts, runs on one processor; afterwards on those that it had.
struct Pinned(CpuSet);

impl Pinned {
    fn to(cpu: usize) -> Pinned {
        let all = sched_getaffinity(None).expect("the processors of this thread");
        let mut one = CpuSet::new();
        one.set(cpu);
        sched_setaffinity(None, &one).expect("one of them");
        Pinned(all)
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let _ = sched_setaffinity(None, &self.0);
    }
}

/// Others fork and end, as services of their own, until each of the dead that can be pushed out is: on every processor more
/// than the 128 that stay at hand there (F60), and then more than the whole map holds.
fn flood(env: &TestEnv) -> Option<Vec<Service>> {
    let all = sched_getaffinity(None).expect("the processors of this thread");
    let mut cpus: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| all.is_set(*cpu)).collect();
    let last = cpus.pop()?;
    let mut noisy = Vec::new();
    for (cpu, n) in cpus.into_iter().map(|cpu| (cpu, "300")).chain([(last, "4500")]) {
        let _there = Pinned::to(cpu);
        let (name, done) = (format!("noisy-{}", noisy.len()), env.path(&format!("flooded-{}", noisy.len())));
        let launch = Launch::shell(FLOOD).arg(n).arg(done.to_string_lossy()).quiet().nanny();
        noisy.push(launch.service(env, &name)?);
        assert!(eventually(Duration::from_secs(120), || done.exists()), "the flood takes too long");
    }
    Some(noisy)
}

/// Everything ends.
#[track_caller]
fn end(env: &TestEnv, quiet: &Service, noisy: &[Service]) {
    env.killer(["-KILL", "quiet", "noisy-*"]).ok();
    noisy.iter().chain([quiet]).for_each(Service::assert_dead);
}

#[track_caller]
fn survive_others(env: TestEnv) {
    let Some(quiet) = Launch::shell(ORPHAN).service(&env, "quiet") else { return };
    let orphan = i64::from(quiet.fact("child"));
    let known = Some((vec![true, false, false, false, true], None));
    let before = || way(&tree(&env, "quiet"), orphan) == known;
    assert!(eventually(Duration::from_secs(10), before), "{}", tree(&env, "quiet"));
    let Some(noisy) = flood(&env) else { return };
    assert_eq!(way(&tree(&env, "quiet"), orphan), known, "{}", tree(&env, "quiet"));
    let text = env.killer(["status", "quiet"]).ok().stdout.clone();
    assert_eq!((text.matches("[ended]").count(), text.contains(NOT_KNOWN)), (3, false), "{text}");
    // The last one takes its ancestors with it: they can be forgotten.
    let kept = || Objects::new(&env.pin_root).global().map_or(0, |g| g.ancestors);
    let all = kept();
    assert!(all >= 3, "{all}");
    env.killer(["-s", "KILL", &format!("--whom=subtree:{orphan}"), "quiet"]).ok();
    assert!(eventually(Duration::from_secs(10), || kept() + 3 <= all), "{} of {all} are kept", kept());
    end(&env, &quiet, &noisy);
}

#[test]
fn survive_the_dead_of_others() {
    let Some(env) = TestEnv::new("survive_the_dead_of_others") else { return };
    survive_others(env.alone());
}

#[test]
fn survive_the_dead_of_others_raw() {
    let Some(mut env) = TestEnv::new("survive_the_dead_of_others_raw") else { return };
    env.vars.push(("KILLER_TIER", "raw"));
    survive_others(env.alone());
}

/// With hardly any place for them: who is missing is counted, in every form.
#[test]
fn that_are_forgotten_are_counted() {
    let Some(mut env) = TestEnv::new("that_are_forgotten_are_counted") else { return };
    env.vars.push(("KILLER_MAP_ANCESTORS", "1"));
    let env = env.alone();
    let Some(quiet) = Launch::shell(ORPHAN).service(&env, "quiet") else { return };
    let orphan = i64::from(quiet.fact("child"));
    let Some(noisy) = flood(&env) else { return };
    let (alone, missing) = way(&tree(&env, "quiet"), orphan).expect("the orphan");
    let missing = missing.expect("ancestors are missing and it is not said") as usize;
    // The main process at the head, too: that it is one of them is no longer known.
    assert_eq!(alone.len() - 1 + missing, 4, "{}", tree(&env, "quiet"));
    let words = format!("{NOT_KNOWN}: {missing}]");
    for form in [&["tree"][..], &["status"], &["tree", "-o", "dot"]] {
        let text = env.killer([form, &["quiet"]].concat()).ok().stdout.clone();
        assert_eq!(text.matches(&words).count(), 1, "{form:?}: {text}");
    }
    let mermaid = env.killer(["tree", "-o", "mermaid", "quiet"]).ok().stdout.clone();
    assert!(mermaid.contains(&format!("ancestors no longer known: {missing}")), "{mermaid}");
    // Who is below whom cannot be asked about it any more, but about those below it it can.
    let main = tree(&env, "quiet")[0]["pid"].as_i64().expect("main");
    let of = |pid: i64| env.killer(["-s", "CONT", &format!("--whom=subtree:{pid}"), "quiet"]);
    of(main).error(64, &["1 member has ancestors that are no longer known"]);
    let json = env.killer(["-o", "json", "-s", "CONT", &format!("--whom=subtree:{main}"), "quiet"]);
    assert_eq!((json.exit(), &json.json()["outcome"]), (64, &"unsure".into()), "{json}");
    of(orphan).ok().silent();
    end(&env, &quiet, &noisy);
}

/// What a launcher within a service has started stands below it, also when it has ended.
#[test]
fn that_launched_an_inner_service() {
    let Some(env) = TestEnv::new("that_launched_an_inner_service") else { return };
    launched_inside(env.alone());
}

#[test]
fn that_launched_an_inner_service_raw() {
    let Some(mut env) = TestEnv::new("that_launched_an_inner_service_raw") else { return };
    env.vars.push(("KILLER_TIER", "raw"));
    launched_inside(env.alone());
}

#[track_caller]
fn launched_inside(env: TestEnv) {
    let script = "$2 run --name inner -- sleep 60 & echo ready launcher=$! > $1; exec sleep 60";
    let killer = killer_tests::killer().to_string_lossy().into_owned();
    let Some(outer) = Launch::shell(script).arg(killer).service(&env, "outer") else { return };
    let main = || {
        let out = env.killer(["status", "-o", "json", "inner"]);
        let status = serde_json::from_str::<Value>(&out.stdout).unwrap_or_default();
        status["main"]["pid"].as_i64()
    };
    assert!(eventually(Duration::from_secs(30), || main().is_some()), "no inner service");
    let inner = main().expect("main");
    let pid = rustix::process::Pid::from_raw(outer.fact("launcher")).expect("a number");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("the launcher");
    let below = Some((vec![true, false, true], None));
    let seen = || way(&tree(&env, "outer"), inner) == below;
    assert!(eventually(Duration::from_secs(10), seen), "{}", tree(&env, "outer"));
    // Within its own service nobody is above it.
    assert_eq!(way(&tree(&env, "inner"), inner), Some((vec![true], None)));
    env.killer(["-KILL", "outer"]).ok();
    outer.assert_dead();
}

/// Without programs nobody remembers the dead: that there were some is said.
#[track_caller]
fn not_remembered(tier: &'static str) {
    let Some(env) = TestEnv::without_programs(&format!("not_remembered_{tier}"), tier, None) else { return };
    let Some(quiet) = Launch::shell(ORPHAN).service(&env, "quiet") else { return };
    let orphan = i64::from(quiet.fact("child"));
    let said = || way(&tree(&env, "quiet"), orphan) == Some((vec![true], Some(0)));
    assert!(eventually(Duration::from_secs(10), said), "{}", tree(&env, "quiet"));
    let text = env.killer(["tree", "quiet"]).ok().stdout.clone();
    assert_eq!(text.matches("[ancestors no longer known]").count(), 1, "{text}");
    // Whoever is called main: the one that was started stands for itself.
    env.killer(["set-main", "quiet", &orphan.to_string()]).ok();
    assert_eq!(env.killer(["tree", "quiet"]).ok().stdout.matches(NOT_KNOWN).count(), 1);
    env.killer(["-KILL", "quiet"]).ok();
    quiet.assert_dead();
}

#[test]
fn not_remembered_named() {
    not_remembered("named");
}

#[test]
fn not_remembered_scan() {
    not_remembered("scan");
}

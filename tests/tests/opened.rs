//! What opens an instance, from where, by which user, and what a KILL does meanwhile.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use killer_tests::{Objects, RuledHost, eventually};
use rustix::process::Signal;

/// A pipe that everything below a command has open: its end says that all have ended.
fn oracle() -> (std::io::PipeReader, OwnedFd) {
    let (read, write) = std::io::pipe().expect("a pipe");
    (read, write.into())
}

fn all_end(read: std::io::PipeReader, most: Duration) -> bool {
    use std::io::Read;
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut read = read;
        let mut rest = Vec::new();
        let _ = read.read_to_end(&mut rest);
        let _ = tell.send(());
    });
    told.recv_timeout(most).is_ok()
}

fn command(program: &Path, word: &str, oracle: &OwnedFd) -> Command {
    let mut c = Command::new(program);
    c.arg(word).stdin(Stdio::null()).stderr(Stdio::null());
    c.stdout(oracle.try_clone().expect("a descriptor"));
    c
}

fn run(mut c: Command) -> bool {
    c.status().expect("a script that runs").success()
}

const DAEMON: &str = "[ \"$1\" = start ] && { setsid sleep 55 </dev/null 2>&1 & }; exit 0";

#[test]
fn a_script_opens_and_the_last_end_gives_the_slot_back() {
    let Some(h) = RuledHost::ruled("a_script_opens_and_the_last_end_gives_the_slot_back", &[]) else {
        return;
    };
    let web = h.script("web", DAEMON);
    let (read, write) = oracle();
    for word in ["start", "status", "stop"] {
        assert!(run(command(&web, word, &write)));
    }
    drop(write);
    assert_eq!((h.names(), h.figures()), (vec!["web".into()], (1, 0)));
    let json = h.killer(&["status", "-o", "json", "web"]).ok().json();
    assert!(json["exactness"]["exact"] == true || json.to_string().contains("\"exact\":true"), "{json}");
    h.killer(&["-KILL", "--who=all", "--wait", "web"]).ok();
    assert!(all_end(read, Duration::from_secs(10)), "survivors");
    assert!(eventually(Duration::from_secs(10), || h.figures() == (1, 1)), "{:?}", h.figures());
    assert!(h.names().is_empty(), "{:?}", h.names());
    // What ends at once is given back at once, as often as it is started.
    let once = h.script("once", "exit 0");
    let (_read, write) = oracle();
    for _ in 0..300 {
        assert!(run(command(&once, "start", &write)));
    }
    assert!(eventually(Duration::from_secs(10), || h.figures() == (301, 301)), "{:?}", h.figures());
}

#[test]
fn only_root_of_this_root_directory_opens() {
    let Some(h) = RuledHost::ruled("only_root_of_this_root_directory_opens", &[]) else { return };
    let web = h.script("web", DAEMON);
    let web = web.to_string_lossy();
    let by = |words: &[&str]| {
        let c = Command::new(words[0]).args(&words[1..]).stdin(Stdio::null()).status();
        c.is_ok_and(|s| s.success())
    };
    let by_nobody = |words: &[&str]| {
        let mut c = Command::new(words[0]);
        c.args(&words[1..]).stdin(Stdio::null()).uid(65534).gid(65534);
        c.status().is_ok_and(|s| s.success())
    };
    assert!(by_nobody(&[&web, "x"]));
    // Root of a user namespace of its own is another user to the kernel.
    by_nobody(&["unshare", "-Ur", &web, "x"]);
    assert_eq!(h.figures(), (0, 0), "{:?}", h.names());
    // Another root directory: the same file, and another host's service.
    let there = h.root.path().join("there");
    let text = format!(
        "mkdir -p {0} && mount -t tmpfs none {0} && cd {0} && mkdir -p run usr proc dev {1} && mount --rbind /usr usr && \
         for l in bin lib lib64 sbin; do [ -L /$l ] && ln -s usr/$l $l || {{ mkdir $l; mount --bind /$l $l; }}; done; \
         mount --bind {2}/etc/init.d {0}{2}/etc/init.d && chroot {0} {web} x",
        there.display(),
        format_args!(".{}/etc/init.d", h.root.path().display()),
        h.root.path().display(),
    );
    if by(&["unshare", "-m", "--propagation=private", "sh", "-c", &text]) {
        assert_eq!(h.figures(), (0, 0), "{:?}", h.names());
    }
    assert!(by(&[&web, "x"]));
    assert_eq!(h.figures().0, 1);
}

#[test]
fn from_where_a_service_moves_and_from_where_it_stays() {
    let Some(h) = RuledHost::ruled("from_where_a_service_moves_and_from_where_it_stays", &[]) else { return };
    let web = h.script("web", DAEMON);
    let web = web.to_string_lossy();
    // A plain run has promised every descendant.
    h.killer(&["run", "--detach", "--name", "ci", "--", "sh", "-c", &format!("{web} start; exec sleep 50")])
        .ok();
    let there = || h.killer(&["status", "-o", "json", "ci"]).json()["counts"]["processes"].as_u64();
    assert!(eventually(Duration::from_secs(10), || there() == Some(2)), "{:?}", there());
    assert_eq!((h.names(), h.figures()), (vec!["ci".into()], (0, 0)));
    h.killer(&["-KILL", "--wait", "ci"]).ok();
    // What was adopted, a login say, starts services that are its own no more.
    let trigger = h.root.path().join("trigger");
    let text = format!(
        "until [ -e {0} ]; do sleep 0.05; done; {web} start; {web} start; exec sleep 50",
        trigger.display()
    );
    let mut login = Command::new("sh").args(["-c", &text]).stdin(Stdio::null()).spawn().expect("sh");
    h.killer(&["adopt", "login", "--pid", &login.id().to_string()]).ok();
    std::fs::write(&trigger, "").expect("a file");
    assert!(eventually(Duration::from_secs(10), || h.figures().0 == 2), "{:?}", h.figures());
    h.killer(&["-KILL", "--wait", "login"]).ok();
    let _ = login.wait();
    // Both instances of it are the service, and end with it.
    assert!(h.names().contains(&"web".to_owned()), "{:?}", h.names());
    h.killer(&["-KILL", "--wait", "web"]).ok();
    assert!(eventually(Duration::from_secs(10), || h.figures() == (2, 2)), "{:?}", h.figures());
}

/// Without a free slot a service stays where it was started, and both say so.
#[test]
fn no_slot_left_is_said() {
    let Some(h) = RuledHost::ruled("no_slot_left_is_said", &[("KILLER_MAP_POOL", "0")]) else { return };
    let web = h.script("web", DAEMON);
    let trigger = h.root.path().join("trigger");
    let text = format!(
        "until [ -e {0} ]; do sleep 0.05; done; {1} start; exec sleep 50",
        trigger.display(),
        web.display()
    );
    let mut login = Command::new("sh").args(["-c", &text]).stdin(Stdio::null()).spawn().expect("sh");
    h.killer(&["adopt", "login", "--pid", &login.id().to_string()]).ok();
    std::fs::write(&trigger, "").expect("a file");
    let said = || h.killer(&["status", "-o", "json", "login"]).json().to_string().contains("rule-slots");
    assert!(eventually(Duration::from_secs(10), said), "{}", h.killer(&["status", "login"]));
    assert_eq!((h.names(), h.figures()), (vec!["login".into()], (0, 0)));
    h.killer(&["-KILL", "--wait", "login"]).ok();
    let _ = login.wait();
}

/// A command holds the slots that it looks at, and no longer than it takes: whether it succeeds, fails, or is interrupted. One that
/// was killed holds them for two seconds.
#[test]
fn a_command_lets_its_slots_go() {
    let Some(h) = RuledHost::ruled("a_command_lets_its_slots_go", &[]) else { return };
    let web = h.script("web", DAEMON);
    assert!(run(command(&web, "start", &oracle().1)));
    let held = || Objects::new(&h.env.pin_root).held();
    for (args, code) in [
        (&["list"][..], 0),
        (&["status", "web"], 0),
        (&["-s", "0", "web"], 0),
        (&["-CONT", "web", "nobody"], 4),
        (&["-KILL", "--dry-run", "web"], 0),
        (&["-s", "0", "--whom=9999999", "web"], 2),
        (&["tree", "web"], 0),
        (&["wait", "--timeout=0.2s", "web"], 124),
    ] {
        let out = h.killer(args);
        assert_eq!((out.exit(), held()), (code, vec![]), "{out}");
    }
    for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
        let mut command = h.env.command();
        command.args(["wait", "web"]);
        let waiting = h.env.spawn(command);
        waiting.assert_catches(Signal::INT);
        assert!(eventually(Duration::from_secs(5), || !held().is_empty()), "no hold");
        waiting.pidfd().signal(signal);
        waiting.finish(Duration::from_secs(5));
        let kept = !held().is_empty();
        assert_eq!(kept, signal == Signal::KILL, "after {signal:?}");
    }
    h.killer(&["-KILL", "--who=all", "--wait", "web"]).ok();
    assert!(eventually(Duration::from_secs(5), || held().is_empty()), "{:?}", held());
}

/// Two slots are enough for one service at a time, however often it is killed and started.
#[test]
fn slots_do_not_run_out_by_kills() {
    let Some(h) = RuledHost::ruled("slots_do_not_run_out_by_kills", &[("KILLER_MAP_POOL", "2")]) else {
        return;
    };
    let web = h.script("web", DAEMON);
    for _ in 0..20 {
        assert!(run(command(&web, "start", &oracle().1)));
        h.killer(&["-KILL", "--who=all", "--wait", "web"]).ok();
    }
    let g = Objects::new(&h.env.pin_root).global().expect("figures");
    let (opened, given_back) = (g.opened, g.given_back);
    assert_eq!((opened, given_back, g.rule_slots), (20, 20, 0), "opened, given back, no slots");
}

fn until(end: Instant, mut what: impl FnMut()) {
    while Instant::now() < end {
        what();
    }
}

/// Instances of the storm: `KILLER_STORM=3000` is the long run of docs/RULES.md.
fn storm() -> u64 {
    std::env::var("KILLER_STORM").ok().and_then(|n| n.parse().ok()).unwrap_or(150)
}

/// Outsiders start a service, its members restart it, and KILLs run against both; the last KILL leaves nobody. Another service is
/// started all the time, and one goes on: no KILL hits them.
#[test]
fn a_storm_of_restarts_leaves_nobody() {
    let Some(h) = RuledHost::ruled("a_storm_of_restarts_leaves_nobody", &[]) else { return };
    // Bounded: a chain restarts ten times, and what it leaves ends by itself.
    let again = "case $1 in start) [ ${2:-0} -lt 10 ] && setsid sh -c 'sleep 0.02; exec \"$0\" again $1' \"$0\" $((${2:-0} + 1)) </dev/null & \
                 setsid sleep 1 </dev/null & ;; again) exec \"$0\" start $2;; esac; exit 0";
    let (storm_at, calm) = (h.script("storm", again), h.script("calm", DAEMON));
    let other = h.script("other", "for i in 1 2; do sh -c :; done; exit 7");
    assert!(run(command(&calm, "start", &oracle().1)));
    let opened_before = h.figures().0;
    let began = Instant::now();
    let (read, write) = oracle();
    // What its own members have opened: all but what outsiders have started.
    let [others, starts_of_it, wrong, kills] = [const { AtomicU64::new(0) }; 4];
    let ended = Mutex::new(BTreeMap::<i32, u64>::new());
    let outside = || others.load(Ordering::Relaxed) + starts_of_it.load(Ordering::Relaxed);
    let restarts = || (h.figures().0 - opened_before).saturating_sub(outside());
    let limit = Duration::from_secs(if storm() > 150 { 3000 } else { 60 });
    let on = || restarts() < storm() && began.elapsed() < limit;
    std::thread::scope(|s| {
        s.spawn(|| {
            while on() {
                starts_of_it.fetch_add(1, Ordering::Relaxed);
                run(command(&storm_at, "start", &write));
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        s.spawn(|| {
            while on() {
                let out = h.killer(&["-KILL", "--who=all", "storm"]);
                *ended.lock().expect("codes").entry(out.exit()).or_insert(0) += 1;
                // At once, and when it has restarted some times.
                let n = kills.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(n % 8 * 20));
            }
        });
        s.spawn(|| {
            while on() {
                others.fetch_add(1, Ordering::Relaxed);
                let whole = starts(&other).and_then(|s| s.code()) == Some(7);
                wrong.fetch_add(u64::from(!whole), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(50));
            }
        });
    });
    drop(write);
    let (restarts, took) = (restarts(), began.elapsed());
    h.killer(&["-KILL", "--who=all", "--wait", "storm"]);
    assert!(all_end(read, Duration::from_secs(10)), "survivors: {}", h.killer(&["list"]));
    let figures = serde_json::json!({
        "restarts": restarts, "starts": starts_of_it, "others": others, "kills": kills, "wrong": wrong, "survivors": 0,
        "ended": *ended.lock().expect("codes"), "seconds": took.as_secs(),
        "without_slot": Objects::new(&h.env.pin_root).global().expect("figures").rule_slots,
    });
    println!("FIGURES storm {figures}");
    assert!(restarts >= storm(), "{restarts} of {} restarts in {took:?}", storm());
    assert_eq!(wrong.into_inner(), 0, "of the starts of another service");
    let calm = h.killer(&["status", "-o", "json", "calm"]).ok().json();
    assert_eq!(calm["counts"]["processes"], 1, "a service that nobody has killed: {calm}");
    h.killer(&["-KILL", "--wait", "calm"]).ok();
    assert!(eventually(Duration::from_secs(10), || h.figures().0 == h.figures().1), "{:?}", h.figures());
}

/// A service that executes its own script all the time is in another instance at each look; one KILL is enough.
#[test]
fn one_kill_ends_what_restarts_itself() {
    let Some(h) = RuledHost::ruled("one_kill_ends_what_restarts_itself", &[]) else { return };
    let again = "n=${2:-0}; [ $n -lt 40 ] || exit 0; setsid sleep 3 </dev/null & sleep 0.02; exec \"$0\" start $((n + 1))";
    let chain = h.script("chain", again);
    // Fewer instances than there are slots: those that a KILL has looked at are held for some seconds.
    for _ in 0..5 {
        let (read, write) = oracle();
        let before = h.figures().0;
        let mut child = command(&chain, "start", &write).spawn().expect("a script that runs");
        drop(write);
        assert!(eventually(Duration::from_secs(10), || h.figures().0 > before + 3), "{:?}", h.figures());
        h.killer(&["-KILL", "--who=all", "--wait", "chain"]).ok();
        let _ = child.wait();
        assert!(all_end(read, Duration::from_millis(1500)), "survivors: {}", h.killer(&["list"]));
    }
}

/// Slots change hands all the time; a KILL that is aimed at one service hits no start of another.
#[test]
fn two_slots_and_no_stranger() {
    let Some(h) = RuledHost::ruled("two_slots_and_no_stranger", &[("KILLER_MAP_POOL", "2")]) else { return };
    let short = "for i in 1 2; do sh -c :; done; exit 7";
    let (victim, other) = (h.script("victim", short), h.script("other", short));
    let end = Instant::now() + Duration::from_secs(6);
    let wrong = AtomicBool::new(false);
    let started = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|s| {
        s.spawn(|| until(end, || _ = starts(&victim)));
        s.spawn(|| until(end, || drop(h.killer(&["-KILL", "--who=all", "victim"]))));
        s.spawn(|| until(end, || drop(h.killer(&["-s", "0", "--who=all", "victim"]))));
        s.spawn(|| {
            until(end, || {
                started.fetch_add(1, Ordering::Relaxed);
                wrong.fetch_or(starts(&other).and_then(|s| s.code()) != Some(7), Ordering::Relaxed);
            });
        });
    });
    assert!(!wrong.load(Ordering::Relaxed), "a start of 'other' was killed, of {started:?}");
    assert!(eventually(Duration::from_secs(10), || h.figures().0 == h.figures().1), "{:?}", h.figures());
}

fn starts(program: &Path) -> Option<std::process::ExitStatus> {
    let child = Command::new(program).arg("start").stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    child.and_then(|mut c: Child| c.wait()).ok()
}

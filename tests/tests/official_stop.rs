//! `stop` goes the official way first: the script of the service, or its supervisor's command. What it runs is root's
//! alone and about these very processes, it may fail or hang, and whatever it leaves is ended all the same.

use killer_tests::{Launch, OwnPlaces, Pidfd, Service, TestEnv, eventually};
use rustix::process::Signal;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A host of the test's own: scripts, /run, and programs that come before the host's.
struct Host {
    places: OwnPlaces,
    scripts: PathBuf,
    run: PathBuf,
    programs: PathBuf,
}

fn program(at: &Path, text: &str) {
    std::fs::create_dir_all(at.parent().expect("a directory")).expect("directories");
    std::fs::write(at, format!("#!/bin/sh\n{text}\n")).expect("a script");
    std::fs::set_permissions(at, PermissionsExt::from_mode(0o755)).expect("a mode");
}

impl Host {
    fn new(env: &TestEnv) -> Option<Host> {
        if !Path::new("/etc/init.d").is_dir() {
            killer_tests::skip(&env.test, "this host has no /etc/init.d");
            return None;
        }
        let mut places = OwnPlaces::default();
        let scripts = places.put(env, "/etc/init.d");
        let (run, programs) = (places.put(env, "/run"), places.put(env, "/usr/local/sbin"));
        // Nobody but root may write on the way.
        Some(Host { places, scripts, run, programs })
    }

    /// A service that notes TERM in `log`, adopted as 'web', with its pidfile where its script says.
    fn adopted(&self, env: &TestEnv) -> Option<(killer_tests::Bystander, PathBuf)> {
        let log = env.path("log");
        let _ = std::fs::remove_file(&log);
        let script = r#"trap 'echo term >>"$2"; exit 0' TERM; trap 'echo usr1 >>"$2"; exit 0' USR1
            echo ready pid=$$ >"$1"; while :; do sleep 0.05; done"#;
        let it = Launch::shell(script).arg(log.to_string_lossy()).direct(&env.test)?;
        std::fs::write(self.run.join("web.pid"), format!("{}\n", it.pid())).expect("pidfile");
        env.killer(["adopt", "web", "--pid", &it.pid().to_string()]).ok();
        Some((it, log))
    }

    fn script(&self, name: &str, text: &str) {
        program(&self.scripts.join(name), &format!("# pidfile: /run/web.pid\n{text}"));
    }

    fn forget(&self, env: &TestEnv) {
        env.killer(["-q", "-s", "KILL", "web"]);
        env.killer(["forget", "web"]).ok();
    }
}

fn log_of(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn the_script_goes_first() {
    let Some(env) = TestEnv::reusing("the_script_goes_first") else { return };
    let Some(host) = Host::new(&env) else { return };
    let said = env.path("said");
    let ask = format!("echo \"$* $MAINPID $KILLER_SERVICE $PWD ${{SECRET-none}}\" >{}", said.display());
    host.script("web", &format!("{ask}; echo stopping web; kill -USR1 $(cat /run/web.pid)"));
    let Some((it, log)) = host.adopted(&env) else { return };
    let mut command = env.command();
    command.env("SECRET", "x").args(["stop", "--timeout=20s", "-o", "json", "web"]);
    let out = env.finish(host.places.within(command));
    assert!(out.ok().stderr.contains("stopping web"), "its output is shown: {out}");
    let json = out.json();
    assert_eq!(json["command"]["command"], "/etc/init.d/web stop", "{json}");
    assert_eq!((&json["command"]["official"], &json["command"]["exit_code"]), (&true.into(), &0.into()));
    assert_eq!((&json["empty"], json["steps"].as_array().map(Vec::len)), (&true.into(), Some(0)), "{json}");
    assert_eq!(log_of(&log), "usr1\n");
    assert_eq!(log_of(&said), format!("stop {} web / none\n", it.pid()));
    host.forget(&env);

    // Without it, TERM is the first.
    let Some((_it, log)) = host.adopted(&env) else { return };
    host.places.killer(&env, ["stop", "--no-command", "--timeout=20s", "web"]).ok();
    assert_eq!(log_of(&log), "term\n");
    host.forget(&env);
}

#[test]
fn what_a_script_leaves_is_ended() {
    let Some(env) = TestEnv::reusing("what_a_script_leaves_is_ended") else { return };
    let Some(host) = Host::new(&env) else { return };
    for (text, words) in [
        ("exit 3", "it ended with status 3"),
        ("echo nothing", ""),
        ("sleep 300", "it did not end in time"),
        ("setsid setsid sleep 300; trap '' TERM; kill -STOP $$", "it did not end in time"),
    ] {
        host.script("web", text);
        let Some((_it, log)) = host.adopted(&env) else { return };
        let out = host.places.killer(&env, ["stop", "--timeout=700ms", "web"]);
        assert!(out.ok().stderr.contains(words), "{text}: {out}");
        assert!(out.took < Duration::from_secs(80), "{text}: {out}");
        assert_eq!(log_of(&log), "term\n", "{text}");
        host.forget(&env);
    }
}

/// A script that others may change, that is about somebody else, or of which nothing shows that it is about these
/// processes, is not run; that is said, and the stop goes on.
#[test]
fn not_every_script_is_run() {
    let Some(env) = TestEnv::reusing("not_every_script_is_run") else { return };
    let Some(host) = Host::new(&env) else { return };
    let ran = env.path("ran");
    let web = host.scripts.join("web");
    let text = format!("echo ran >{}", ran.display());
    let not_run = |why: &str| {
        let out = host.places.killer(&env, ["stop", "--timeout=20s", "web"]);
        assert!(out.ok().stderr.contains(why), "no '{why}': {out}");
        assert!(!ran.exists(), "it was run: {out}");
        host.forget(&env);
    };
    let Some((it, _)) = host.adopted(&env) else { return };
    host.script("web", &text);
    std::fs::set_permissions(&web, PermissionsExt::from_mode(0o775)).expect("a mode");
    std::os::unix::fs::chown(&web, None, Some(4321)).expect("chown");
    not_run("/etc/init.d/web is writable by its group");
    drop(it);
    let Some((it, _)) = host.adopted(&env) else { return };
    std::fs::remove_file(&web).expect("script");
    host.script("web", &text);
    std::os::unix::fs::chown(&web, Some(4321), None).expect("chown");
    not_run("belongs to uid 4321");
    drop(it);
    let Some((it, _)) = host.adopted(&env) else { return };
    std::fs::remove_file(&web).expect("script");
    host.script("web", &text);
    let stranger = killer_tests::Bystander::new(&env.test);
    std::fs::write(host.run.join("web.pid"), format!("{}\n", stranger.pid())).expect("pidfile");
    not_run(&format!("is about process {}, which is no member", stranger.pid()));
    stranger.assert_untouched();
    drop(it);
    let Some((it, _)) = host.adopted(&env) else { return };
    program(&web, &text);
    not_run("nothing in /etc/init.d/web shows that it is about these processes");
    drop(it);
    // It was started by 'killer run', and only has the name of a script.
    host.script("web", &text);
    let plain: Option<Service> = Launch::new("plain").service(&env, "web");
    let Some(service) = plain else { return };
    host.places.killer(&env, ["stop", "--timeout=20s", "web"]).ok().silent();
    service.assert_dead();
    assert!(!ran.exists(), "a script of the same name was run");
    env.killer(["forget", "web"]).ok();
}

#[test]
fn openrc_is_told() {
    let Some(env) = TestEnv::reusing("openrc_is_told") else { return };
    let Some(host) = Host::new(&env) else { return };
    host.script("web", "exit 1");
    let state = host.run.join("openrc/started");
    std::fs::create_dir_all(&state).expect("state");
    let start = || std::fs::write(state.join("web"), "").expect("started");
    let calls = env.path("calls");
    let body = format!(
        "echo \"$*\" >>{}; case $2 in stop) kill -USR1 $(cat /run/web.pid);; esac; rm -f /run/openrc/started/web",
        calls.display()
    );
    program(&host.programs.join("rc-service"), &body);
    start();
    let Some((_it, log)) = host.adopted(&env) else { return };
    host.places.killer(&env, ["stop", "--timeout=20s", "web"]).ok();
    assert_eq!((log_of(&calls).as_str(), log_of(&log).as_str()), ("web stop\n", "usr1\n"));
    host.forget(&env);
    start();
    let Some((_it, _)) = host.adopted(&env) else { return };
    let out = host.places.killer(&env, ["-s", "KILL", "web"]);
    assert!(out.ok().stderr.contains("'rc-service web zap' tells it otherwise"), "{out}");
    assert!(state.join("web").exists(), "nobody asked for it");
    host.forget(&env);
    let Some((_it, _)) = host.adopted(&env) else { return };
    let out = host.places.killer(&env, ["-s", "KILL", "--zap", "-o", "json", "web"]);
    assert!(out.ok().json()["notes"].to_string().contains("OpenRC was told"), "{out}");
    assert_eq!(log_of(&calls), "web stop\nweb zap\n");
    assert!(!state.join("web").exists());
    host.forget(&env);
    let Some((_it, _)) = host.adopted(&env) else { return };
    let out = host.places.killer(&env, ["stop", "--no-command", "--zap", "--timeout=20s", "web"]);
    assert!(out.ok().stderr.contains("OpenRC does not believe that it is started"), "{out}");
    host.forget(&env);
}

/// Ends with its test.
struct Supervisor(std::process::Child);

impl Drop for Supervisor {
    fn drop(&mut self) {
        if let Some(p) = Pidfd::open(self.0.id() as i32) {
            p.signal(Signal::INT);
        }
        let ended = eventually(Duration::from_secs(5), || matches!(self.0.try_wait(), Ok(Some(_))));
        if !ended {
            let _ = self.0.kill();
        }
        let _ = self.0.wait();
    }
}

/// A stand-in for runsv: it starts `./run` again and again until its fifo says `d`.
#[test]
fn a_supervisor_is_asked_and_named() {
    let Some(env) = TestEnv::reusing("a_supervisor_is_asked_and_named") else { return };
    let Some(host) = Host::new(&env) else { return };
    // Where the supervisor and killer find it; the test itself finds it below its own directory.
    let (there, dir) = ("/run/sv/web", host.run.join("sv/web"));
    program(&dir.join("run"), "exec sleep 60");
    std::fs::create_dir(dir.join("supervise")).expect("supervise");
    std::fs::write(dir.join("supervise/stat"), "run\n").expect("stat");
    // Its name is what is looked at.
    let runsv = env.path("runsv");
    std::fs::copy("/bin/sh", &runsv).expect("a shell");
    let loops = "cd /run/sv/web || exit; trap 'kill $!; exit' INT; n=0
        while [ ! -e down ] && [ $n -lt 9 ]; do
            n=$((n+1)); ./run & echo $! >supervise/new; mv supervise/new supervise/pid; wait
        done";
    let mut command = std::process::Command::new(&runsv);
    command.args(["-c", loops]);
    let supervisor = Supervisor(host.places.within(command).spawn().expect("a supervisor"));
    let number = || std::fs::read_to_string(dir.join("supervise/pid")).ok()?.trim().parse::<i32>().ok();
    let adopt = || {
        assert!(eventually(Duration::from_secs(10), || number().is_some()));
        let pid = number().expect("a number");
        std::fs::remove_file(dir.join("supervise/pid")).expect("pidfile");
        std::fs::write(dir.join("supervise/pid"), format!("{pid}\n")).expect("pidfile");
        host.places.killer(&env, ["adopt", "web", "--pid", &pid.to_string()]).ok();
        pid
    };
    let first = adopt();
    let out = host.places.killer(&env, ["-s", "KILL", "web"]);
    let word = format!("runsv starts it again: 'sv down {there}' prevents that");
    assert!(out.ok().stderr.contains(&word), "{out}");
    assert!(eventually(Duration::from_secs(10), || number().is_some_and(|n| n != first)));
    env.killer(["forget", "web"]).ok();
    adopt();
    let sv = "touch $2/down; kill -TERM $(cat $2/supervise/pid)";
    program(&host.programs.join("sv"), sv);
    let out = host.places.killer(&env, ["stop", "--timeout=20s", "-o", "json", "web"]);
    let json = out.ok().json();
    assert_eq!(json["command"]["command"], format!("sv down {there}"), "{json}");
    assert_eq!((&json["command"]["exit_code"], &json["empty"]), (&0.into(), &true.into()), "{json}");
    assert!(!json["notes"].to_string().contains("again"), "{json}");
    drop(supervisor);
    host.forget(&env);
}

/// A service that a rule names is stopped by its script. When that calls `killer stop` itself, it is not run again.
#[test]
fn an_instance_is_stopped_by_its_script() {
    let Some(env) = TestEnv::new("an_instance_is_stopped_by_its_script") else { return };
    let Some(host) = Host::new(&env) else { return };
    let (calls, killer) = (env.path("calls"), killer_tests::killer());
    let own = format!(
        "KILLER_RECEIPTS={} KILLER_PIN_ROOT={} KILLER_RUN_ROOT={} {}",
        env.receipts().display(),
        env.pin_root.display(),
        env.path("run").display(),
        killer.display()
    );
    let daemon = r#"setsid setsid sh -c 'echo $$ >/run/web.pid; trap "exit 0" TERM; while :; do sleep 0.05; done' <&- >&- 2>&-"#;
    let body = format!(
        "echo \"$1\" >>{0}; case $1 in\nstart) {daemon}; n=0; while [ $n -lt 100 ] && [ ! -s /run/web.pid ]; do n=$((n+1)); sleep 0.05; done;;\n\
         stop) {own} stop --timeout=5s web; echo \"done $?\" >>{0};;\nesac",
        calls.display()
    );
    host.script("web", &body);
    let up = host.places.killer(&env, ["up", "--rules"]);
    if up.exit() == 1 && up.stderr.contains("the tier") {
        return killer_tests::skip(&env.test, &up.stderr.replace('\n', " "));
    }
    up.ok();
    let script = |word: &str| {
        let mut command = std::process::Command::new("/etc/init.d/web");
        command.arg(word).stdin(std::process::Stdio::null());
        let status = host.places.within(command).status().expect("the script");
        assert!(status.success(), "{word}: {status}");
    };
    let main = || -> Option<i32> { log_of(&host.run.join("web.pid")).trim().parse().ok() };
    for by_hand in [false, true] {
        let _ = std::fs::remove_file(&calls);
        let _ = std::fs::remove_file(host.run.join("web.pid"));
        script("start");
        let daemon = main().and_then(Pidfd::open).expect("the daemon");
        let json = host.places.killer(&env, ["status", "-o", "json", "web"]).ok().json();
        assert_eq!(json["main_pid"].as_i64(), Some(daemon.pid.into()), "{json}");
        assert!(json["main_guessed"].is_null(), "its pidfile says it: {json}");
        match by_hand {
            true => script("stop"),
            false => {
                let out = host.places.killer(&env, ["stop", "--timeout=20s", "-o", "json", "web"]);
                assert_eq!(out.ok().json()["command"]["command"], "/etc/init.d/web stop", "{out}");
            }
        }
        assert!(!daemon.alive());
        assert_eq!(log_of(&calls), "start\nstop\ndone 0\n", "by hand: {by_hand}");
        host.places.killer(&env, ["status", "web"]).code(3);
    }
}

/// The real s6, where it is installed: a rule names what its supervisor starts, a kill says who starts it again, and `stop`
/// asks s6-svc.
#[test]
fn the_real_s6_is_asked() {
    let test = "the_real_s6_is_asked";
    if !Path::new("/usr/bin/s6-supervise").exists() {
        return killer_tests::skip(test, "no s6 is installed");
    }
    let Some(env) = TestEnv::new(test) else { return };
    let Some(host) = Host::new(&env) else { return };
    let (there, dir) = ("/run/service/web", host.run.join("service/web"));
    program(&dir.join("run"), "exec sleep 60");
    let up = host.places.killer(&env, ["up", "--rules"]);
    if up.exit() == 1 && up.stderr.contains("the tier") {
        return killer_tests::skip(test, &up.stderr.replace('\n', " "));
    }
    up.ok();
    let mut command = std::process::Command::new("/usr/bin/s6-supervise");
    command.arg(there).stdin(std::process::Stdio::null());
    let supervisor = Supervisor(host.places.within(command).spawn().expect("s6-supervise"));
    let main = || {
        let status = host.places.killer(&env, ["status", "-o", "json", "web"]);
        if status.exit() == 0 { status.json()["main_pid"].as_i64() } else { None }
    };
    let named =
        |but: Option<i64>| eventually(Duration::from_secs(10), || main().is_some_and(|p| Some(p) != but));
    assert!(named(None), "{}", env.killer(["list"]));
    let first = main();
    let out = host.places.killer(&env, ["-s", "KILL", "--who=all", "web"]);
    let word = format!("s6-supervise starts it again: 's6-svc -d {there}' prevents that");
    assert!(out.ok().stderr.contains(&word), "{out}");
    assert!(named(first), "s6-supervise has not started it again: {}", env.killer(["list"]));
    let out = host.places.killer(&env, ["stop", "--timeout=20s", "-o", "json", "web"]);
    let json = out.ok().json();
    assert_eq!(json["command"]["command"], format!("s6-svc -d {there}"), "{json}");
    assert_eq!((&json["command"]["exit_code"], &json["empty"]), (&0.into(), &true.into()), "{json}");
    // It waits for a second before it starts anything again.
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(env.names(), Vec::<String>::new(), "it was started again");
    if let Some(p) = Pidfd::open(supervisor.0.id() as i32) {
        p.signal(Signal::TERM);
    }
}

//! Who the main process is when the first one of a daemon has ended: its pidfile says, else it is guessed and that is said,
//! else nobody is, and whoever asks for it is told. On every tier.

use killer_tests::{Bystander, Launch, Pidfd, Service, TestEnv, eventually, everywhere};
use std::path::PathBuf;
use std::time::Duration;

/// A daemon that notes HUP, INT and TERM in `$2.log`, ends by INT and TERM, and has a worker that ignores them. `$3` is
/// what it does first.
const DAEMON: &str = r#"
    trap 'echo hup >>"$2.log"' HUP; trap 'echo int >>"$2.log"; exit 0' INT; trap 'echo term >>"$2.log"; exit 0' TERM
    (trap '' INT TERM; echo $$ >/dev/null; exec sleep 60) & worker=$!
    eval "$3"; echo ready pid=$$ worker=$worker >"$1"; while :; do sleep 0.05; done"#;

/// Starts it as what the first process, which ends at once, leaves behind. The second `setsid` leads a group and therefore
/// forks; busybox has no `-f`.
fn forking(env: &TestEnv, first: &str, options: &[&str]) -> Option<(Service, PathBuf)> {
    let log = env.path("daemon.log");
    let _ = std::fs::remove_file(&log);
    let script = format!(r#"setsid setsid sh -c "$3" sh "$1" "$2" {first:?}; exit 0"#);
    let mut launch = Launch::shell(&script).arg(env.path("daemon").to_string_lossy()).arg(DAEMON).clone();
    for o in options {
        launch = launch.run_option(o);
    }
    let service = launch.service(env, "svc")?;
    // The first process has ended.
    let (pid, worker) = (service.fact("pid"), service.fact("worker"));
    let gone = || {
        let json = env.killer(["status", "-o", "json", "svc"]).ok().json();
        json["main_pid"].as_i64().is_none_or(|m| m == i64::from(pid) || m == i64::from(worker))
    };
    assert!(eventually(Duration::from_secs(10), gone), "the first process stays");
    Some((service, log))
}

fn says(log: &PathBuf, word: &str) -> bool {
    let has = || std::fs::read_to_string(log).is_ok_and(|t| t.lines().any(|l| l == word));
    eventually(Duration::from_secs(10), has)
}

#[track_caller]
fn end(env: &TestEnv, service: &Service) {
    env.killer(["-KILL", "--wait", "svc"]).ok().silent();
    service.assert_dead();
    env.killer(["forget", "svc"]).ok();
}

#[test]
fn who_is_left_is_guessed() {
    everywhere("who_is_left_is_guessed", |env| {
        let Some((service, log)) = forking(env, "", &[]) else { return };
        let pid = i64::from(service.fact("pid"));
        let json = env.killer(["status", "-o", "json", "svc"]).ok().json();
        assert_eq!((json["main_pid"].as_i64(), &json["main_guessed"]), (Some(pid), &true.into()), "{json}");
        assert_eq!((json["main"]["pid"].as_i64(), &json["main"]["guessed"]), (Some(pid), &true.into()));
        assert!(env.killer(["status", "svc"]).ok().stdout.contains("guessed"));
        let json = env.killer(["list", "-o", "json"]).ok().json();
        assert_eq!(json["services"][0]["main_guessed"], true, "{json}");
        env.killer(["-s", "HUP", "--whom=main", "svc"]).ok().silent();
        assert!(says(&log, "hup"), "HUP never came");
        let out = env.killer(["-v", "-n", "--whom=main", "-o", "json", "svc"]);
        assert_eq!(out.ok().json()["main_guessed"], true, "{out}");
        end(env, &service);
    });
}

/// INT to the daemon alone, and KILL to who is left when it has ended.
#[test]
fn mixed_is_gentle_to_a_guessed_main() {
    everywhere("mixed_is_gentle_to_a_guessed_main", |env| {
        let Some((service, log)) = forking(env, "", &[]) else { return };
        env.killer(["stop", "--mode=mixed", "-s", "INT", "--timeout=20s", "svc"]).ok().silent();
        assert!(says(&log, "int"), "INT never came");
        service.assert_dead();
        env.killer(["forget", "svc"]).ok();
    });
}

#[test]
fn the_stop_command_knows_it() {
    everywhere("the_stop_command_knows_it", |env| {
        let said = env.path("mainpid");
        let command = format!("--exec-stop=echo \"$MAINPID\" >'{}'; kill -s INT $MAINPID", said.display());
        let Some((service, log)) = forking(env, "", &[&command]) else { return };
        env.killer(["stop", "--mode=mixed", "--timeout=20s", "svc"]).ok().silent();
        assert!(says(&log, "int"));
        assert_eq!(std::fs::read_to_string(&said).unwrap_or_default(), format!("{}\n", service.fact("pid")));
        service.assert_dead();
        env.killer(["forget", "svc"]).ok();
    });
}

/// Two are left, and nobody says who is the main one.
#[test]
fn nobody_is_there_and_that_is_said() {
    everywhere("nobody_is_there_and_that_is_said", |env| {
        let log = env.path("two.log");
        let _ = std::fs::remove_file(&log);
        let script = r#"
            for n in 1 2; do
                setsid setsid sh -c 'trap "echo term$2 >>\"$1\"; exit 0" TERM; echo $2=$$ >>"$1.f"; while :; do sleep 0.05; done' sh "$2" $n
            done
            while [ "$(cat "$2.f" 2>/dev/null | wc -l)" -lt 2 ]; do sleep 0.02; done
            echo ready a=1 >"$1"; rm "$2.f"; exit 0"#;
        let launch = Launch::shell(script).arg(log.to_string_lossy());
        let Some(service) = launch.service(env, "svc") else { return };
        let none = || env.killer(["status", "-o", "json", "svc"]).ok().json()["main_pid"].is_null();
        assert!(eventually(Duration::from_secs(10), none));
        let gone = "the main process is gone";
        let out = env.killer(["-s", "HUP", "--whom=main", "svc"]);
        assert!(out.ok().stderr.contains(gone), "{out}");
        env.killer(["-s", "HUP", "--whom=main-fail", "svc"]).code(1);
        let out = env.killer(["-n", "--whom=!main", "svc"]);
        assert!(out.ok().stderr.contains("nobody is left out"), "{out}");
        let out = env.killer(["wait", "--until=main-gone", "--timeout=90s", "svc"]);
        assert!(out.ok().stderr.contains(gone) && out.took < Duration::from_secs(60), "{out}");
        let out = env.killer(["stop", "--mode=process", "svc"]);
        assert!(out.ok().stderr.contains(gone), "{out}");
        assert!(out.stderr.contains("processes live on, as --mode=process has it"), "{out}");
        service.assert_alive();
        let out = env.killer(["stop", "--mode=mixed", "--timeout=20s", "-o", "json", "svc"]);
        assert!(out.ok().stderr.contains("goes to the whole service"), "{out}");
        assert_eq!(out.json()["steps"][0]["whom"], "all", "{out}");
        assert!(says(&log, "term1") && says(&log, "term2"), "TERM did not reach all");
        service.assert_dead();
        env.killer(["forget", "svc"]).ok();
    });
}

/// A pidfile says more than a guess, also where nobody could be guessed; it is waited for.
#[test]
fn a_pidfile_names_it() {
    everywhere("a_pidfile_names_it", |env| {
        let pidfile = env.path("daemon.pid");
        let _ = std::fs::remove_file(&pidfile);
        let path = pidfile.display();
        // A second orphan, and the pidfile comes late.
        let script = format!(
            "setsid setsid sleep 60; setsid setsid sh -c 'sleep 0.4; echo $$ >{path}.tmp; mv {path}.tmp {path}; \
             echo ready pid=$$ >\"$1\"; exec sleep 60' sh \"$1\"; exit 0"
        );
        let mut command = env.command();
        command.args(["run", "--name", "svc", "--type=forking", "--pidfile"]).arg(&pidfile).arg("--");
        let Some((running, service)) = Launch::shell(&script).under(env, command, "svc") else { return };
        running.finish(Duration::from_secs(60)).ok().silent();
        let json = env.killer(["status", "-o", "json", "svc"]).ok().json();
        assert_eq!(json["main_pid"].as_i64(), Some(service.fact("pid").into()), "{json}");
        assert!(json["main_guessed"].is_null(), "{json}");
        // It stays when the file is gone.
        std::fs::remove_file(&pidfile).expect("pidfile");
        let json = env.killer(["status", "-o", "json", "svc"]).ok().json();
        assert_eq!(json["main_pid"].as_i64(), Some(service.fact("pid").into()), "{json}");
        end(env, &service);
    });
}

/// Old ones, others', and such that name a stranger are not believed.
#[test]
fn a_bad_pidfile_names_nobody() {
    everywhere("a_bad_pidfile_names_nobody", |env| {
        let bystander = Bystander::new(&env.test);
        let pidfile = env.path("bad.pid");
        let name = |pid: i32| std::fs::write(&pidfile, format!("{pid}\n")).expect("pidfile");
        name(bystander.pid());
        let option = format!("--pidfile={}", pidfile.display());
        let Some((service, _)) = forking(env, "", &["--type=forking", &option]) else { return };
        let worker = service.fact("worker");
        let main = || env.killer(["status", "-o", "json", "svc"]).ok().json()["main_pid"].as_i64();
        let pid = Some(i64::from(service.fact("pid")));
        assert_eq!(main(), pid, "a stranger's number");
        name(worker);
        let old = std::time::SystemTime::now() - Duration::from_secs(3600);
        std::fs::File::options().write(true).open(&pidfile).and_then(|f| f.set_modified(old)).expect("mtime");
        assert_eq!(main(), pid, "a file from before the service");
        name(worker);
        std::os::unix::fs::chown(&pidfile, Some(12345), None).expect("chown");
        assert_eq!(main(), pid, "somebody else's file");
        std::os::unix::fs::chown(&pidfile, Some(0), None).expect("chown");
        assert_eq!(main(), Some(worker.into()), "now it is root's");
        env.killer(["-s", "KILL", "--whom=main", "svc"]).ok();
        bystander.assert_untouched();
        end(env, &service);
    });
}

#[test]
fn a_start_that_fails_is_a_failure() {
    everywhere("a_start_that_fails_is_a_failure", |env| {
        let run = |script: &str| {
            let out = env.killer(["run", "--name", "svc", "--type=forking", "--", "sh", "-c", script]);
            env.killer(["-q", "-KILL", "--wait", "svc"]).ok();
            out
        };
        run("exit 3").code(3);
        let out = run("setsid setsid sleep 60 <&- >&- 2>&-; exit 4");
        out.code(4);
        assert!(out.stderr.contains("process lives on") && out.stderr.contains("stop svc"), "{out}");
        let out = run("exit 0");
        out.code(125);
        assert!(out.stderr.contains("no process is left"), "{out}");
        let out = run("setsid setsid sleep 60; setsid setsid sleep 61; exit 0");
        assert!(out.ok().stderr.contains("none can be guessed"), "{out}");
        run("setsid setsid sleep 60; exit 0").ok().silent();
        let both = ["run", "--name", "svc", "--type=forking", "--kill-on-exit", "--", "true"];
        env.killer(both).code(2);
    });
}

/// Who is left of a service whose main process was killed is a worker, and so is who is left of a guessed one.
#[test]
fn no_heir_of_a_killed_main() {
    everywhere("no_heir_of_a_killed_main", |env| {
        let none = || env.killer(["status", "-o", "json", "svc"]).ok().json()["main_pid"].is_null();
        let script = r#"sleep 60 & echo ready child=$! >"$1"; wait; sleep 60"#;
        let Some(service) = Launch::shell(script).service(env, "svc") else { return };
        let child = Pidfd::open(service.fact("child")).expect("the child");
        env.killer(["-s", "KILL", "--whom=main", "svc"]).ok().silent();
        assert!(eventually(Duration::from_secs(10), none), "a worker was guessed");
        assert!(env.killer(["-s", "KILL", "--whom=main", "svc"]).ok().stderr.contains("is gone"));
        assert!(child.alive(), "the worker was not meant");
        end(env, &service);

        let Some((service, _)) = forking(env, "", &[]) else { return };
        let worker = Pidfd::open(service.fact("worker")).expect("the worker");
        // By somebody else.
        Pidfd::open(service.fact("pid")).expect("the daemon").signal(rustix::process::Signal::KILL);
        assert!(eventually(Duration::from_secs(10), none), "a worker was guessed");
        assert!(worker.alive());
        end(env, &service);
    });
}

/// A main process that was chosen by hand has no heir.
#[test]
fn chosen_is_chosen() {
    everywhere("chosen_is_chosen", |env| {
        let Some((service, _)) = forking(env, "", &[]) else { return };
        let worker = service.fact("worker");
        env.killer(["set-main", "svc", &worker.to_string()]).ok();
        let json = env.killer(["status", "-o", "json", "svc"]).ok().json();
        assert_eq!(json["main_pid"].as_i64(), Some(worker.into()), "{json}");
        assert!(json["main_guessed"].is_null(), "{json}");
        env.killer(["-s", "KILL", "--whom=main", "--wait=1s", "svc"]).code(124);
        let json = env.killer(["status", "-o", "json", "svc"]).ok().json();
        assert!(json["main_pid"].is_null(), "{json}");
        end(env, &service);
    });
}

//! The main process of a service that nobody started through `killer`: its pidfile in /run says which it is, when that
//! is root's and names a member; nobody else's word counts, and no file holds a call.

use killer_tests::{Bystander, Launch, OwnPlaces, TestEnv, eventually};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A daemon as init's are: the first process forks twice and ends; a worker stays below the daemon. It waits for
/// `$2`, so that it can be adopted before. The second `setsid` leads a group and therefore forks; busybox has no `-f`.
const DAEMON: &str = r#"
    echo ready pid=$$ >"$1"; while [ ! -e "$2.go" ]; do sleep 0.02; done
    setsid setsid sh -c 'trap "echo hup >>\"$1.log\"" HUP; sleep 60 & echo $! >"$1.worker"
        echo $$ >"$1.tmp"; mv "$1.tmp" "$1.main"; while :; do sleep 0.05; done' sh "$2"; exit 0"#;

struct Adopted {
    places: OwnPlaces,
    run: PathBuf,
    facts: PathBuf,
    main: i64,
    worker: i64,
    first: Bystander,
}

fn number(path: &Path) -> i64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.trim().parse().unwrap_or_else(|_| panic!("no number in {}", path.display()))
}

/// Adopts it as 'svc', lets its first process end, and leaves no pidfile.
fn adopted(env: &TestEnv) -> Option<Adopted> {
    let mut places = OwnPlaces::default();
    let run = places.put(env, "/run");
    let facts = env.path("daemon");
    let first = Launch::shell(DAEMON).arg(facts.to_string_lossy()).direct(&env.test)?;
    places.killer(env, ["adopt", "svc", "--pid", &first.pid().to_string()]).ok();
    std::fs::write(facts.with_extension("go"), "").expect("go");
    let there = facts.with_extension("main");
    assert!(eventually(Duration::from_secs(10), || there.exists()), "the daemon never started");
    let (main, worker) = (number(&there), number(&facts.with_extension("worker")));
    let gone = |a: &Adopted| a.main_pid(env) != Some(i64::from(a.first.pid()));
    let a = Adopted { places, run, facts, main, worker, first };
    assert!(eventually(Duration::from_secs(10), || gone(&a)), "the first process stays");
    Some(a)
}

impl Adopted {
    fn main_pid(&self, env: &TestEnv) -> Option<i64> {
        let json = self.places.killer(env, ["status", "-o", "json", "svc"]).ok().json();
        assert!(json["main_guessed"].is_null(), "{json}");
        json["main_pid"].as_i64()
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let at = self.run.join(name);
        std::fs::create_dir_all(at.parent().expect("a directory")).expect("directories");
        std::fs::write(&at, text).expect("a pidfile");
        at
    }

    fn end(&self, env: &TestEnv) {
        self.places.killer(env, ["-s", "KILL", "svc"]).ok();
        self.places.killer(env, ["forget", "svc"]).ok();
    }
}

#[test]
fn a_pidfile_in_run_names_it() {
    let Some(env) = TestEnv::reusing("a_pidfile_in_run_names_it") else { return };
    for name in ["daemon.pid", "daemon/daemon.pid", "daemon/pid"] {
        let Some(a) = adopted(&env) else { return };
        assert_eq!(a.main_pid(&env), None, "nobody says it yet");
        let file = a.write(name, &format!("{}\n", a.main));
        assert_eq!(a.main_pid(&env), Some(a.main), "{name}");
        a.places.killer(&env, ["-s", "HUP", "--whom=main", "svc"]).ok().silent();
        let log = a.facts.with_extension("log");
        assert!(eventually(Duration::from_secs(5), || log.exists()), "HUP never came");
        // It is known from then on, whatever becomes of the file.
        std::fs::write(&file, format!("{}\n", a.worker)).expect("another number");
        assert_eq!(a.main_pid(&env), Some(a.main), "{name}");
        let list = a.places.killer(&env, ["list", "-o", "json"]).ok().json();
        assert_eq!(list["services"][0]["main_pid"].as_i64(), Some(a.main), "{list}");
        a.end(&env);
        for left in ["go", "main", "worker", "log"] {
            let _ = std::fs::remove_file(a.facts.with_extension(left));
        }
        std::fs::remove_file(&file).expect("pidfile");
    }
}

#[test]
fn a_pidfile_that_lies_names_nobody() {
    let Some(env) = TestEnv::reusing("a_pidfile_that_lies_names_nobody") else { return };
    let bystander = Bystander::new(&env.test);
    let Some(a) = adopted(&env) else { return };
    let main = format!("{}\n", a.main);
    let none = |why: &str| {
        assert_eq!(a.main_pid(&env), None, "{why}");
        let out = a.places.killer(&env, ["-v", "-s", "HUP", "--whom=main", "svc"]);
        assert!(out.ok().stderr.contains(why), "no '{why}': {out}");
        assert!(out.took < Duration::from_secs(60), "{out}");
        let _ = std::fs::remove_file(a.run.join("x.pid"));
    };
    a.write("x.pid", &format!("{}\n", bystander.pid()));
    none("candidates: ");
    let hour = Duration::from_secs(3600);
    for (then, why) in [
        (SystemTime::now() - hour, "written before process"),
        (SystemTime::now() + hour, "a time in the future"),
    ] {
        let file = std::fs::File::options().write(true).open(a.write("x.pid", &main));
        file.and_then(|f| f.set_modified(then)).expect("mtime");
        none(why);
    }
    std::os::unix::fs::chown(a.write("x.pid", &main), Some(4321), None).expect("chown");
    none("belongs to uid 4321");
    let open = a.write("x.pid", &main);
    std::fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o666)).expect("chmod");
    none("writable by everybody");
    // An access list shows in the bits of the group.
    let listed = a.write("x.pid", &main);
    std::fs::set_permissions(&listed, std::os::unix::fs::PermissionsExt::from_mode(0o664)).expect("chmod");
    match grant(&listed, 4321) {
        Ok(()) => none("writable by others, as its access list says"),
        Err(e) => killer_tests::skip(&env.test, &format!("no access lists here: {e}")),
    }
    std::os::unix::fs::symlink(a.write("real", &main), a.run.join("x.pid")).expect("a link");
    none("no regular file");
    let fifo = std::process::Command::new("mkfifo").arg(a.run.join("x.pid")).status();
    assert!(fifo.is_ok_and(|s| s.success()), "mkfifo");
    none("no regular file");
    a.write("x.pid", &"1".repeat(1 << 20));
    none("no process number");
    let theirs = a.write("theirs/x.pid", &main);
    std::os::unix::fs::chown(theirs.parent().expect("a directory"), Some(4321), None).expect("chown");
    none("belongs to uid 4321");
    a.write("worker.pid", &format!("{}\n", a.worker));
    a.write("x.pid", &main);
    none("several pidfiles");
    // As a daemon with umask 002 writes it.
    std::fs::remove_file(a.run.join("worker.pid")).expect("remove");
    let ours = a.write("x.pid", &main);
    std::fs::set_permissions(&ours, std::os::unix::fs::PermissionsExt::from_mode(0o664)).expect("chmod");
    assert_eq!(a.main_pid(&env), Some(a.main), "0664 root:root");
    bystander.assert_untouched();
    a.end(&env);
}

/// With nobody to be main, the forms that ask for it say so, name those who may be meant, and fail where that is asked.
#[test]
fn nobody_is_main() {
    let Some(env) = TestEnv::reusing("nobody_is_main") else { return };
    let Some(a) = adopted(&env) else { return };
    let name = format!("candidates: {} (sh)", a.main);
    let out = a.places.killer(&env, ["-s", "HUP", "--whom=main", "svc"]);
    assert!(out.ok().stderr.contains(&name), "{out}");
    let out = a.places.killer(&env, ["-s", "HUP", "--whom=main-fail", "svc"]);
    out.error(1, &["the main process is gone", "nobody was signalled", &name]);
    let out = a.places.killer(&env, ["stop", "--mode=process", "svc"]);
    assert!(out.ok().stderr.contains(&name), "{out}");
    assert!(!a.facts.with_extension("log").exists(), "somebody got HUP");
    // One that was told to end has no heir, whatever a file says afterwards.
    a.write("x.pid", &format!("{}\n", a.main));
    a.places.killer(&env, ["-s", "KILL", "--whom=main", "svc"]).ok().silent();
    a.write("x.pid", &format!("{}\n", a.worker));
    assert_eq!(a.main_pid(&env), None);
    a.end(&env);
}

/// An access list that lets this user write.
fn grant(path: &std::path::Path, uid: u32) -> rustix::io::Result<()> {
    const NOBODY: u32 = u32::MAX;
    let (version, rw) = (2u32.to_le_bytes(), 6u16);
    // Tags of `include/linux/posix_acl.h`: owner, a user, the group, the mask, others.
    let entries = [(1u16, rw, NOBODY), (2, rw, uid), (4, 4, NOBODY), (0x10, rw, NOBODY), (0x20, 4, NOBODY)];
    let mut list = version.to_vec();
    for (tag, may, id) in entries {
        list.extend(tag.to_le_bytes().iter().chain(&may.to_le_bytes()).chain(&id.to_le_bytes()));
    }
    rustix::fs::setxattr(path, "system.posix_acl_access", &list, rustix::fs::XattrFlags::empty())
}

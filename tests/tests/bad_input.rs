//! What is wrong in what people type and in what others have left: the message, the code, and that nothing happened.

use killer_tests::{Bystander, Launch, Out, TestEnv};
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

#[test]
fn unknown_names() {
    let Some(env) = TestEnv::new("unknown_names") else { return };
    // No host knows these as names of one service, as `apache` and `apache2` are.
    // Also while there is no tracker at all.
    env.killer(["nobody"]).error(4, &["no such service", "nobody"]);
    let Some(cron) = Launch::new("plain").service(&env, "cron") else { return };
    let Some(webapp) = Launch::new("plain").service(&env, "webapp2") else { return };
    env.killer(["crnd"]).error(4, &["no such service 'crnd'", "tracked:", "webapp2", "did you mean 'cron'"]);
    let out = env.killer(["something-else"]);
    out.error(4, &["something-else", "tracked:", "cron"]);
    assert!(!out.stderr.contains("did you mean"), "{out}");
    for verb in ["status", "tree", "wait", "verify", "forget"] {
        env.killer([verb, "webapp"]).error(4, &["webapp", "did you mean 'webapp2'"]);
    }
    cron.assert_alive();
    webapp.assert_alive();
}

#[test]
fn unknown_signals() {
    let Some(env) = TestEnv::new("unknown_signals") else { return };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    for bad in ["NOPE", "65", "99", "RTMIN+31", "RTMAX-31", "SIGSIG", "TERM ", "1.5", "", "0x9"] {
        let out = env.killer(["-s", bad, "svc"]);
        out.error(2, &[bad.trim()]);
        assert!(out.stderr.contains("TERM") || out.stderr.contains("-l"), "no list: {out}");
    }
    env.killer(["-NOPE", "svc"]).code(2);
    env.killer(["-s", "-1", "svc"]).code(2);
    env.killer(["-65", "svc"]).code(2);
    env.killer(["-s"]).code(2);
    service.assert_alive();
}

#[test]
fn bad_options() {
    let Some(env) = TestEnv::new("bad_options") else { return };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    for args in [
        &["--wait=5parsecs", "svc"][..],
        &["--wait=-1s", "svc"],
        &["--wait=5.", "svc"],
        &["--wait=s", "svc"],
        &["--wait=99999999999999999999", "svc"],
        &["wait", "svc", "--timeout", "soon"],
        &["wait", "svc", "--until", "never"],
        &["-o", "xml", "svc"],
        &["--whom=everybody", "svc"],
        &["--no-such-option", "svc"],
        &["adopt", "x"],
        &["adopt", "x", "--pid", "1x"],
        &["adopt", "x", "--pid", "-5"],
        &["adopt", "x", "--pid", "0"],
        &["adopt", "x", "--pid", "99999999999"],
        &["adopt", "x", "--pid", "5:"],
        &["run", "--name", "x"],
        &["run", "--replace", "--", "true"],
        &["set-main", "svc", "x"],
        &["rename", "svc"],
        &[],
    ] {
        let out = env.killer(args);
        out.code(2);
        assert!(out.stdout.is_empty(), "{out}");
    }
    env.killer(["--wait=5parsecs", "svc"]).error(2, &["5parsecs"]);
    service.assert_alive();
}

/// `killer` where another user can execute it.
fn public_killer(env: &TestEnv) -> PathBuf {
    let copy = env.path("killer");
    if !copy.exists() {
        std::fs::copy(killer_tests::killer(), &copy).expect("copy of killer");
        std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).expect("chmod");
    }
    copy
}

#[track_caller]
fn unprivileged(env: &TestEnv, args: &[&str]) -> Out {
    use std::os::unix::process::CommandExt;
    let mut command = std::process::Command::new(public_killer(env));
    command.args(args).uid(65534).gid(65534).current_dir("/");
    command.env("KILLER_PIN_ROOT", &env.pin_root).env("NO_COLOR", "1").env("LC_ALL", "C.UTF-8");
    command.stdin(std::process::Stdio::null());
    env.finish(command)
}

#[test]
fn no_privilege() {
    let Some(env) = TestEnv::new("no_privilege") else { return };
    // First without a tracker, then with one that belongs to root.
    for round in 0..2 {
        for args in
            [&["-KILL", "svc"][..], &["list"], &["status", "svc"], &["up"], &["adopt", "mine", "--pid", "2"]]
        {
            if round == 0 && matches!(args[0], "-KILL" | "list" | "status") {
                continue;
            }
            unprivileged(&env, args).error(77, &["CAP_"]);
        }
        let _ = env.killer(["up"]).ok();
    }
    // Services of its own an unprivileged user can have, by best effort; whether the host tracks others it cannot know.
    unprivileged(&env, &["run", "--name", "mine", "--", "true"]).ok().silent();
    let out = unprivileged(&env, &["list"]);
    assert!(out.ok().stdout.contains("best-effort"), "{out}");
    unprivileged(&env, &["-KILL", "svc"]).error(77, &["CAP_"]);
    unprivileged(&env, &["run", "--name", "other", "--detach", "--", "sleep", "30"]).ok().silent();
    unprivileged(&env, &["--require-exact", "-KILL", "other"]).error(5, &["without the kernel's help"]);
    unprivileged(&env, &["-KILL", "other"]).ok().silent();
    unprivileged(&env, &["status", "other"]).code(3);
    unprivileged(&env, &["down"]).ok();
    // What needs no privilege works without.
    unprivileged(&env, &["--help"]).ok();
    unprivileged(&env, &["-l"]).ok();
    unprivileged(&env, &["generate", "schema"]).ok();
    unprivileged(&env, &["-s", "NOPE", "svc"]).code(2);
}

/// `adopt svc --pidfile FILE` is refused, with these words, and nothing is registered.
#[track_caller]
fn bad_pidfile(env: &TestEnv, file: &Path, words: &[&str]) {
    let mut command = env.command();
    command.args(["adopt", "svc", "--pidfile"]).arg(file);
    let out = env.finish(command);
    out.error(1, words);
    assert!(out.took < Duration::from_secs(60), "{out}");
    env.killer(["status", "svc"]).code(4);
}

#[test]
fn pidfiles() {
    let Some(env) = TestEnv::new("pidfiles") else { return };
    let bystander = Bystander::new(&env.test);
    let file = |name: &str, content: &str| {
        let path = env.path(name);
        std::fs::write(&path, content).expect("pidfile");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("chmod");
        path
    };
    let good = bystander.pid().to_string();
    bad_pidfile(&env, &env.path("missing"), &["missing"]);
    bad_pidfile(&env, &file("empty", ""), &["empty"]);
    bad_pidfile(&env, &file("blank", "\n \n"), &["blank"]);
    bad_pidfile(&env, &file("junk", "not \u{1b}[31m a number\n"), &["junk"]);
    bad_pidfile(&env, &file("binary", "\0\0\0\0"), &["binary"]);
    bad_pidfile(&env, &file("negative", "-1\n"), &["negative"]);
    bad_pidfile(&env, &file("zero", "0\n"), &["zero"]);
    bad_pidfile(&env, &file("huge", "123456789012345\n"), &["huge"]);
    bad_pidfile(&env, &file("one", "1\n"), &["1"]);
    bad_pidfile(&env, &file("kthread", "2\n"), &["kernel thread"]);
    bad_pidfile(&env, env.dir.path(), &[]);

    let open = file("open", &good);
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o666)).expect("chmod");
    bad_pidfile(&env, &open, &["writ"]);
    let foreign = file("foreign", &good);
    std::os::unix::fs::chown(&foreign, Some(65534), Some(65534)).expect("chown");
    bad_pidfile(&env, &foreign, &["65534"]);

    let dead = {
        let gone = Launch::new("hold").direct(&env.test).expect("'hold' never skips");
        gone.pid()
    };
    bad_pidfile(&env, &file("stale", &dead.to_string()), &["stale", &dead.to_string()]);

    // The number is somebody else's by now: the file is older than the process.
    let reused = file("reused", &good);
    let old = SystemTime::now() - Duration::from_secs(3600);
    std::fs::File::options().append(true).open(&reused).and_then(|f| f.set_modified(old)).expect("utimes");
    bad_pidfile(&env, &reused, &["stale", &good]);
    // Whether it is older cannot be told of a file from tomorrow.
    let ahead = file("ahead", &good);
    let then = SystemTime::now() + Duration::from_secs(3600);
    std::fs::File::options().append(true).open(&ahead).and_then(|f| f.set_modified(then)).expect("utimes");
    bad_pidfile(&env, &ahead, &["in the future"]);

    // A FIFO must not make it hang, whoever has the other end.
    let fifo = env.path("fifo");
    let name = CString::new(fifo.as_os_str().as_encoded_bytes()).expect("no NUL");
    // SAFETY: a NUL-terminated path that lives across the call.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o644) }, 0);
    bad_pidfile(&env, &fifo, &[]);
    bystander.assert_untouched();
}

#[test]
fn pids_that_are_no_services() {
    let Some(env) = TestEnv::new("pids_that_are_no_services") else { return };
    let adopt = |pid: &str| env.killer(["adopt", "svc", "--pid", pid]);
    adopt("2").error(1, &["2", "kernel thread"]);
    adopt("1").error(1, &["1"]);
    let gone = {
        let gone = Launch::new("hold").direct(&env.test).expect("'hold' never skips");
        gone.pid().to_string()
    };
    adopt(&gone).error(1, &[&gone]);
    env.killer(["status", "svc"]).code(4);
}

#[test]
fn names() {
    let Some(env) = TestEnv::new("names") else { return };
    let mark = env.path("mark");
    let long = "x".repeat(65);
    let bad: Vec<OsString> = ["", "a\u{1b}[31mb", "a\nb", "\u{7f}", &long, "a\u{9b}b"]
        .into_iter()
        .map(OsString::from)
        .chain([OsString::from_vec(b"a\xffb".to_vec())])
        .collect();
    for name in &bad {
        let run = |verb: &str, option: &str, rest: &[&str]| {
            let mut command = env.command();
            let mut glued = OsString::from(option);
            glued.push(name);
            command.arg(verb).arg(glued).args(rest);
            env.finish(command)
        };
        let out = run("run", "--name=", &["--", "touch", &mark.to_string_lossy()]);
        assert!([2, 125].contains(&out.exit()), "run --name={name:?}: {out}");
        out.error(out.exit(), &[]);
        assert!(!mark.exists(), "CMD has run under the name {name:?}");
    }
    let bystander = Bystander::new(&env.test);
    let mut command = env.command();
    command.args(["adopt", "a\u{1b}b", "--pid", &bystander.pid().to_string()]);
    env.finish(command).error(2, &[]);
    let out = env.killer(["-KILL", "no\u{1b}[31mbody\u{7}\n"]);
    assert!([2, 4].contains(&out.exit()), "{out}");
    out.error(out.exit(), &[]);
    // 64 bytes, and letters of any script, are well.
    for name in ["y".repeat(64), "größe-7@x:y_z.1".to_string()] {
        env.killer(["run", "--name", &name, "--", "true"]).ok();
        env.killer(["status", &name]).code(3);
        env.killer(["-KILL", &name]).ok();
    }
}

#[test]
fn pins_of_another_abi() {
    let Some(env) = TestEnv::new("pins_of_another_abi") else { return };
    std::fs::create_dir(&env.pin_root).expect("pin root");
    std::fs::set_permissions(&env.pin_root, std::fs::Permissions::from_mode(0o700)).expect("chmod");
    let other = env.pin_root.join("v999");
    std::fs::create_dir_all(other.join("maps")).expect("another version's pins");
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    env.killer(["-KILL", "svc"]).ok();
    service.assert_dead();
    let out = env.killer(["doctor"]);
    assert!(out.stdout.contains("v999"), "doctor says nothing of the other version: {out}");
    env.killer(["down", "--force"]).ok();
    assert!(other.join("maps").exists(), "another version's pins are not ours to remove");
}

#[test]
fn half_made_pins() {
    let Some(env) = TestEnv::new("half_made_pins") else { return };
    std::fs::create_dir(&env.pin_root).expect("pin root");
    std::fs::set_permissions(&env.pin_root, std::fs::Permissions::from_mode(0o700)).expect("chmod");
    let dead = {
        let gone = Launch::new("hold").direct(&env.test).expect("'hold' never skips");
        gone.pid()
    };
    let ours = env.pin_root.join(format!("tmp-{}", std::process::id()));
    let left = env.pin_root.join(format!("tmp-{dead}"));
    for dir in [&ours, &left] {
        std::fs::create_dir_all(dir.join("maps")).expect("half-made pins");
    }
    env.killer(["up"]).ok();
    assert!(!left.exists(), "what a dead process left is still there");
    assert!(ours.exists(), "what a live process is making is gone");

    // A version directory that lacks something says so, and says what to do.
    let version = std::fs::read_dir(&env.pin_root)
        .expect("pins")
        .flatten()
        .map(|e| e.path())
        .find(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with('v')))
        .expect("the version's directory");
    std::fs::remove_file(version.join("maps/POP")).expect("a pin fewer");
    env.killer(["list"]).error(1, &["down --force"]);
    env.killer(["down", "--force"]).ok();
    env.killer(["run", "--name", "svc", "--", "true"]).ok();
}

/// `killer ARGS` in a mount namespace of its own that `prepare` has changed.
#[track_caller]
fn elsewhere(env: &TestEnv, prepare: &str, pin_root: &str, args: &str) -> Out {
    let mut command = std::process::Command::new("unshare");
    let script = format!("{prepare} || exit 99; KILLER_PIN_ROOT='{pin_root}' exec \"$0\" {args}");
    command.args(["-m", "sh", "-c", &script]).arg(killer_tests::killer());
    command.env("NO_COLOR", "1").env("LC_ALL", "C.UTF-8").stdin(std::process::Stdio::null());
    env.finish(command)
}

#[test]
fn bpffs_is_missing() {
    let Some(env) = TestEnv::new("bpffs_is_missing") else { return };
    // Pins outside of any bpffs.
    let outside = env.path("pins").to_string_lossy().into_owned();
    elsewhere(&env, "true", &outside, "up").error(1, &["bpf", &outside]);
    assert!(!env.path("pins").exists());
    // No place to mount it.
    elsewhere(&env, "mount -t tmpfs none /sys/fs", "/sys/fs/bpf/killer-test-x", "up").error(1, &["bpf"]);
    // No right to mount it.
    let drop = "umount /sys/fs/bpf";
    let out = elsewhere(&env, drop, "/sys/fs/bpf/killer-test-x", "up; exit $?");
    out.ok();
    if Path::new("/usr/bin/setpriv").exists() || Path::new("/bin/setpriv").exists() {
        let mut command = std::process::Command::new("unshare");
        let script = "umount /sys/fs/bpf || exit 99; exec setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin \"$0\" up";
        command.args(["-m", "sh", "-c", script]).arg(killer_tests::killer());
        command.env("KILLER_PIN_ROOT", "/sys/fs/bpf/killer-test-x").stdin(std::process::Stdio::null());
        env.finish(command).error(77, &["CAP_SYS_ADMIN"]);
    }
}

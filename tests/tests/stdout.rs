//! Output that is lost is no success; a reader that has gone is no failure.

use killer_tests::{Launch, Out, TestEnv};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

const FORMS: &[&[&str]] = &[
    &["list"],
    &["list", "-o", "json"],
    &["status", "svc"],
    &["tree", "svc"],
    &["verify", "svc"],
    &["doctor"],
    &["generate", "man"],
    &["generate", "schema"],
    &["generate", "completions", "bash"],
    &["--help"],
    &["--version"],
    &["status", "--help"],
    &["-l"],
    &["-L"],
    &["-n", "svc"],
    &["-v", "-s", "WINCH", "svc"],
    &["-o", "json", "-s", "WINCH", "svc"],
    &["selftest", "--quick", "--only", "plain"],
];

fn ran(env: &TestEnv, args: &[&str], stdout: Stdio, before: fn() -> std::io::Result<()>) -> Out {
    let mut command = env.command();
    command.args(args).stdout(stdout).stderr(Stdio::piped());
    // SAFETY: `before` makes system calls only.
    unsafe { command.pre_exec(before) };
    done(command, args)
}

fn done(mut command: Command, args: &[&str]) -> Out {
    let out = command.spawn().expect("killer").wait_with_output().expect("wait");
    Out {
        args: args.iter().map(|a| (*a).to_owned()).collect(),
        status: out.status,
        stdout: String::from_utf8_lossy(&out.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&out.stderr).into_owned(),
        took: std::time::Duration::ZERO,
    }
}

#[test]
fn lost_output_is_a_failure() {
    let Some(env) = TestEnv::reusing("lost_output_is_a_failure") else { return };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    for args in FORMS {
        let full = File::options().write(true).open("/dev/full").expect("/dev/full");
        let out = ran(&env, args, full.into(), || Ok(()));
        out.error(1, &["stdout could not be written", "space"]);
        let closed = ran(&env, args, Stdio::null(), || {
            // SAFETY: closes what the child has as stdout.
            unsafe { libc::close(1) };
            Ok(())
        });
        closed.error(1, &["stdout could not be written"]);
        let readable = ran(&env, args, File::open("/dev/null").expect("/dev/null").into(), || Ok(()));
        readable.error(1, &["stdout could not be written"]);
        let limited = ran(&env, args, File::create(env.path("limited")).expect("file").into(), || {
            let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            // SAFETY: a limit of the child, by a live struct.
            unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &none) };
            Ok(())
        });
        // The registry of a tier without programs is files, too.
        let words: &[&str] = if args[0] == "selftest" {
            &["too large"]
        } else {
            &["stdout could not be written", "too large"]
        };
        limited.error(1, words);
        // A reader that has gone is quiet.
        let (reader, writer) = rustix::pipe::pipe().expect("pipe");
        drop(reader);
        let gone = ran(&env, args, writer.into(), || Ok(()));
        assert!(gone.exit() == 0 && gone.stderr.is_empty(), "{gone}");
    }
    service.assert_alive();
    // A worse code stands, and what has nothing to say needs no stdout.
    let full = || File::options().write(true).open("/dev/full").expect("/dev/full");
    ran(&env, &["status", "nobody"], full().into(), || Ok(())).code(4);
    let quiet = ran(&env, &["-KILL", "svc"], full().into(), || Ok(()));
    quiet.ok().silent();
    service.assert_dead();
    let dead = ran(&env, &["status", "svc"], full().into(), || Ok(()));
    dead.error(3, &["stdout could not be written"]);
    ran(&env, &["-q", "list"], full().into(), || Ok(())).ok().silent();
}

/// Somebody else of a pipe has made it non-blocking: all of it comes through all the same.
#[test]
fn a_pipe_that_does_not_block_gets_all() {
    let Some(env) = TestEnv::reusing("a_pipe_that_does_not_block_gets_all") else { return };
    let want = env.killer(["generate", "schema"]).ok().stdout.clone();
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("pipe");
    rustix::io::ioctl_fionbio(&writer, true).expect("non-blocking");
    rustix::pipe::fcntl_setpipe_size(&writer, 4096).expect("a small pipe");
    let mut command = env.command();
    command.args(["generate", "schema"]).stdout(Stdio::from(writer));
    let mut child = command.spawn().expect("killer");
    drop(command);
    std::thread::sleep(std::time::Duration::from_millis(200));
    let mut got = String::new();
    std::io::Read::read_to_string(&mut File::from(reader), &mut got).expect("read");
    assert!(child.wait().expect("wait").success());
    assert_eq!(got, want);
}

#[test]
fn a_stop_command_prints_on_stderr() {
    let Some(env) = TestEnv::reusing("a_stop_command_prints_on_stderr") else { return };
    for args in [&["stop", "-o", "json", "svc"][..], &["stop", "svc"]] {
        let launch =
            Launch::new("plain").run_option("--exec-stop").run_option("echo on stdout; echo on stderr >&2");
        let Some(service) = launch.service(&env, "svc") else { return };
        let out = env.killer(args);
        out.ok();
        if args.len() > 2 {
            assert_eq!(out.json()["command"]["exit_code"], 0, "{out}");
        } else {
            assert!(out.stdout.is_empty(), "{out}");
        }
        assert!(out.stderr.contains("on stdout\n") && out.stderr.contains("on stderr\n"), "{out}");
        service.assert_dead();
    }
    // With stderr closed there is no place for it, and the command runs all the same.
    let Some(service) =
        Launch::new("plain").run_option("--exec-stop").run_option("echo lost").service(&env, "svc")
    else {
        return;
    };
    let file = File::create(env.path("out")).expect("file");
    assert!(file.as_raw_fd() > 2);
    let out = ran(&env, &["stop", "-o", "json", "svc"], file.into(), || {
        // SAFETY: closes what the child has as stderr.
        unsafe { libc::close(2) };
        Ok(())
    });
    out.ok();
    let text = std::fs::read_to_string(env.path("out")).expect("output");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    assert_eq!(json["command"]["exit_code"], 0, "{json}");
    service.assert_dead();
}

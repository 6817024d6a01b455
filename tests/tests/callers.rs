//! Callers of every kind: whatever they ignore, block, limit or have lost, CMD gets it and its code comes back.

use killer_tests::{Out, TestEnv, eventually, everywhere};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

type Prepare = fn() -> std::io::Result<()>;

#[track_caller]
fn killer(env: &TestEnv, prepare: Prepare, args: &[&str]) -> Out {
    let mut command = env.command();
    command.args(args);
    // SAFETY: the functions given here make plain system calls only.
    unsafe { command.pre_exec(prepare) };
    env.finish(command)
}

fn ignored_children() -> std::io::Result<()> {
    // SAFETY: a disposition between fork and exec.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    Ok(())
}

fn everything_blocked() -> std::io::Result<()> {
    // The kernel's own call: the C library leaves the signals out that it uses itself.
    let all = u64::MAX;
    // SAFETY: `all` is a live word of the size that is given.
    unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const all, 0usize, size_of::<u64>())
    };
    Ok(())
}

fn everything_ignored() -> std::io::Result<()> {
    for signal in (1..=31).chain(34..=64) {
        // SAFETY: dispositions between fork and exec; what cannot be ignored is refused.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    everything_blocked()
}

fn narrow() -> std::io::Result<()> {
    // SAFETY: plain system calls on locals, between fork and exec.
    unsafe {
        libc::umask(0o777);
        for (resource, soft, hard) in [
            (libc::RLIMIT_NOFILE, 40, 70),
            (libc::RLIMIT_FSIZE, 8192, 1 << 30),
            (libc::RLIMIT_MEMLOCK, 4096, 65536),
        ] {
            libc::setrlimit(resource, &libc::rlimit { rlim_cur: soft, rlim_max: hard });
        }
    }
    Ok(())
}

fn nowhere() -> std::io::Result<()> {
    // SAFETY: as above; the buffer is live and mkdtemp fills it in place.
    unsafe {
        let mut name = *b"/tmp/killer-nowhere-XXXXXX\0";
        if libc::mkdtemp(name.as_mut_ptr().cast()).is_null() || libc::chdir(name.as_ptr().cast()) != 0 {
            return Err(std::io::Error::last_os_error());
        }
        libc::rmdir(name.as_ptr().cast());
    }
    Ok(())
}

const CALLERS: [(&str, Prepare); 5] = [
    ("SIGCHLD ignored", ignored_children),
    ("everything blocked", everything_blocked),
    ("everything ignored and blocked", everything_ignored),
    ("narrow limits, umask 777", narrow),
    ("in a directory that is gone", nowhere),
];

/// What of its starter CMD can see; the directory's name differs.
const WORLD: &str = "grep -E '^(Umask|SigBlk|SigIgn):' /proc/self/status; cat /proc/self/limits; readlink /proc/$$/cwd \
                     | sed s/nowhere-......//; exit 7";

#[test]
fn cmd_gets_the_callers_world_and_its_code_comes_back() {
    everywhere("cmd_gets_the_callers_world", |env| {
        env.killer(["run", "--name", "svc", "--detach", "--", "sleep", "60"]).ok();
        for (who, prepare) in CALLERS {
            let mut direct = Command::new("sh");
            direct.args(["-c", WORLD]);
            // SAFETY: the functions given here make plain system calls only.
            unsafe { direct.pre_exec(prepare) };
            let direct = env.finish(direct);
            assert_eq!(direct.exit(), 7, "{who}: {direct}");
            for verb in [&["run", "--name", "other", "--"], &["exec", "--name", "svc", "--"]] {
                let out = killer(env, prepare, &[&verb[..], &["sh", "-c", WORLD]].concat());
                assert_eq!((out.exit(), &out.stderr), (7, &direct.stderr), "{}: {who}: {out}", env.test);
                assert_eq!(out.stdout, direct.stdout, "{}: {who}: {out}", env.test);
            }
        }
    });
}

#[test]
fn detached_and_stop_commands_too() {
    everywhere("detached_and_stop_commands", |env| {
        for (n, (who, prepare)) in CALLERS.into_iter().enumerate() {
            let (seen, name) = (env.path(&format!("seen{n}")), format!("svc{n}"));
            // The file is there before, because of umask 777.
            std::fs::write(&seen, "").expect("file");
            let script = format!("trap '' TERM; ({WORLD}) > {}; exec sleep 60", seen.display());
            let stop = "exit 5";
            let run = ["run", "--name", &name, "--detach", "--exec-stop", stop, "--", "sh", "-c", &script];
            let out = killer(env, prepare, &run);
            assert_eq!(out.exit(), 0, "{}: {who}: {out}", env.test);
            let mut direct = Command::new("sh");
            direct.args(["-c", &format!("trap '' TERM; ({WORLD})")]);
            // SAFETY: the functions given here make plain system calls only.
            unsafe { direct.pre_exec(prepare) };
            let direct = env.finish(direct).stdout;
            let text = || std::fs::read_to_string(&seen).unwrap_or_default();
            assert!(eventually(Duration::from_secs(10), || text() == direct), "{who}: {}\n{direct}", text());
            let out = killer(env, prepare, &["-o", "json", "stop", "--retry", "KILL/20", &name]);
            let said = out.stdout.contains("\"exit_code\":5");
            assert!(said && out.exit() == 0, "{}: {who}: {out}", env.test);
        }
    });
}

/// The first call of all loads the tracker; its canary's children are waited for.
#[test]
fn the_first_call_of_a_host_from_who_ignores_sigchld() {
    let Some(env) = TestEnv::new("the_first_call_of_a_host") else { return };
    let env = env.alone();
    let out = killer(&env, ignored_children, &["run", "--name", "svc", "--", "sh", "-c", "exit 7"]);
    assert_eq!((out.exit(), &out.stderr[..]), (7, ""), "{out}");
}

//! The kernel sweep: the task itself is signalled, and no other one; nothing of it is needed from user space.

use killer_common::sweep::{Aim, MOST};
use killer_tests::{Launch, Objects, Pidfd, TestEnv, eventually, proc_state, skip};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

/// An environment with a kernel sweep, or `None` after a skip.
fn swept(test: &str) -> Option<TestEnv> {
    if std::env::var_os("KILLER_SWEEP").is_some() {
        skip(test, "KILLER_SWEEP is set");
        return None;
    }
    let env = TestEnv::new(test)?;
    env.killer(["up"]).ok();
    if Objects::new(&env.pin_root).sweep(&[], 0, 0).is_none() {
        skip(
            test,
            "the kernel cannot signal other tasks at once from a program (6.13+), or the tier has no programs for it",
        );
        return None;
    }
    Some(env)
}

/// Every system call that sends a signal is refused to `command`.
fn without_signals(mut command: Command) -> Command {
    let calls = [
        libc::SYS_kill,
        libc::SYS_tkill,
        libc::SYS_tgkill,
        libc::SYS_rt_sigqueueinfo,
        libc::SYS_rt_tgsigqueueinfo,
        libc::SYS_pidfd_send_signal,
    ];
    // SAFETY: prctl on data of this closure, between fork and exec.
    unsafe {
        command.pre_exec(move || {
            let load = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
            let equal = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
            let answer = (libc::BPF_RET | libc::BPF_K) as u16;
            let line = |code, jt, k| libc::sock_filter { code, jt, jf: 0, k };
            let mut filter = vec![line(load, 0, 0)];
            for (n, call) in calls.iter().enumerate() {
                filter.push(line(equal, (calls.len() - n) as u8, *call as u32));
            }
            filter.push(line(answer, 0, libc::SECCOMP_RET_ALLOW));
            filter.push(line(answer, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32));
            let prog = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
            let done = libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &prog) == 0;
            if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
        });
    }
    command
}

fn kill(env: &TestEnv, name: &str, more: &[&str]) -> Command {
    let mut command = env.command();
    command.args(["-s", "KILL"]).args(more).arg(name);
    without_signals(command)
}

#[test]
fn no_signal_comes_from_user_space() {
    let Some(env) = swept("no_signal_comes_from_user_space") else { return };
    for behaviour in ["leader-exits", "exec-nonleader", "daemon", "pid-ns"] {
        let Some(service) = Launch::new(behaviour).service(&env, behaviour) else { continue };
        // By pidfds it is refused: the filter works.
        let mut by_hand = kill(&env, behaviour, &["--wait=1s"]);
        // Whoever mistypes it has asked for something else than the kernel.
        by_hand.env("KILLER_SWEEP", if behaviour == "daemon" { "pidfds" } else { "pidfd" });
        let out = env.finish(by_hand);
        assert_ne!(out.exit(), 0, "{behaviour}: {}", out.stderr);
        assert!(service.live.alive(), "{behaviour} was ended without a signal");
        env.finish(kill(&env, behaviour, &[])).ok();
        service.assert_dead();
    }
}

/// A part of a set, too: its processes are handed over, and no others.
#[test]
fn a_part_of_a_set_is_swept() {
    let Some(env) = swept("a_part_of_a_set_is_swept") else { return };
    let script = "sleep 300 & a=$!; (exec sleep 301) & echo ready a=$a > $1; exec sleep 302";
    let Some(service) = Launch::shell(script).service(&env, "part") else { return };
    let a = Pidfd::open(service.fact("a")).expect("the first sleep");
    env.finish(kill(&env, "part", &["--whom=!main"])).ok();
    assert!(a.ends_within(Duration::from_secs(10)));
    assert!(service.live.alive(), "the main process was signalled");
    env.finish(kill(&env, "part", &[])).ok();
    service.assert_dead();
}

/// A thaw, too; who was stopped before the freeze stays so, also when a thaw before could reach nobody.
#[test]
fn a_thaw_is_the_kernels() {
    let Some(env) = swept("a_thaw_is_the_kernels") else { return };
    let script =
        "sleep 300 & a=$!; sleep 301 & b=$!; kill -STOP $b; echo ready a=$a b=$b > $1; exec sleep 302";
    let Some(service) = Launch::shell(script).service(&env, "held") else { return };
    let (a, b) = (service.fact("a"), service.fact("b"));
    let states = || [a, b].map(|pid| proc_state(pid).unwrap_or('-'));
    assert!(eventually(Duration::from_secs(10), || states()[1] == 'T'));
    env.killer(["freeze", "held"]).ok();
    assert_eq!(states(), ['T', 'T']);
    let thaw = || {
        let mut command = env.command();
        command.args(["thaw", "held"]);
        without_signals(command)
    };
    let mut by_hand = thaw();
    by_hand.env("KILLER_SWEEP", "pidfd");
    let out = env.finish(by_hand);
    assert_ne!(out.exit(), 0, "{}", out.stderr);
    assert_eq!(states(), ['T', 'T'], "somebody was let go without a signal");
    env.finish(thaw()).ok();
    assert!(eventually(Duration::from_secs(10), || states()[0] == 'S'));
    assert_eq!(states(), ['S', 'T'], "who was stopped before was let go");
    // What was noted is forgotten: the next freeze and thaw let him go.
    env.killer(["-s", "CONT", "held"]).ok();
    assert!(eventually(Duration::from_secs(10), || states() == ['S', 'S']));
    env.killer(["freeze", "held"]).ok();
    env.finish(thaw()).ok();
    assert!(eventually(Duration::from_secs(10), || states() == ['S', 'S']), "{:?}", states());
    env.finish(kill(&env, "held", &[])).ok();
    service.assert_dead();
}

fn aim_of(objects: &Objects, pid: i32) -> Aim {
    let m = objects.member(pid as u32).expect("an entry");
    Aim { tgid: m.tgid, root: m.root, generation: m.generation, pad: 0, start: m.leader_start }
}

#[test]
fn the_task_that_is_meant_and_no_other() {
    let Some(env) = swept("the_task_that_is_meant_and_no_other") else { return };
    let objects = Objects::new(&env.pin_root);
    let Some(outside) = Launch::new("leader-exits").direct(&env.test) else { return };
    let leader = |facts: &[String]| {
        facts
            .iter()
            .find_map(|f| f.split_whitespace().find_map(|w| w.strip_prefix("leader=")?.parse::<u32>().ok()))
    };
    let leader = leader(&outside.facts).expect("its leader");
    let Some(service) = Launch::new("leader-exits").service(&env, "meant") else { return };
    let right = aim_of(&objects, service.fact("leader"));
    let wrong = [
        Aim { start: right.start + 1, ..right },
        Aim { root: right.root + 1, ..right },
        Aim { generation: right.generation + 1, ..right },
        Aim { tgid: leader, ..right },
        Aim { tgid: 1, ..right },
        Aim { tgid: 0, ..right },
        Aim { tgid: u32::MAX, ..right },
    ];
    let run = objects.sweep(&wrong, 9, 0).expect("a run");
    assert_eq!((run.sent, run.refused), (0, 0), "nobody was meant: {run:?}");
    assert!(service.live.alive());
    assert!(outside.live.alive(), "a stranger was ended");
    // The last place of a full run; what is beyond is not looked at.
    let child = aim_of(&objects, service.fact("child"));
    let mut many = vec![wrong[0]; MOST];
    many[MOST - 1] = right;
    many.push(child);
    let run = objects.sweep(&many, 9, 0).expect("a run");
    assert_eq!((run.sent, run.refused), (1 << (MOST - 1), 0));
    assert!(service.live.alive(), "the child was not meant");
    assert_eq!(objects.sweep(&[child], 9, 0).expect("a run").sent, 1);
    service.assert_dead();
    assert!(outside.live.alive(), "a stranger was ended");
}

/// The caller and its nearest ancestors, as many as it says.
#[test]
fn the_caller_is_spared() {
    let Some(env) = swept("the_caller_is_spared") else { return };
    let mut command = env.command();
    command.args(["run", "--name", "self", "--"]).arg(std::env::current_exe().expect("this test"));
    command.args(["--exact", "--ignored", "inside_of_a_service"]);
    let out = env.finish(command);
    assert_eq!(out.exit(), 0, "{}{}", out.stdout, out.stderr);
    assert!(out.stdout.contains("1 passed"), "{}", out.stdout);
}

#[test]
#[ignore = "the_caller_is_spared runs it as a service"]
fn inside_of_a_service() {
    let root = std::env::var_os("KILLER_PIN_ROOT").expect("a place of the pins");
    let objects = Objects::new(std::path::Path::new(&root));
    let me = aim_of(&objects, std::process::id() as i32);
    let run = objects.sweep(&[me], 9, 1).expect("a run");
    assert_eq!((run.sent, run.refused, run.errno), (0, 1, libc::EPERM as u32));
    // A child of ours: we are its parent.
    // SAFETY: the child makes system calls and exits.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let spared = |near| objects.sweep(&[me], 0, near).map_or(0, |run| run.refused);
        // Signal 0 is sent to nobody, and is no refusal.
        let code = i32::from(spared(2) == 1) + 2 * i32::from(spared(1) == 0);
        // SAFETY: ends this process and nothing else.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: waits for our own child.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(libc::WEXITSTATUS(status), 3);
}

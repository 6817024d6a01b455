//! Without pidfds, as before 5.3: system calls hidden by seccomp.

use killer_tests::{Bystander, Launch, TestEnv};

use super::{named, scan};

/// A kernel without pidfds, as far as `killer` and all that it starts can see.
fn without_pidfds(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt;
    // SAFETY: prctl on data of this function, between fork and exec.
    unsafe {
        command.pre_exec(|| {
            let stmt = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
            let jump = |k: libc::c_long, jt, jf| libc::sock_filter {
                code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
                jt,
                jf,
                k: k as u32,
            };
            let mut filter = [
                stmt(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
                jump(libc::SYS_pidfd_open, 1, 0),
                jump(libc::SYS_pidfd_send_signal, 0, 1),
                stmt(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
                stmt(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
            ];
            let prog = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
            let done = libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &prog) == 0;
            if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
        });
    }
}

fn no_pidfds(env: Option<TestEnv>, test: &str) {
    let Some(env) = env else { return };
    let bystander = Bystander::new(test);
    let launch = Launch::new("daemon");
    let mut command = env.command();
    command.args(["run", "--name", "svc", "--detach", "--keep-fds", "--"]);
    without_pidfds(&mut command);
    let Some((running, service)) = launch.under(&env, command, "svc") else { return };
    running.finish(std::time::Duration::from_secs(10)).ok();
    service.assert_alive();
    let mut command = env.command();
    command.args(["-s", "KILL", "--wait", "svc"]);
    without_pidfds(&mut command);
    env.finish(command).ok().silent();
    service.assert_dead();
    bystander.assert_untouched();
    env.killer(["status", "svc"]).code(3);
}

#[test]
fn without_pidfds_with_named() {
    let test = "without_pidfds_with_named";
    no_pidfds(named(test), test);
}

#[test]
fn without_pidfds_with_scan() {
    let test = "without_pidfds_with_scan";
    no_pidfds(scan(test), test);
}

//! Hosts that lack something: pidfds, entropy, privilege, somebody who reaps, a name that is text.

mod entropy;
mod hidden;
mod mounts;
mod names;
mod old_bpf;
mod old_kernels;
mod pidfds;
mod privilege;
mod promises;
mod reaper;

use std::process::Command;

use killer_tests::TestEnv;

/// What `command` and all that it starts is answered for these system calls: an error.
fn without(command: &mut Command, calls: &[(libc::c_long, i32)]) {
    use std::os::unix::process::CommandExt;
    let calls = calls.to_vec();
    // SAFETY: prctl on data of this closure, between fork and exec; it allocates in a child of a process whose other threads
    // may hold the allocator's lock, which the C library takes care of at fork.
    unsafe {
        command.pre_exec(move || {
            let stmt = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
            let mut filter = vec![stmt(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0)];
            for (call, errno) in &calls {
                let code = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
                filter.push(libc::sock_filter { code, jt: 0, jf: 1, k: *call as u32 });
                filter.push(stmt(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | *errno as u32));
            }
            filter.push(stmt(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW));
            let prog = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
            let done = libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &prog) == 0;
            if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
        });
    }
}

fn programs(test: &str) -> Option<TestEnv> {
    TestEnv::new(test)
}

fn named(test: &str) -> Option<TestEnv> {
    TestEnv::named(test)
}

fn scan(test: &str) -> Option<TestEnv> {
    TestEnv::without_programs(test, "scan", None)
}

//! Chains that change everything by which somebody could know them, link after link: PID, session, process group,
//! name, program, cgroup.

use crate::ctx::{Ctx, exit, pid, pointers, reap_by_itself, sleep_ms};
use std::ffi::CString;

/// Arguments: number of chains (8), directories of cgroup v2 to move between (none).
pub fn chains(ctx: Ctx, args: &[String]) {
    let count = args.first().and_then(|a| a.parse().ok()).unwrap_or(8);
    reap_by_itself();
    for n in 0..count {
        ctx.child(|| hop(ctx, n, args.get(1..).unwrap_or_default()));
    }
    sleep_ms(50);
    ctx.ready("");
    // The root goes too.
}

/// What a link executes: the chain goes on from here. Arguments: its turn, the directories.
pub fn link(ctx: Ctx, args: &[String]) {
    let turn = args.first().and_then(|a| a.parse().ok()).unwrap_or(0);
    hop(ctx, turn, args.get(1..).unwrap_or_default());
}

fn hop(ctx: Ctx, mut turn: u32, groups: &[String]) {
    const BOUND: u32 = 200_000;
    for _ in 0..BOUND {
        if ctx.over() {
            exit(0);
        }
        turn = turn.wrapping_add(1);
        // SAFETY: one thread; the child goes on in this loop and the parent ends, so the frames have one owner.
        match unsafe { libc::fork() } {
            0 => change(ctx, turn, groups),
            -1 => sleep_ms(1),
            _ => exit(0),
        }
    }
}

fn change(ctx: Ctx, turn: u32, groups: &[String]) {
    match turn % 16 {
        // SAFETY: setsid takes nothing and touches no memory.
        0 | 8 => drop(unsafe { libc::setsid() }),
        1 | 9 => {
            let name = format!("k{:x}\0", turn.wrapping_mul(2_654_435_761));
            // SAFETY: the name ends in NUL; the kernel copies at most 16 bytes.
            unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
        }
        // SAFETY: plain integers.
        2 | 10 => drop(unsafe { libc::setpgid(0, 0) }),
        3 => {
            if let Some(dir) = groups.get((turn / 16) as usize % groups.len().max(1)) {
                let _ = std::fs::write(format!("{dir}/cgroup.procs"), pid().to_string());
            }
        }
        5 => {
            let mut argv = ctx.argv("evasive-link");
            argv.extend(CString::new(turn.to_string()));
            argv.extend(groups.iter().filter_map(|g| CString::new(g.as_str()).ok()));
            let (argv, env) = (pointers(&argv), pointers(&[]));
            // SAFETY: both vectors are NULL-terminated and live, with their strings, until the call has ended. When it
            // fails the chain goes on as it is.
            unsafe { libc::execve(c"/proc/self/exe".as_ptr(), argv.as_ptr(), env.as_ptr()) };
        }
        _ => {}
    }
}

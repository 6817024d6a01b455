//! Members that do nothing but exec.

use std::ffi::CString;

use crate::ctx::{Ctx, exit, pid, pointers, sleep_ms};

/// Four processes that execute themselves as often as they may.
pub fn execs(ctx: Ctx, args: &[String]) {
    if ctx.over() {
        exit(0);
    }
    if args.is_empty() {
        let child = ctx.child(|| again(&ctx));
        for _ in 0..3 {
            ctx.child(|| again(&ctx));
        }
        sleep_ms(50);
        ctx.ready(&format!("pid={} child={child}", pid()));
        ctx.hold()
    }
    again(&ctx)
}

fn again(ctx: &Ctx) -> ! {
    let mut argv = ctx.argv("exec-storm");
    argv.push(CString::new("again").expect("no NUL"));
    let (argv, env) = (pointers(&argv), pointers(&[]));
    // SAFETY: both vectors end in NULL and live across the call.
    unsafe { libc::execve(c"/proc/self/exe".as_ptr(), argv.as_ptr(), env.as_ptr()) };
    ctx.fail("execve")
}

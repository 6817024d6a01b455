//! A background process that must not hold what its starter happened to have open.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// `CLOSE_RANGE_CLOEXEC` (5.11+)
const RANGE_CLOEXEC: libc::c_uint = 4;
/// Before that, so many are looked at.
const MOST: i32 = 4096;

/// Lets nothing but descriptors 0 to 2 through to the program.
pub fn alone(command: &mut Command) {
    // SAFETY: only system calls between fork and exec, on no memory of the parent's.
    unsafe {
        command.pre_exec(|| {
            if libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, RANGE_CLOEXEC) != 0 {
                for fd in 3..MOST {
                    libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
                }
            }
            Ok(())
        });
    }
}

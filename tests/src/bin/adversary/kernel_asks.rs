//! Raw clone3(2), which the C library does not offer.

use crate::ctx::Ctx;

/// `struct clone_args`, as far as cgroups (size 88, Linux 5.7).
#[repr(C)]
#[derive(Default)]
pub struct CloneArgs {
    /// CLONE_* flags.
    pub flags: u64,
    /// Address for the pidfd.
    pub pidfd: u64,
    /// Address for CLONE_CHILD_SETTID.
    pub child_tid: u64,
    /// Address for CLONE_PARENT_SETTID.
    pub parent_tid: u64,
    /// Signal to the parent at the end.
    pub exit_signal: u64,
    /// Lowest address of the stack, 0 as with fork.
    pub stack: u64,
    /// Its size.
    pub stack_size: u64,
    /// TLS.
    pub tls: u64,
    /// Address of the wanted PIDs, innermost namespace first.
    pub set_tid: u64,
    /// How many there are.
    pub set_tid_size: u64,
    /// Descriptor of the cgroup to be born in.
    pub cgroup: u64,
}

/// clone3 as a fork: 0 in the child, its PID in the parent, -1 with errno.
pub fn clone3(args: &CloneArgs) -> libc::pid_t {
    // SAFETY: `args` has the size that is given, and what it points to is the caller's and alive; no CLONE_VM is used
    // with stack 0, so this is a fork.
    unsafe { libc::syscall(libc::SYS_clone3, args, size_of::<CloneArgs>()) as libc::pid_t }
}

/// The last errno.
pub fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// Ends as a skip when the last call was refused for lack of the feature or the right, as a failure otherwise.
pub fn refused(ctx: &Ctx, what: &str) -> ! {
    match errno() {
        libc::ENOSYS | libc::EPERM | libc::EACCES | libc::EOPNOTSUPP | libc::EINVAL => {
            ctx.skip(&format!("{what}: {}", std::io::Error::last_os_error()))
        }
        _ => ctx.fail(what),
    }
}

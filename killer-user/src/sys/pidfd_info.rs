//! What the kernel tells by a pidfd, to everybody: the parent of a process that /proc hides (`hidepid=`, 6.13+), and how one ended that
//! has been reaped (6.15+).

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use super::lack::Lack;
use super::proc::pidfd_open;

/// `struct pidfd_info` as 6.13 has it (`include/uapi/linux/pidfd.h`); later kernels take this size, too.
#[repr(C)]
#[derive(Default)]
struct Info {
    /// Asked for, and answered.
    mask: u64,
    cgroup: u64,
    pid: u32,
    tgid: u32,
    ppid: u32,
    ids: [u32; 8],
    exit_code: i32,
}

/// `PIDFD_INFO_PID`, which the parent comes with.
const PID: u64 = 1;
/// `PIDFD_INFO_EXIT`
const EXIT: u64 = 1 << 3;
/// `PIDFD_GET_INFO`: `_IOWR(0xFF, 11, struct pidfd_info)`.
const GET_INFO: u32 = 3 << 30 | (size_of::<Info>() as u32) << 16 | 0xFF << 8 | 11;

/// The parent's number; 0 where it is outside of this PID namespace.
///
/// # Errors
/// The kernel's: there is no such process, or it cannot tell (ENOTTY, EINVAL before 6.13).
pub fn parent(pid: u32) -> io::Result<u32> {
    let info = info(pidfd_open(pid)?, PID)?;
    match info.tgid == pid {
        true => Ok(info.ppid),
        false => Err(io::Error::from_raw_os_error(libc::EINVAL)),
    }
}

/// What wait(2) told of a process that has ended and has been waited for.
///
/// # Errors
/// The kernel's: nobody has waited for it yet (EINVAL here), or it cannot tell (ENOTTY, EINVAL before 6.15).
pub fn exit_status(pidfd: impl AsFd) -> io::Result<u16> {
    info(pidfd, EXIT).map(|i| i.exit_code as u16)
}

/// Whether the kernel answers such questions of this one at all (ENOTTY before 6.13, and of what stands for a pidfd before 5.3).
pub fn is_known(pidfd: impl AsFd) -> bool {
    info(pidfd, EXIT).err().and_then(|e| e.raw_os_error()) != Some(libc::ENOTTY)
}

/// All that was asked for, or an error.
fn info(pidfd: impl AsFd, mask: u64) -> io::Result<Info> {
    Lack::PidfdInfo.check()?;
    let mut info = Info { mask, ..Info::default() };
    // SAFETY: the descriptor is open, and `info` is a live struct of the size that the number of the call says.
    match unsafe { libc::ioctl(pidfd.as_fd().as_raw_fd(), GET_INFO as _, &raw mut info) } {
        0 if info.mask & mask == mask => Ok(info),
        0 => Err(io::Error::from_raw_os_error(libc::EINVAL)),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_this_process() {
        assert_eq!(size_of::<Info>(), 64);
        match parent(std::process::id()) {
            Ok(parent) => assert_eq!(parent, std::os::unix::process::parent_id()),
            Err(e) => assert!(matches!(e.raw_os_error(), Some(libc::ENOTTY | libc::EINVAL)), "{e}"),
        }
        assert!(parent(0).is_err());
    }

    #[test]
    fn of_one_that_was_waited_for() {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "read x; exit 7"]).stdin(std::process::Stdio::piped());
        let mut child = command.spawn().expect("sh");
        let fd = pidfd_open(child.id()).expect("a pidfd");
        assert!(exit_status(&fd).is_err(), "it lives");
        drop(child.stdin.take());
        child.wait().expect("its end");
        match exit_status(&fd) {
            Ok(status) => assert_eq!(status, 7 << 8),
            Err(e) => {
                assert!(matches!(e.raw_os_error(), Some(libc::ENOTTY | libc::EINVAL | libc::ESRCH)), "{e}")
            }
        }
    }
}

//! The parent of a process that /proc hides (`hidepid=`): the kernel tells it by a pidfd, to everybody (6.13+).

use std::io;
use std::os::fd::AsRawFd;

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
/// `PIDFD_GET_INFO`: `_IOWR(0xFF, 11, struct pidfd_info)`.
const GET_INFO: u32 = 3 << 30 | (size_of::<Info>() as u32) << 16 | 0xFF << 8 | 11;

/// The parent's number; 0 where it is outside of this PID namespace.
///
/// # Errors
/// The kernel's: there is no such process, or it cannot tell (ENOTTY, EINVAL before 6.13).
pub fn of(pid: u32) -> io::Result<u32> {
    Lack::PidfdInfo.check()?;
    let fd = pidfd_open(pid)?;
    let mut info = Info { mask: PID, ..Info::default() };
    // SAFETY: the descriptor is open, and `info` is a live struct of the size that the number of the call says.
    let r = unsafe { libc::ioctl(fd.as_raw_fd(), GET_INFO as _, &raw mut info) };
    match r {
        0 if info.mask & PID != 0 && info.tgid == pid => Ok(info.ppid),
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
        match of(std::process::id()) {
            Ok(parent) => assert_eq!(parent, std::os::unix::process::parent_id()),
            Err(e) => assert!(matches!(e.raw_os_error(), Some(libc::ENOTTY | libc::EINVAL)), "{e}"),
        }
        assert!(of(0).is_err());
    }
}

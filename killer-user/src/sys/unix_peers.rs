//! Which unix sockets are connected with which, in a network namespace: only the kernel's sock_diag tells it, to who is in there
//! (`net/unix/diag.c`, 3.3+).

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::entry::{self, Entry};

/// `SOCK_DIAG_BY_FAMILY`
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST | NLM_F_DUMP`
const DUMP: u16 = 0x1 | 0x300;
/// `NLMSG_ERROR`
const ERROR: u16 = 2;
/// `NLMSG_DONE`
const DONE: u16 = 3;
/// `UDIAG_SHOW_PEER`
const SHOW_PEER: u32 = 4;
/// `UNIX_DIAG_PEER`
const PEER: u16 = 2;
/// Bytes of `struct nlmsghdr` and of `struct unix_diag_msg`.
const HEAD: usize = 16;
const MESSAGE: usize = 16;

fn request() -> Vec<u8> {
    let mut m = Vec::with_capacity(HEAD + 24);
    m.extend(((HEAD + 24) as u32).to_ne_bytes());
    m.extend(BY_FAMILY.to_ne_bytes());
    m.extend(DUMP.to_ne_bytes());
    m.extend([0; 8]);
    // `struct unix_diag_req`: family, protocol, all states, no inode, what to show, no cookie.
    m.extend([libc::AF_UNIX as u8, 0, 0, 0]);
    m.extend(u32::MAX.to_ne_bytes());
    m.extend(0u32.to_ne_bytes());
    m.extend(SHOW_PEER.to_ne_bytes());
    m.extend([0; 8]);
    m
}

/// Inodes of sockets in a process's network namespace and of those that they are connected to, within so long. A thread of its own goes
/// there, and ends.
///
/// # Errors
/// The namespace cannot be entered (CAP_SYS_ADMIN), or the kernel does not tell it, or not in time.
pub fn of(process: &Entry, most: Duration) -> io::Result<Vec<(u64, u64)>> {
    let there = process.link("ns/net")?;
    if entry::link("self/ns/net").is_ok_and(|here| here == there) {
        return all(most);
    }
    let space = process.file("ns/net")?;
    let inside = || {
        nix::sched::setns(space.as_fd(), nix::sched::CloneFlags::CLONE_NEWNET)?;
        all(most)
    };
    std::thread::scope(|s| s.spawn(inside).join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into())))
}

/// Those in the network namespace of this thread.
fn all(most: Duration) -> io::Result<Vec<(u64, u64)>> {
    let began = Instant::now();
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let s = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(SOCK_DIAG))?;
    rustix::net::sendto(&s, &request(), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut found = Vec::new();
    let mut piece = vec![0u8; 64 * 1024];
    loop {
        let left = most.checked_sub(began.elapsed()).ok_or(io::ErrorKind::TimedOut)?;
        let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        if poll(&mut [PollFd::new(&s, PollFlags::IN)], Some(&left))? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let (n, _) = rustix::net::recv(&s, &mut piece[..], RecvFlags::empty())?;
        if n == 0 || read(&piece[..n], &mut found)? {
            return Ok(found);
        }
    }
}

fn word<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// The messages of one datagram; true: the last one was among them.
fn read(mut bytes: &[u8], found: &mut Vec<(u64, u64)>) -> io::Result<bool> {
    while bytes.len() >= HEAD {
        let length = word(bytes, 0).map_or(0, u32::from_ne_bytes) as usize;
        let kind = word(bytes, 4).map_or(0, u16::from_ne_bytes);
        if length < HEAD || length > bytes.len() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        match kind {
            DONE => return Ok(true),
            ERROR => {
                let code = word(bytes, HEAD).map_or(0, i32::from_ne_bytes);
                return Err(io::Error::from_raw_os_error(code.saturating_neg()));
            }
            _ => found.extend(pair(&bytes[HEAD..length])),
        }
        bytes = &bytes[length.next_multiple_of(4).min(bytes.len())..];
    }
    Ok(false)
}

/// One socket and its peer.
fn pair(message: &[u8]) -> Option<(u64, u64)> {
    let own = u32::from_ne_bytes(word(message, 4)?);
    let mut rest = message.get(MESSAGE..)?;
    while rest.len() >= 4 {
        let length = u16::from_ne_bytes(word(rest, 0)?) as usize;
        let kind = u16::from_ne_bytes(word(rest, 2)?);
        if kind == PEER && length >= 8 {
            let peer = u32::from_ne_bytes(word(rest, 4)?);
            return (peer != 0).then_some((own.into(), peer.into()));
        }
        rest = rest.get(length.max(4).next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn inode(s: &UnixStream) -> u64 {
        use std::os::fd::AsRawFd;
        std::fs::metadata(format!("/proc/self/fd/{}", s.as_raw_fd())).expect("a socket").ino()
    }

    #[test]
    fn two_ends() {
        let (a, b) = UnixStream::pair().expect("a pair");
        match all(Duration::from_secs(10)) {
            Ok(found) => {
                assert!(found.contains(&(inode(&a), inode(&b))) && found.contains(&(inode(&b), inode(&a))));
            }
            // A kernel without unix_diag.
            Err(e) => assert!(matches!(e.raw_os_error(), Some(libc::ENOENT | libc::EPROTONOSUPPORT)), "{e}"),
        }
        assert!(read(&[0; 40], &mut Vec::new()).is_err() && read(&[9; 15], &mut Vec::new()).is_ok());
    }
}

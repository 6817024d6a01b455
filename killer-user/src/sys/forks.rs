//! The proc connector: the kernel tells of every fork and exit (`drivers/connector/cn_proc.c`). It needs CAP_NET_ADMIN and the
//! initial user and PID namespaces; it can lose events, and says so (ENOBUFS, `net/netlink/af_netlink.c:netlink_overrun`).

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::proc;

const CN_IDX_PROC: u32 = 1;
const CN_VAL_PROC: u32 = 1;
const PROC_CN_MCAST_LISTEN: u32 = 1;
const PROC_EVENT_FORK: u32 = 1;
const PROC_EVENT_EXIT: u32 = 0x8000_0000;
/// Bytes of events that wait for a listener that is behind: some ten thousands. They are taken only while they wait.
const ROOM: usize = 16 << 20;
/// struct nlmsghdr, struct cn_msg, and the head of struct proc_event (what, cpu, timestamp).
const NLMSG: usize = 16;
const CN_MSG: usize = 20;
const EVENT: usize = 16;

impl std::os::fd::AsFd for Forks {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What the kernel told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A process (not a thread) was forked: creator, child.
    Fork(u32, u32),
    /// The leader of a process has ended.
    Exit(u32),
}

/// What was told since the listener asked last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// In the order in which it happened.
    pub events: Vec<Event>,
    /// More was told, and is lost.
    pub lost: bool,
}

/// A listener.
#[derive(Debug)]
pub struct Forks(OwnedFd);

impl Forks {
    /// Begins to listen.
    pub fn listen() -> io::Result<Self> {
        let fd = net::socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC,
            Some(netlink::CONNECTOR),
        )?;
        // What can bind can do this; with the room that every socket has, 280 events, a listener that has to wait for a processor
        // is deaf.
        let _ = net::sockopt::set_socket_recv_buffer_size_force(&fd, ROOM);
        net::bind(&fd, &SocketAddrNetlink::new(0, CN_IDX_PROC))?;
        let head = [(NLMSG + CN_MSG + 4) as u32, libc::NLMSG_DONE as u32, 0, std::process::id()];
        let body = [CN_IDX_PROC, CN_VAL_PROC, 0, 0, 4, PROC_CN_MCAST_LISTEN];
        let message = [&head[..], &body].concat();
        net::send(&fd, bytemuck::cast_slice(&message), SendFlags::empty())?;
        Ok(Self(fd))
    }

    /// All that is told by now, after waiting for the first event so long.
    pub fn next(&self, most: Duration) -> io::Result<Told> {
        let mut told = Told::default();
        if !proc::readable(&self.0, most) {
            return Ok(told);
        }
        let mut buf = [0u8; 1024];
        loop {
            let from = match net::recvfrom(&self.0, &mut buf[..], RecvFlags::DONTWAIT) {
                Ok((n, _, from)) => from.and_then(|a| SocketAddrNetlink::try_from(a).ok()).map(|a| (n, a)),
                Err(Errno::AGAIN) => return Ok(told),
                Err(Errno::NOBUFS) => {
                    told.lost = true;
                    continue;
                }
                Err(e) => return Err(e.into()),
            };
            // Only the kernel is number 0.
            if let Some((n, _)) = from.filter(|(_, address)| address.pid() == 0) {
                told.events.extend(parse(&buf[..n]));
            }
        }
    }
}

fn parse(m: &[u8]) -> Option<Event> {
    let word = |at: usize| Some(u32::from_ne_bytes(m.get(at..at + 4)?.try_into().ok()?));
    let (what, data) = (NLMSG + CN_MSG, NLMSG + CN_MSG + EVENT);
    if word(NLMSG)? != CN_IDX_PROC || word(NLMSG + 4)? != CN_VAL_PROC {
        return None;
    }
    let (a, b, c, d) = (word(data)?, word(data + 4)?, word(data + 8), word(data + 12));
    match word(what)? {
        // parent_pid, parent_tgid, child_pid, child_tgid
        PROC_EVENT_FORK if c == d => Some(Event::Fork(b, d?)),
        // process_pid, process_tgid
        PROC_EVENT_EXIT if a == b => Some(Event::Exit(b)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_is_told() {
        let forks = match Forks::listen() {
            Ok(f) => f,
            Err(e) => {
                println!("SKIP: a_fork_is_told: {e}");
                return;
            }
        };
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let (mut born, mut gone) = (false, false);
        for _ in 0..500 {
            for e in forks.next(Duration::from_millis(10)).unwrap_or_default().events {
                born |= e == Event::Fork(std::process::id(), child.id());
                gone |= e == Event::Exit(child.id());
            }
            if born && gone {
                break;
            }
        }
        child.wait().unwrap();
        assert!(born && gone);
    }

    #[test]
    fn what_is_too_short_is_nothing() {
        for n in 0..80 {
            assert_eq!(parse(&vec![1; n]), None);
        }
    }
}

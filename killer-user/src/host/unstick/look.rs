//! What the threads of a survivor are held in, by the kernel's word.

use killer_common::record::Member;

use crate::sys::alive::{self, Look};
use crate::sys::entry::Entry;

/// So many threads of one process are looked at.
const THREADS: usize = 1024;

/// One thread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thread {
    /// Its state, as /proc has it.
    pub state: char,
    /// The thread that traces it; 0: none.
    pub tracer: u32,
    /// The functions of the kernel that it is in, innermost first; where these cannot be read, the one that it sleeps in.
    pub stack: String,
    /// The first argument of the system call that it is in: a descriptor, when it is one.
    pub argument: Option<u64>,
}

impl Thread {
    fn of(e: &Entry) -> Option<Self> {
        let status = e.text("status").ok()?;
        let field = |name: &str| {
            let rest = status.lines().find_map(|l| l.strip_prefix(name))?;
            Some(rest.trim().to_owned())
        };
        let stack = e.text("stack").ok().filter(|s| !s.trim().is_empty());
        let call = e.text("syscall").unwrap_or_default();
        Some(Self {
            state: field("State:").and_then(|s| s.chars().next()).unwrap_or('?'),
            tracer: field("TracerPid:").and_then(|n| n.parse().ok()).unwrap_or(0),
            stack: stack.or_else(|| e.text("wchan").ok()).unwrap_or_default(),
            argument: argument(&call),
        })
    }

    fn is_in(&self, is: impl Fn(&str) -> bool) -> bool {
        self.stack.lines().map(function).any(is)
    }

    /// It waits for the answer of a FUSE server. Before SIGKILL that is a sleep that signals end, and after it, when the server has
    /// read the request, one that they do not.
    pub fn in_fuse(&self) -> bool {
        let waits = |f: &str| f == "request_wait_answer" || f.contains("fuse_simple_request");
        self.is_in(waits)
            || self.state == 'D' && self.is_in(|f| f.starts_with("fuse_") || f.contains("_fuse_"))
    }

    /// It sleeps uninterruptibly for an NFS server.
    pub fn in_nfs(&self) -> bool {
        self.state == 'D' && self.is_in(|f| f.starts_with("nfs") || f.starts_with("rpc_"))
    }
}

/// The name in `[<0>] request_wait_answer+0x1c/0x2f0`.
fn function(line: &str) -> &str {
    let name = line.rsplit("] ").next().unwrap_or(line);
    name.split('+').next().unwrap_or(name).trim()
}

/// The first argument in `0 0x3 0x7ffd ...`; `running`, and a thread that is in no call, have none.
fn argument(text: &str) -> Option<u64> {
    let mut words = text.split_ascii_whitespace();
    words.next()?.parse::<u32>().ok()?;
    u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()
}

/// A member that is still there.
#[derive(Debug)]
pub struct Stuck {
    /// Its entry.
    pub member: Member,
    /// Its directory in /proc, which stays its own.
    pub entry: Entry,
    /// Its threads.
    pub threads: Vec<Thread>,
}

impl Stuck {
    /// Looks at it; `None`: it has ended, or cannot be looked at.
    pub fn of(m: &Member) -> Option<Self> {
        let Look::Here(entry, _) = alive::look(m.tgid, m.leader_start) else { return None };
        let own = Thread::of(&entry);
        let tids = entry.threads().unwrap_or_default();
        let others = tids.into_iter().take(THREADS).filter(|t| *t != m.tgid);
        let others = others.filter_map(|t| Thread::of(&entry.thread(t).ok()?));
        let threads = own.into_iter().chain(others).collect();
        Some(Self { member: *m, entry, threads })
    }

    /// It is there still, and the same.
    pub fn lives(&self) -> bool {
        alive::alive(self.member.tgid, self.member.leader_start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_sleeps_in() {
        let stack = "[<0>] request_wait_answer+0x117/0x250\n[<0>] fuse_simple_request+0x1a/0x30\n[<0>] vfs_read+0x1\n";
        let of = |state, stack: &str| Thread { state, stack: stack.into(), ..Thread::default() };
        assert!(of('D', stack).in_fuse() && !of('D', stack).in_nfs() && of('S', stack).in_fuse());
        // A server that waits for requests.
        assert!(!of('S', "[<0>] fuse_dev_do_read+0x1/0x2\n").in_fuse());
        assert!(of('D', "request_wait_answer").in_fuse() && of('D', "__fuse_simple_request").in_fuse());
        assert!(!of('D', "[<0>] confuse_me+0x1/0x2\n").in_fuse() && !of('D', "").in_fuse());
        let nfs = "[<0>] rpc_wait_bit_killable+0x11/0x70 [sunrpc]\n[<0>] nfs4_do_close+0x2 [nfsv4]\n";
        assert!(of('D', nfs).in_nfs() && !of('D', nfs).in_fuse());
    }

    #[test]
    fn first_arguments() {
        assert_eq!(argument("0 0x3 0x7ffd0 0x10 0x0 0x0 0x0 0x7ffc 0x7f\n"), Some(3));
        assert_eq!(argument("257 0xffffffffffffff9c 0x1"), Some(0xffff_ffff_ffff_ff9c));
        for none in ["running", "-1 0x7ffe 0x7f", "", "0", "0 3"] {
            assert_eq!(argument(none), None, "{none}");
        }
        let me = Stuck::of(&Member { tgid: std::process::id(), ..Member::default() }).expect("this process");
        assert!(me.lives() && !me.threads.is_empty() && me.threads.iter().all(|t| !t.in_fuse()));
    }
}

//! `killer` one system call at a time (ptrace): it can be killed before any of them, and any bpf(2) call can be made to
//! fail.

use crate::env::TestEnv;
use crate::output::Out;
use crate::process::Pidfd;
use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

/// A system call that is about to be made.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// Which one since the start of the program, from 1.
    pub n: u64,
    /// Its number.
    pub number: i64,
    /// Its arguments.
    pub args: [u64; 6],
    /// Which bpf(2) call, from 1; 0 when it is another.
    pub bpf: u64,
    /// It is a run of the kernel sweep.
    pub sweeps: bool,
}

/// What a look at a process or a file may answer: no descriptor, no memory, not allowed.
pub const OF_LOOKS: [(i32, &str); 3] =
    [(libc::EMFILE, "EMFILE"), (libc::ENOMEM, "ENOMEM"), (libc::EACCES, "EACCES")];

impl Call {
    /// Whether it sends signals to members: to one by a pidfd, or to some in the kernel.
    pub fn signals(&self) -> bool {
        self.sweeps || self.number == libc::SYS_pidfd_send_signal
    }

    /// Whether it looks at a process or a file.
    pub fn is_a_look(&self) -> bool {
        let looks = [
            libc::SYS_openat,
            libc::SYS_read,
            libc::SYS_getdents64,
            libc::SYS_pidfd_open,
            libc::SYS_readlinkat,
            libc::SYS_statx,
            libc::SYS_newfstatat,
            libc::SYS_fstat,
            libc::SYS_kill,
        ];
        looks.contains(&self.number)
    }
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// It is made.
    Go,
    /// It is not made, the program dies by SIGKILL.
    Kill,
    /// It is not made and answers this errno.
    Fail(i32),
    /// It is made; if it is a bpf(2) call that asks for the figures of a program with one of these names (15 bytes at most), the
    /// answer says that the kernel has skipped so many runs more of it.
    Skipped(&'static [&'static str], u64),
}

/// How a traced program ended.
#[derive(Debug)]
pub struct Traced {
    /// What it printed, and its status.
    pub out: Out,
    /// System calls that were begun.
    pub calls: u64,
    /// bpf(2) calls among them.
    pub bpf: u64,
    /// It was killed by the tracer.
    pub killed: bool,
}

/// Whether this machine can make calls fail.
pub const CAN_FAIL: bool = cfg!(target_arch = "x86_64");

fn ptrace(request: i64, pid: i32, address: usize, data: usize) -> libc::c_long {
    // SAFETY: the requests used here take integers, or point to live buffers of the callers.
    unsafe { libc::ptrace(request as _, pid, address, data) }
}

fn wait(pid: i32) -> i32 {
    let mut status = 0;
    // SAFETY: room for an int; our own child.
    while unsafe { libc::waitpid(pid, &mut status, libc::__WALL) } == -1
        && std::io::Error::last_os_error().raw_os_error() == Some(libc::EINTR)
    {}
    status
}

/// `include/uapi/linux/ptrace.h` (5.3+); not every C library's headers have them.
const PTRACE_GET_SYSCALL_INFO: i64 = 0x420e;
const PTRACE_SYSCALL_INFO_ENTRY: u64 = 1;

/// The call at whose entry the tracee stands.
fn entry(pid: i32) -> Option<(i64, [u64; 6])> {
    // struct ptrace_syscall_info: op in the first byte, architecture, instruction and stack pointers, number, arguments.
    let mut info = [0u64; 11];
    let size = size_of_val(&info);
    if ptrace(PTRACE_GET_SYSCALL_INFO, pid, size, (&raw mut info) as usize) <= 0
        || info[0] & 0xff != PTRACE_SYSCALL_INFO_ENTRY
    {
        return None;
    }
    let args = info[4..10].try_into().ok()?;
    Some((info[3] as i64, args))
}

/// Whether a bpf(2) call runs the kernel sweep: no other program is run on a context of this size.
fn sweeps(pid: i32, args: &[u64; 6]) -> bool {
    const PROG_RUN: u64 = 10;
    /// `ctx_size_in` in the attributes of that command.
    const CONTEXT: u64 = 40;
    args[0] == PROG_RUN
        && peek(pid, args[1] + CONTEXT) as u32 as usize == size_of::<killer_common::sweep::Run>()
}

/// Skips the call at whose entry the tracee stands, so that it answers `errno`.
#[cfg(target_arch = "x86_64")]
fn fail(pid: i32, errno: i32) {
    // SAFETY: zero is valid for this plain struct, which GETREGS fills.
    let mut regs: libc::user_regs_struct = unsafe { std::mem::zeroed() };
    let at = &raw mut regs;
    ptrace(libc::PTRACE_GETREGS as i64, pid, 0, at as usize);
    // SAFETY: `at` points to `regs`, which nobody else uses.
    unsafe { (*at).orig_rax = u64::MAX };
    ptrace(libc::PTRACE_SETREGS as i64, pid, 0, at as usize);
    ptrace(libc::PTRACE_SYSCALL as i64, pid, 0, 0);
    wait(pid);
    ptrace(libc::PTRACE_GETREGS as i64, pid, 0, at as usize);
    // SAFETY: as above.
    unsafe { (*at).rax = -i64::from(errno) as u64 };
    ptrace(libc::PTRACE_SETREGS as i64, pid, 0, at as usize);
}

#[cfg(not(target_arch = "x86_64"))]
fn fail(_: i32, _: i32) {
    panic!("calls cannot be made to fail on this architecture");
}

/// Words of `struct bpf_prog_info` (`include/uapi/linux/bpf.h`): where `name` and `recursion_misses` are.
const INFO_NAME: u64 = 8;
const INFO_MISSES: u64 = 26;
/// `BPF_OBJ_GET_INFO_BY_FD`
const GET_INFO: u64 = 15;

fn peek(pid: i32, at: u64) -> u64 {
    let mut word = 0u64;
    // The system call, unlike the C library's function, stores what it reads.
    // SAFETY: room for one word.
    unsafe { libc::syscall(libc::SYS_ptrace, libc::PTRACE_PEEKDATA as i64, pid as i64, at, &raw mut word) };
    word
}

/// Lets the call be made at whose entry the tracee stands, and changes what it answers about a program.
fn skipped(pid: i32, call: &Call, names: &[&str], more: u64) {
    ptrace(libc::PTRACE_SYSCALL as i64, pid, 0, 0);
    wait(pid);
    if call.bpf == 0 || call.args[0] != GET_INFO {
        return;
    }
    // struct bpf_attr: descriptor and length, then the address. Maps and links have shorter records.
    let (length, info) = (peek(pid, call.args[1]) >> 32, peek(pid, call.args[1] + 8));
    if length < 8 * (INFO_MISSES + 1) {
        return;
    }
    let words = [peek(pid, info + 8 * INFO_NAME), peek(pid, info + 8 * INFO_NAME + 8)];
    let is: Vec<u8> = words.iter().flat_map(|w| w.to_ne_bytes()).take_while(|b| *b != 0).collect();
    if names.iter().any(|n| is == n.as_bytes()) {
        let at = info + 8 * INFO_MISSES;
        ptrace(libc::PTRACE_POKEDATA as i64, pid, at as usize, (peek(pid, at) + more) as usize);
    }
}

/// Runs `command` (a `killer` of this environment) under the tracer, which asks `decide` before each system call.
/// Children that it forks are not traced, nor are threads but the first. After `limit` it is killed, which is a failure.
#[track_caller]
#[expect(clippy::zombie_processes, reason = "the loop below waits until the end, as a tracer has to")]
pub fn traced(
    env: &TestEnv,
    mut command: Command,
    limit: Duration,
    mut decide: impl FnMut(&Call) -> Act,
) -> Traced {
    let (out, err) = (env.path("traced.out"), env.path("traced.err"));
    command.stdout(File::create(&out).expect("output file")).stderr(File::create(&err).expect("output file"));
    // Only one of its threads is traced: that one loads every program.
    command.env("KILLER_LOADERS", "1");
    let args: Vec<String> = command.get_args().map(|a| a.to_string_lossy().into_owned()).collect();
    // SAFETY: ptrace(TRACEME) is one system call.
    unsafe {
        command.pre_exec(|| match ptrace(libc::PTRACE_TRACEME as i64, 0, 0, 0) {
            -1 => Err(std::io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
    let begun = Instant::now();
    let child = command.spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
    let pid = child.id() as i32;
    let pidfd = Pidfd::open(pid).expect("our own child");
    let (done, timer) = std::sync::mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        let late = timer.recv_timeout(limit) == Err(std::sync::mpsc::RecvTimeoutError::Timeout);
        if late {
            pidfd.signal(rustix::process::Signal::KILL);
        }
        late
    });
    let (mut calls, mut bpf, mut killed) = (0, 0, false);
    let mut deliver = 0;
    let mut first = true;
    let status = loop {
        let status = wait(pid);
        if !libc::WIFSTOPPED(status) {
            break status;
        }
        let signal = libc::WSTOPSIG(status);
        if first {
            first = false;
            let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_EXITKILL;
            ptrace(libc::PTRACE_SETOPTIONS as i64, pid, 0, options as usize);
        } else if signal == libc::SIGTRAP | 0x80 {
            if let Some((number, args)) = entry(pid) {
                calls += 1;
                let is_bpf = number == libc::SYS_bpf;
                bpf += u64::from(is_bpf);
                let call = Call {
                    n: calls,
                    number,
                    args,
                    bpf: if is_bpf { bpf } else { 0 },
                    sweeps: is_bpf && sweeps(pid, &args),
                };
                match decide(&call) {
                    Act::Go => {}
                    // The last call of all has no end that could be changed.
                    Act::Skipped(..) if !is_bpf => {}
                    Act::Kill => {
                        killed = true;
                        // SAFETY: our own child, which stands in a trace stop.
                        unsafe { libc::kill(pid, libc::SIGKILL) };
                    }
                    Act::Fail(errno) => fail(pid, errno),
                    Act::Skipped(names, more) => skipped(pid, &call, names, more),
                }
            }
        } else {
            deliver = signal;
        }
        if !killed {
            ptrace(libc::PTRACE_SYSCALL as i64, pid, 0, deliver as usize);
        }
        deliver = 0;
    };
    let _ = done.send(());
    let late = watch.join().unwrap_or(false);
    let text = |p| String::from_utf8_lossy(&std::fs::read(p).unwrap_or_default()).into_owned();
    let status = ExitStatus::from_raw(status);
    let out = Out { args, status, stdout: text(&out), stderr: text(&err), took: begun.elapsed() };
    assert!(!late, "not at its end after {limit:?}: {out}");
    Traced { out, calls, bpf, killed }
}

//! Whether LSM programs act on this kernel: found out by denying a fork of this thread, and nobody else's.
//!
//! They can be refused (no trampolines), and they can attach and be inert: `bpf` not in `lsm=` (fact 6 of the design:
//! `security/security.c:ordered_lsm_init` leaves the hook out), or kernel.ftrace_enabled=0 (6.1+).

use super::btf::Offsets;
use super::probe;
use crate::sys::{canary, prog};

/// `Ok` when an LSM program acted; the error says in words why there is no birth witness.
pub fn acts(offsets: &Offsets) -> Result<(), String> {
    let hook = loads(offsets)?;
    let me = u64::from(std::process::id()) << 32 | rustix::thread::gettid().as_raw_nonzero().get() as u64;
    let held = prog::deny_only(hook, me).map_err(|e| refused(&e))?;
    let forked = canary::fork_once();
    drop(held);
    match forked {
        Err(e) if e.raw_os_error() == Some(libc::EPERM) => Ok(()),
        Err(e) => Err(format!("the fork that was to be denied failed otherwise ({e})")),
        Ok(()) => Err(silent()),
    }
}

/// The hook of a kernel that takes LSM programs, found out without attaching one; the error says in words why it takes none.
pub fn loads(offsets: &Offsets) -> Result<u32, String> {
    let hook = offsets.witness_hook().ok_or("this kernel has no BPF LSM (CONFIG_BPF_LSM)")?;
    prog::load_lsm(hook).map_err(|e| refused(&e))?;
    Ok(hook)
}

fn refused(e: &std::io::Error) -> String {
    format!("this kernel refuses BPF LSM programs ({e})")
}

/// Why a program that is attached does not act.
fn silent() -> String {
    if probe::lsms().is_some_and(|l| !l.iter().any(|l| l == "bpf")) {
        return "'bpf' is not among the active LSMs (boot with lsm=...,bpf): LSM programs attach and do nothing".into();
    }
    if probe::sysctl("kernel/ftrace_enabled") == Some(0) {
        return "kernel.ftrace_enabled is 0: LSM programs attach and do nothing (sysctl kernel.ftrace_enabled=1)".into();
    }
    "LSM programs attach and do nothing (is 'bpf' in lsm=?)".into()
}

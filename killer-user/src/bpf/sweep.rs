//! The kernel sweep: its program, which is loaded by hand, because no section of an object stands for its type.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use killer_common::names::{BIRTHS, P_SWEEP};
use killer_common::record::Member;
use killer_common::sweep::{Aim, MOST, Run};

use super::programs::Programs;
use super::written_in;
use crate::keep::{Fate, Sweeps};
use crate::kernel::btf::Offsets;
use crate::sys::bpf::{self, Code, For};
use crate::sys::lack::Lack;

/// The eBPF object of this build.
pub(super) static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/prebuilt/sweep.bpf.o"));

/// Loads the program and pins it in `tmp`, where the kernel has what it needs. That it is lacking costs speed and nothing else.
pub(super) fn load(tmp: &Path, offsets: &Offsets) {
    if let Err(e) = try_load(tmp, offsets) {
        log::debug!("{P_SWEEP}: {e}");
    }
}

fn try_load(tmp: &Path, offsets: &Offsets) -> io::Result<()> {
    Lack::Sweep.check()?;
    let ids = offsets.sweep.ok_or(io::ErrorKind::Unsupported)?;
    let births = bpf::obj_get(&tmp.join("maps").join(BIRTHS))?;
    let fields = written_in::fields(offsets).ok_or(io::ErrorKind::Unsupported)?;
    let code = written_in::code(OBJECT, &[births.as_fd()], &ids.map(Some), &fields)
        .ok_or_else(|| io::Error::other("sweep.bpf.o is no object of this build"))?;
    let program = bpf::load(For::Demand, &Code { name: P_SWEEP, instructions: &code, info: None })?;
    bpf::obj_pin(program, &tmp.join("progs").join(P_SWEEP))
}

impl Programs {
    /// The program, where it is and is wanted.
    pub(super) fn has_sweep(&self) -> bool {
        // KILLER_SWEEP=pidfd is for tests, and for hosts whose audit has to see each signal: a word that is mistyped asks for that, too.
        let asked = std::env::var_os("KILLER_SWEEP").filter(|s| !s.is_empty());
        self.has_program(P_SWEEP) && asked.is_none_or(|s| s == "kernel")
    }
}

impl Sweeps for Programs {
    fn sweep(&self, members: &[Member], signal: i32, near: u32) -> io::Result<Vec<Fate>> {
        let program = self.program(P_SWEEP)?;
        let mut swept = Vec::with_capacity(members.len());
        for some in members.chunks(MOST) {
            let aims: Vec<Aim> = some.iter().map(aim).collect();
            let mut run = Run {
                aims: aims.as_ptr() as u64,
                count: aims.len() as u32,
                signal: signal as u32,
                near,
                ..Run::default()
            };
            bpf::run_syscall(&program, &mut run)?;
            swept.extend((0..aims.len()).map(|n| match () {
                () if run.sent >> n & 1 == 1 => Fate::Signalled,
                () if run.refused >> n & 1 == 1 => Fate::Refused(run.errno as i32),
                () => Fate::Gone,
            }));
        }
        Ok(swept)
    }
}

fn aim(m: &Member) -> Aim {
    Aim { tgid: m.tgid, root: m.root, generation: m.generation, pad: 0, start: m.leader_start }
}

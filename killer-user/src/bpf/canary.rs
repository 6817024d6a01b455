//! The canary: a throw-away child appears in the maps and vanishes; under the gate its fork fails, or its child dies.
//! Programs can attach and be inert (`bpf` not in lsm=, kernel.ftrace_enabled=0; F21), so a tier is chosen
//! by what really happens.

use std::time::Duration;

use killer_common::record::B_MAIN;
use killer_common::{CANARY_SLOT, gate, reason};

use super::programs::Programs;
use crate::keep::{Changes, Registry, Sets, Slot};
use crate::sys::canary::{self, Canary, Sang};
use crate::sys::clock;

/// Names that begin so are never shown.
pub const NAME: &str = "\u{1}canary";

impl Programs {
    /// True when the witness acts now: a fork into the canary's root is refused. Its programs can fall silent while they
    /// are attached (kernel.ftrace_enabled=0, 6.1+). Asked once by each command, before the gate closes: 0.1 ms.
    pub fn witness_acts(&self) -> bool {
        *self.acts.get_or_init(|| self.cannot_miss() && denied(self))
    }
}

/// Makes the root that [`denied`] forks into: its gate never opens.
pub fn perch(t: &Programs) -> std::io::Result<()> {
    let generation = t.slot(CANARY_SLOT).map_or(0, |r| r.generation);
    t.create(Slot { slot: CANARY_SLOT, generation }, 0, 0, NAME)?;
    t.set_gate(CANARY_SLOT, |_| Some(gate::word(gate::KILL, u64::MAX)))
}

/// True when the birth witness refuses a fork into the canary's root.
pub fn denied(t: &Programs) -> bool {
    let any = Slot { slot: CANARY_SLOT, generation: 0 };
    let denied =
        t.seed(any, 0).is_ok() && canary::fork_once().is_err_and(|e| e.raw_os_error() == Some(libc::EPERM));
    let _ = t.unseed();
    denied
}

/// True when gate C ends a child of the canary's root before it can end by itself.
pub fn doomed(t: &Programs) -> bool {
    let any = Slot { slot: CANARY_SLOT, generation: 0 };
    let doomed = t.seed(any, 0).is_ok() && canary::fork_status().is_ok_and(|st| libc::WIFSIGNALED(st));
    let _ = t.unseed();
    doomed
}

/// Tries birth, gate and exit. The error says which of them was silent.
pub fn sing(t: &Programs) -> Result<(), String> {
    let io = |e: std::io::Error| e.to_string();
    let free = t.free_slot().ok_or("no free slot")?;
    let slot = t.create(free, 0, 0, NAME).map_err(io)?;
    let r = (|| {
        t.seed(slot, B_MAIN).map_err(io)?;
        let child = Canary::fork().map_err(io)?;
        let missed = t.unseed().map_err(io)?;
        let born = t.count(slot.slot);
        let indexed = t.pop(slot.slot).processes;
        let until = clock::monotonic_ns() + Duration::from_secs(2).as_nanos() as u64;
        t.set_gate(slot.slot, |_| Some(gate::word(gate::KILL, until))).map_err(io)?;
        let sang = child.sing();
        t.set_gate(slot.slot, |_| Some(gate::OPEN)).map_err(io)?;
        let sang = sang.map_err(io)?;
        if missed || born != 1 || indexed != 1 {
            return Err(format!("a birth was not seen (count {born}, indexed {indexed})"));
        }
        let witness = t.cannot_miss();
        let silent = t.reasons(slot.slot).is_some_and(|r| r.count[reason::WITNESS as usize] != 0);
        match sang {
            Sang::Refused(libc::EPERM) if witness => {}
            _ if witness => return Err(format!("the witness did not deny a fork under the gate ({sang:?})")),
            Sang::Lived if t.gate_at_birth() => return Err("a newborn lived under the gate".into()),
            _ => {}
        }
        if witness && silent {
            return Err("the witness did not see a birth".into());
        }
        match t.count(slot.slot) {
            0 => Ok(()),
            n => Err(format!("an exit was not seen (count {n})")),
        }
    })();
    let r = r.and_then(|()| perch(t).map_err(io));
    let _ = t.unseed();
    let _ = t.forget(slot);
    r
}

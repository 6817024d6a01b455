//! Broadcasts: words in shared memory that the fork hook reads.

use std::io;
use std::sync::atomic::AtomicU64;

use killer_common::names::P_SYS_ENTER;
use killer_common::{claim, ctl};

use super::Programs;
use crate::bpf::syscall_gate::SyscallGate;
use crate::keep::{Broadcast, Broadcasts, Held, Sets};
use crate::sys::bpf;

impl Broadcasts for Programs {
    fn hear(&self) -> io::Result<()> {
        // Without them what this sweep sends is not known where births are decided.
        self.claims()?;
        self.attach_hearing()
    }

    fn hear_no_more(&self) {
        self.detach_hearing();
    }

    fn begin(&self, slot: u32, b: &Broadcast, until: u64) {
        // As sigqueue(3) passes it: the int is the low half of the union.
        let value = u64::from(b.value.unwrap_or(0) as u32) | if b.later { claim::LATER } else { 0 };
        self.control.broadcast(slot as usize, b.epoch, b.signal as u32, b.newborns, value, until);
    }

    fn renew(&self, slot: u32, now: u64, until: u64) -> Option<i32> {
        let c = self.control.get(slot as usize).filter(|c| c.epoch != 0 && c.until > now)?;
        self.control.renew(slot as usize, until);
        Some(c.signal as i32)
    }

    fn sends_at_birth(&self) -> bool {
        self.gate_at_birth()
    }

    fn sees_pending(&self) -> bool {
        let second = ctl::HAS_RAW | ctl::HAS_CLASSIC;
        self.features & (ctl::HAS_PENDING | second) != 0
    }

    fn leave_to_births(&self, slot: u32) {
        self.control.at_birth(slot as usize, claim::LATER);
    }

    fn stamp_calls(&self, slots: &[u32], epoch: u64) -> io::Result<Option<Box<dyn Held>>> {
        if self.cannot_miss() {
            return Ok(None);
        }
        let held = SyscallGate::entries(self)?;
        slots.iter().for_each(|&slot| self.control.stamps(slot as usize, epoch));
        Ok(Some(Box::new(held)))
    }

    fn end_stamps(&self, slot: u32) {
        self.control.stamps(slot as usize, 0);
    }

    fn unstamped(&self) -> io::Result<u64> {
        if !self.can_skip() {
            return Ok(0);
        }
        self.heed(self.program(P_SYS_ENTER).and_then(bpf::prog_info)).map(|i| i.recursion_misses())
    }

    fn claim(&self, tgid: u32) -> Option<&AtomicU64> {
        let (all, i) = (self.claims().ok()?, tgid as usize);
        let word = all.word(i);
        if word.is_none() && i < all.len() {
            // The hooks look at it, and this call does not: nothing that it says holds.
            let _ = self.heed::<()>(Err(io::Error::from_raw_os_error(libc::ENOMEM)));
        }
        word
    }
}

//! Names and slots: read from maps, changed by requests.

use std::io;

use killer_common::record::{R_FREE, RootRecord, STOP_LEN, Stop};
use killer_common::{NAME_LEN, POOL_FIRST, ctl};

use super::Programs;
use crate::bpf::ctl::name_words;
use crate::bpf::pins::{self, PinLock};
use crate::keep::{Gate, KeepError, Lock, Registry, Sets, Slot};

impl Programs {
    /// The slots that were ever used. The pool is after those that user space makes roots in.
    fn used(&self) -> impl Iterator<Item = u32> + use<> {
        let g = self.global();
        (1..=g.high_slot as u32).chain(POOL_FIRST..=g.high_instance as u32)
    }
}

impl Registry for Programs {
    fn lock(&self) -> Result<Lock, KeepError> {
        Ok(Box::new(pins::in_host_mounts(&self.paths, || PinLock::take(&self.paths))?))
    }

    fn slot(&self, slot: u32) -> Option<RootRecord> {
        self.roots.get(slot as usize)
    }

    fn roots(&self) -> Vec<(u32, RootRecord)> {
        self.used().filter_map(|s| Some((s, self.root(s)?))).collect()
    }

    fn outers(&self) -> Vec<(Slot, Slot)> {
        let of = |slot| {
            let [generation, state, parent, .., parent_generation] = self.roots.head(slot as usize)?;
            let outer = Slot { slot: parent, generation: parent_generation };
            (state != R_FREE).then_some((Slot { slot, generation }, outer))
        };
        self.used().filter_map(of).collect()
    }

    fn free_slot(&self) -> Option<Slot> {
        (1..POOL_FIRST).find_map(|slot| {
            let r = self.slot(slot)?;
            (r.state == R_FREE && self.count(slot) == 0 && self.is_at_rest(slot))
                .then_some(Slot { slot, generation: r.generation })
        })
    }

    fn create(&self, old: Slot, parent: u32, flags: u64, name: &str) -> io::Result<Slot> {
        let mut a = [0; 1 + NAME_LEN / 8];
        a[0] = u64::from(parent) | flags << 32;
        a[1..].copy_from_slice(&name_words(name));
        let generation = self.ctl(ctl::CREATE, old, &a)?;
        Ok(Slot { slot: old.slot, generation })
    }

    fn go_live(&self, s: Slot) -> io::Result<()> {
        self.ctl(ctl::GO_LIVE, s, &[]).map(drop)
    }

    fn rename(&self, s: Slot, name: &str) -> io::Result<()> {
        let mut a = [0; 1 + NAME_LEN / 8];
        a[1..].copy_from_slice(&name_words(name));
        self.ctl(ctl::RENAME, s, &a).map(drop)
    }

    fn set_main(&self, s: Slot, tgid: u32) -> io::Result<()> {
        self.ctl(ctl::SET_MAIN, s, &[u64::from(tgid)]).map(drop)
    }

    fn note_kill(&self, s: Slot, signal: i32, uid: u32, outcome: u8) -> io::Result<()> {
        // Members that end together can leave some ancestors behind.
        self.tidy_ancestors();
        self.ctl(ctl::NOTE_KILL, s, &[signal as u64, u64::from(uid), u64::from(outcome)]).map(drop)
    }

    fn set_stop_command(&self, s: Slot, text: &[u8]) -> io::Result<()> {
        let mut r = Stop { generation: s.generation, len: text.len() as u32, text: [0; STOP_LEN] };
        match r.text.get_mut(..text.len()) {
            Some(t) => t.copy_from_slice(text),
            None => return Err(io::Error::other(format!("longer than {STOP_LEN} bytes"))),
        }
        self.stops.put(&s.slot, &r)
    }

    fn stop_command(&self, s: Slot) -> io::Result<Option<Vec<u8>>> {
        let r = self.stops.get(&s.slot)?.filter(|r| r.generation == s.generation);
        Ok(r.map(|r| r.text[..(r.len as usize).min(STOP_LEN)].to_vec()))
    }
}

//! Events of the kernel → what is shown.

use std::collections::{HashMap, VecDeque};

use killer_common::watch::{BY_KERNEL, EXEC, EXIT, Event, Exec, FORK, SIGNAL, STATE};

use crate::ask::events::Order;
use crate::ask::{name, signal};
use crate::host::{exact, execs};
use crate::keep::{Hooks, Seen, Slot, Watching};
use crate::lookup::{Root, registry};
use crate::report::escape;
use crate::report::model::{Happened, SCHEMA_VERSION, Sender};
use crate::sys::alive::Identity;
use crate::sys::clock;
use crate::tier::{CANARY, Tracker};

/// So many ends are remembered: two last threads may both tell of one.
const ENDS: usize = 256;
/// So many senders are.
const SENDERS: usize = 1 << 16;

/// A service by its slot.
#[derive(Clone, Debug, Default)]
struct Service {
    name: String,
    inside: Vec<String>,
}

/// What is known between two looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    frozen: bool,
    reasons: Vec<&'static str>,
}

/// Tells one watcher's events.
pub struct Teller<'a> {
    t: &'a Tracker,
    o: &'a Order,
    /// Unix time when the boot clock was 0, ns.
    epoch: i128,
    services: HashMap<Slot, Service>,
    senders: HashMap<Identity, (u32, Sender)>,
    ended: VecDeque<Identity>,
    lost: u64,
    skipped: u64,
    states: HashMap<Slot, State>,
    missing: Vec<&'static str>,
}

impl<'a> Teller<'a> {
    /// One that has told nothing.
    pub fn new(t: &'a Tracker, o: &'a Order) -> Self {
        let now = jiff::Timestamp::now().as_nanosecond();
        let mut teller = Self {
            t,
            o,
            epoch: now - i128::from(clock::boottime_ns()),
            services: HashMap::new(),
            senders: HashMap::new(),
            ended: VecDeque::new(),
            lost: 0,
            skipped: 0,
            states: HashMap::new(),
            missing: Vec::new(),
        };
        teller.states = teller.states_now().into_iter().map(|(s, _, state)| (s, state)).collect();
        teller
    }

    /// Shows so many events at most; how many there were, `None` when nobody reads any more.
    pub fn some(
        &mut self,
        watching: &mut dyn Watching,
        most: usize,
        show: &mut dyn FnMut(&Happened) -> bool,
    ) -> Option<usize> {
        for n in 0..most {
            let Some(seen) = watching.next() else { return Some(n) };
            if !self.lost_until(seen.event().lost, seen.event().at, show) {
                return None;
            }
            if let Some(h) = self.tell(&seen)
                && !show(&h)
            {
                return None;
            }
        }
        Some(most)
    }

    /// Tells of losses before an event.
    fn lost_until(&mut self, lost: u64, at: u64, show: &mut dyn FnMut(&Happened) -> bool) -> bool {
        // Of two events that were written at once the later one may know of fewer.
        if lost <= self.lost {
            return true;
        }
        let n = lost - std::mem::replace(&mut self.lost, lost);
        show(&Happened { lost: Some(n), ..self.at("lost", at) })
    }

    /// Shows what has happened until now, and tells of what had no place. More happens meanwhile, perhaps faster than it is read.
    pub fn rest(&mut self, watching: &mut dyn Watching, show: &mut dyn FnMut(&Happened) -> bool) {
        let (lost, now) = (watching.lost(), clock::boottime_ns());
        while let Some(seen) = watching.next().filter(|s| s.event().at <= now) {
            let before = seen.event().lost.min(lost);
            if !self.lost_until(before, seen.event().at, show) || self.tell(&seen).is_some_and(|h| !show(&h))
            {
                return;
            }
        }
        self.lost_until(lost, now, show);
    }

    /// Looks at what no event tells of. True when nobody reads any more.
    pub fn look(&mut self, watching: &dyn Watching, show: &mut dyn FnMut(&Happened) -> bool) -> bool {
        let now = clock::boottime_ns();
        let mut reads = true;
        let skipped = watching.skipped();
        if skipped > self.skipped {
            let n = skipped - std::mem::replace(&mut self.skipped, skipped);
            let text = Some("the kernel skipped that many runs of the watcher's programs".to_owned());
            reads &= show(&Happened { lost: Some(n), text, ..self.at("lost", now) });
        }
        let missing = self.t.hooks().map(Hooks::missing_links).unwrap_or_default();
        if missing != self.missing {
            let text = match missing.is_empty() {
                true => "its hooks are attached again; what happened meanwhile is not known".to_owned(),
                false => format!(
                    "hooks of the tracker are gone ({}): what happens now goes unseen",
                    missing.join(", ")
                ),
            };
            reads &= show(&Happened { text: Some(text), ..self.at("tracker", now) });
            self.missing = missing;
        }
        if self.o.kinds & STATE == 0 || self.o.uid.is_some() || self.o.exe.is_some() {
            return !reads;
        }
        let mut states = HashMap::new();
        for (slot, service, state) in self.states_now() {
            // One that is new has been told of by its events.
            let before = self.states.get(&slot).cloned().unwrap_or_default();
            let of = |event, text: Option<String>| Happened {
                service: service.clone(),
                text,
                ..self.at(event, now)
            };
            if before.frozen != state.frozen {
                reads &= show(&of(if state.frozen { "frozen" } else { "thawed" }, None));
            }
            for code in state.reasons.iter().filter(|c| !before.reasons.contains(c)) {
                reads &= show(&of("reason", Some(format!("not exact from here on: {code}"))));
            }
            states.insert(slot, state);
        }
        self.states = states;
        !reads
    }

    /// Each service that is watched, as far as no event tells of it.
    fn states_now(&self) -> Vec<(Slot, String, State)> {
        let of = |r: Root| {
            let frozen = registry::frozen(self.t, r.slot.slot).is_some();
            let reasons = exact::reasons(self.t, &r).into_iter().map(|c| c.code).collect();
            (r.slot, r.name, State { frozen, reasons })
        };
        registry::all(self.t).into_iter().filter(|r| self.is_meant(&r.name, &[])).map(of).collect()
    }

    /// Whether a service, or one around it, has one of the names.
    fn is_meant(&self, service: &str, inside: &[String]) -> bool {
        let names = &self.o.names;
        let has = |n: &str| names.iter().any(|w| w == n || name::is_glob(w) && name::matches(w, n));
        names.is_empty() || has(service) || inside.iter().any(|n| has(n))
    }

    fn at(&self, event: &'static str, boottime: u64) -> Happened {
        let unix = self.epoch + i128::from(boottime);
        let at =
            jiff::Timestamp::from_nanosecond(unix).unwrap_or_default().to_zoned(jiff::tz::TimeZone::system());
        Happened {
            version: SCHEMA_VERSION,
            kind: "event",
            event,
            at: at.strftime("%Y-%m-%dT%H:%M:%S%.6f%:z").to_string(),
            unix_ns: u64::try_from(unix).unwrap_or(0),
            ..Happened::default()
        }
    }

    /// The service of an event: as it is called now, or was when it was last looked at.
    fn service(&mut self, e: &Event) -> Service {
        let slot = Slot { slot: e.root, generation: e.generation };
        let now = registry::in_slot(self.t, e.root).filter(|r| r.slot == slot);
        if let Some(r) = now {
            let mut service = Service { name: r.name, inside: Vec::new() };
            let (mut outer, mut left) = (r.record.parent, killer_common::MAX_DEPTH);
            while let Some(r) = registry::in_slot(self.t, outer).filter(|_| outer != 0 && left > 0) {
                (outer, left) = (r.record.parent, left - 1);
                service.inside.push(r.name);
            }
            self.services.insert(slot, service);
        }
        self.services.get(&slot).cloned().unwrap_or_default()
    }

    /// What is shown of an event; `None`: nothing.
    fn tell(&mut self, seen: &Seen) -> Option<Happened> {
        let e = *seen.event();
        let service = self.service(&e);
        if service.name.starts_with(CANARY) || !self.is_meant(&service.name, &service.inside) {
            return None;
        }
        let it = Identity { pid: e.tgid, start: e.start };
        let event = match e.kind {
            FORK => "fork",
            EXEC => "exec",
            EXIT => "exit",
            SIGNAL => "signal",
            _ => return None,
        };
        let mut h = Happened {
            service: service.name,
            inside: service.inside,
            pid: Some(e.tgid),
            start: Some(e.start),
            inode: (e.inode != 0).then_some(e.inode),
            comm: Some(escape::comm(bytemuck::bytes_of(&e.comm))),
            uid: Some(e.uid),
            ..self.at(event, e.at)
        };
        match (e.kind, seen) {
            (FORK, _) => h.creator = Some(e.other),
            (EXEC, Seen::Exec(x)) => executed(&mut h, x),
            (EXIT, _) => {
                if self.ended.contains(&it) {
                    return None;
                }
                self.ended.push_back(it);
                if self.ended.len() > ENDS {
                    self.ended.pop_front();
                }
                let sent = self.senders.remove(&it);
                exited(&mut h, &e, sent);
            }
            (SIGNAL, _) => {
                let sender = sender(&e);
                h.signal = Some(signal::name(e.code as i32));
                h.result = Some(result(e.result));
                if self.senders.len() >= SENDERS {
                    self.senders.clear();
                }
                self.senders.insert(it, (e.code, sender.clone()));
                h.sender = Some(sender);
            }
            _ => return None,
        }
        (self.o.kinds & e.kind != 0).then_some(h)
    }
}

fn executed(h: &mut Happened, x: &Exec) {
    h.file = Some(execs::file(&x.path, x.event.file_dev, x.event.file_inode));
    if let Some((args, cut)) = execs::arguments(&x.args, x.event.args_len as usize) {
        (h.args, h.args_cut) = (Some(args), cut);
    }
}

/// `code`: as wait(2) tells it.
fn exited(h: &mut Happened, e: &Event, sent: Option<(u32, Sender)>) {
    h.age_us = Some(e.at.saturating_sub(e.start) / 1000);
    match e.code & 0x7f {
        0 => h.exit_code = Some(e.code >> 8 & 0xff),
        by => {
            h.signal = Some(signal::name(by as i32));
            h.core_dumped = e.code & 0x80 != 0;
            h.sender = sent.filter(|(signal, _)| *signal == by).map(|(_, s)| s);
        }
    }
}

fn sender(e: &Event) -> Sender {
    Sender {
        pid: e.other,
        comm: escape::comm(bytemuck::bytes_of(&e.other_comm)),
        uid: e.other_uid,
        kernel: e.result & BY_KERNEL != 0,
    }
}

/// `TRACE_SIGNAL_*`, `include/trace/events/signal.h`
fn result(code: u32) -> &'static str {
    match code & (BY_KERNEL - 1) {
        0 => "delivered",
        1 => "ignored",
        2 => "already-pending",
        _ => "overflow",
    }
}

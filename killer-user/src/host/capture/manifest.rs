//! The manifest: whose capture it is, made where, when and by what, and how far it can be believed.

use std::fs::File;
use std::io::Read;

use killer_common::record::Member;
use sha2::{Digest, Sha256};

use super::held::Held;
use crate::ask::Word;
use crate::ask::capture::Capture;
use crate::host::{frozen, models};
use crate::ledger::hex;
use crate::lookup::Root;
use crate::report::human;
use crate::report::model::{BothClocks, CaptureAsked, CaptureHost, CaptureTool, Manifest, SCHEMA_VERSION};
use crate::sys::{entry, proc_text};
use crate::tier::{Tracker, object_sha256};

fn line(path: &str) -> String {
    let bytes = entry::record(path).unwrap_or_default();
    proc_text::shown(&bytes).trim().to_owned()
}

fn host() -> CaptureHost {
    let u = rustix::system::uname();
    let text = |c: &std::ffi::CStr| proc_text::shown(c.to_bytes());
    CaptureHost {
        name: text(u.nodename()),
        kernel: text(u.release()),
        version: text(u.version()),
        machine: text(u.machine()),
        boot_id: line("sys/kernel/random/boot_id"),
        command_line: line("cmdline"),
    }
}

fn digest(path: &str) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let (mut digest, mut piece) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut piece).ok()? {
            0 => return Some(hex(&digest.finalize())),
            n => digest.update(&piece[..n]),
        }
    }
}

fn tool(t: &Tracker) -> CaptureTool {
    CaptureTool {
        version: env!("CARGO_PKG_VERSION").into(),
        program: digest("/proc/self/exe"),
        object: object_sha256().into(),
        tier: t.tier().name().into(),
        uid: rustix::process::getuid().as_raw(),
    }
}

/// As far as it is known at the beginning.
pub fn first(t: &Tracker, root: &Root, asked: &Capture, held: &Held<'_>, began: BothClocks) -> Manifest {
    let l = &asked.limits;
    Manifest {
        version: SCHEMA_VERSION,
        kind: "capture",
        service: root.name.clone(),
        tool: tool(t),
        host: host(),
        asked: CaptureAsked {
            memory: l.memory.word().into(),
            ranges: l.ranges.iter().map(ToString::to_string).collect(),
            then: held.word().word().into(),
            timeout_s: l.time.as_secs(),
            most_bytes: l.most,
        },
        began,
        held: held.since.clone(),
        frozen_before: held.before,
        exactness: models::exactness(t, root),
        doubts: held.doubts.clone(),
        ..Manifest::default()
    }
}

/// What is known when the last part has been read.
pub fn ends(t: &Tracker, root: &Root, members: &[Member], held: &Held<'_>, m: &mut Manifest) {
    m.frozen = frozen::state(t, root, members);
    if let Some(f) = m.frozen.as_mut().filter(|f| f.state == "freezing") {
        // A capture's own freeze is under way until its end.
        f.state = "frozen".into();
        (f.awake, f.unknown) = frozen::awake(t, root, members);
        f.unheard = t.root(root.slot.slot).map_or(0, |r| frozen::unheard(t, &r));
    }
    m.exactness = models::exactness(t, root);
    m.doubts.extend(held.disturbed().map(String::from));
    if let Some(f) = &m.frozen {
        if f.wakes > 0 {
            m.doubts.push(format!("members got SIGCONT {} times from elsewhere: they may have run", f.wakes));
        }
        if f.unheard > 0 {
            m.doubts.push(human::unheard(f.unheard));
        }
        for (pids, what) in [(&f.awake, "runs"), (&f.unknown, "may run")] {
            m.doubts.extend(pids.iter().map(|p| format!("{p} {what} although it is frozen")));
        }
    }
    m.ended = BothClocks::now();
}

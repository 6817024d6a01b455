//! What processes did with the signals that they outlived: looked at before SIGKILL follows, of so many as a look takes no time.

use crate::host::deed::Outlived;
use crate::kill::SIGCONT;
use crate::report::model::Receipt;
use crate::sys::alive::{Look, look};

/// So many processes are looked at.
const MOST: usize = 64;

/// Of those that were signalled in these steps and live.
pub fn by(steps: &[Receipt]) -> Vec<Outlived> {
    let mut all: Vec<Outlived> = Vec::new();
    let mut looked = 0;
    for s in steps.iter().filter(|s| s.signal > 0 && s.signal != SIGCONT) {
        for p in s.targets.iter().filter(|x| x.result == "signalled").map(|x| &x.process) {
            let known = |o: &Outlived| (o.pid, o.start) == (p.pid, p.start) && o.signal == s.signal_name;
            if looked >= MOST || all.iter().any(known) {
                continue;
            }
            looked += 1;
            if let Look::Here(e, _) = look(p.pid, p.start)
                && let Ok(status) = e.status()
            {
                let bit = 1u64 << (s.signal - 1);
                let how = match (status.sigblk & bit, status.sigign & bit, status.sigcgt & bit) {
                    (0, 0, 0) => "default",
                    (0, 0, _) => "caught",
                    (0, _, _) => "ignored",
                    _ => "blocked",
                };
                all.push(Outlived { pid: p.pid, start: p.start, signal: s.signal_name.clone(), how });
            }
        }
    }
    all
}

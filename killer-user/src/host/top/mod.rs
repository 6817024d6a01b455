//! `top`: services with what they do, look after look, and what can be done to one of them. Between two looks nothing of the kernel
//! is held: each opens the tracker as a command of its own does.

mod act;
mod target;
mod usage;

use std::collections::HashMap;

use super::failure::Failure;
use super::open::Host;
use super::service::Service;
use super::{anew, certainty, elsewhere, status, unnamed, unseen};
use crate::ask::name;
use crate::lookup::{Root, registry};
use crate::report::model::{self, Tree};
use crate::tier::Tracker;

pub use act::{Act, act, usual};
pub use target::Target;
pub use usage::Usage;
use usage::{Meter, share};

/// A line of it.
#[derive(Clone, Debug)]
pub struct Row {
    /// The service, as `list` has it.
    pub service: model::Service,
    /// Which one it is.
    pub target: Target,
    /// What it does; `None` where that was not measured, or not for long enough.
    pub usage: Option<Usage>,
}

/// What there was at a look.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// Services, by name.
    pub rows: Vec<Row>,
    /// What keeps new services; `None`: no tracker is loaded.
    pub tier: Option<&'static str>,
    /// What may be missing, in words.
    pub doubts: Vec<String>,
}

/// Looks, again and again.
#[derive(Debug, Default)]
pub struct Looker {
    meters: HashMap<Target, Meter>,
}

impl Looker {
    /// Looks at the services that are meant, and measures those that are `shown`.
    pub fn look(&mut self, names: &[String], shown: &dyn Fn(&Target) -> bool) -> Result<Look, Failure> {
        anew::begin();
        let Some(host) = Host::open()? else {
            self.meters.clear();
            return Ok(Look::default());
        };
        let (others, unseen) = elsewhere::trackers(&host)?;
        let mut look = Look { tier: Some(host.tier().name()), doubts: unseen, ..Look::default() };
        let all: Vec<&Tracker> = std::iter::once(&*host).chain(others.iter().map(|o| &**o)).collect();
        let meant =
            |r: &Root| names.is_empty() || names.iter().any(|n| *n == r.name || name::matches(n, &r.name));
        let mut roots = Vec::new();
        for t in all {
            for r in registry::all(t).into_iter().filter(meant) {
                let service = Service::count(t, &r).line();
                look.rows.push(Row { service, target: Target::of(t, &r), usage: None });
                roots.push((t, r));
            }
        }
        self.measure(&mut look.rows, &roots, shown);
        for (t, _) in &roots {
            // Once said is enough.
            if let Some(f) = certainty::sound(t).err().filter(|_| look.doubts.is_empty()) {
                look.doubts.push(words(&f));
            }
        }
        look.rows.sort_by(|a, b| a.service.name.cmp(&b.service.name));
        look.doubts.extend(unnamed::reasons(&host).into_iter().map(|r| format!("{}: {}", r.code, r.text)));
        look.doubts.extend(unseen::incomplete(&unseen::versions()).map(|f| words(&f)));
        Ok(look)
    }

    /// What those that are shown do: so many processes are looked at in all, however many there are.
    fn measure(&mut self, rows: &mut [Row], roots: &[(&Tracker, Root)], shown: &dyn Fn(&Target) -> bool) {
        let seen: Vec<usize> = (0..rows.len()).filter(|&i| shown(&rows[i].target)).collect();
        let sizes: Vec<u64> = seen.iter().map(|&i| rows[i].service.counts.processes).collect();
        let mut kept = HashMap::new();
        for (&i, most) in seen.iter().zip(share(&sizes)) {
            let (row, (t, root)) = (&mut rows[i], &roots[i]);
            let mut meter = self.meters.remove(&row.target).unwrap_or_default();
            row.usage = meter.measure(t, root, &row.service, most);
            kept.insert(row.target.clone(), meter);
        }
        self.meters = kept;
    }
}

/// A failure in a line.
fn words(f: &Failure) -> String {
    match &f.why {
        Some(why) => format!("{}: {why}", f.what),
        None => f.what.clone(),
    }
}

/// The lineage of a service as it is now, so many of its processes.
pub fn tree(target: &Target, most: usize) -> Result<Tree, Failure> {
    anew::begin();
    act::with(target, |t, root| status::tree(t, root, false, Some(most)))
}

/// The forks that led to a process.
pub fn why(process: (u32, Option<u64>)) -> Result<model::Why, Failure> {
    anew::begin();
    super::why::why(process, false)
}

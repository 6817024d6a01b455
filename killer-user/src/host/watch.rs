//! `watch`: what members do, as it happens.

mod teller;

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use killer_common::watch::{ALL, EXIT, SIGNAL};
use tokio::signal::unix::{SignalKind, signal};

use self::teller::Teller;
use super::failure::Failure;
use super::open::Host;
use super::{Tell, elsewhere};
use crate::ask::events::Order;
use crate::ask::name;
use crate::ending::Ending;
use crate::keep::{Wanted, Watching};
use crate::lookup::registry;
use crate::report::message;
use crate::report::model::Happened;
use crate::sys::reactor;
use crate::tier::Tracker;

/// So often it is looked at what no event tells of.
const LOOK: Duration = Duration::from_millis(250);
/// So long nobody reads when all was read. The kernel wakes a reader only for the first event behind those that he has read
/// (`kernel/bpf/ringbuf.c:bpf_ringbuf_commit`), and does so in the member that the event is of.
const REST: Duration = Duration::from_millis(10);
/// So many events are shown between two looks at anything else.
const AT_ONCE: usize = 512;

/// Shows what happens until it is to end. `show` answers whether somebody still reads.
pub fn watch(o: &Order, tell: &dyn Tell, show: &mut dyn FnMut(&Happened) -> bool) -> Result<Ending, Failure> {
    let host = Host::up()?;
    let lacks = || {
        Failure::new(Ending::Failed, "events cannot be watched here")
            .why(format!("the tier {} has no programs that could tell them: they need the kernel's BTF", host.tier().name()))
            .next("'killer doctor' says what this kernel lacks; 'killer status NAME' shows a service as it is now")
    };
    let watches = host.watches().ok_or_else(lacks)?;
    for word in o.names.iter().filter(|w| !name::is_glob(w) && registry::named(&host, w).is_none()) {
        let text = format!("no service '{word}' is tracked yet");
        tell.message(&message::render(&text, None, Some("what happens in it is shown when it is started")));
    }
    let globs = o.names.iter().any(|w| name::is_glob(w));
    // Who sent the signal that ended a process is told by the signal.
    let kinds = ALL & if o.kinds & EXIT != 0 { o.kinds | SIGNAL } else { o.kinds };
    let names = if globs { Vec::new() } else { o.names.clone() };
    let watching = watches.watch(&Wanted { kinds, uid: o.uid, exe: o.exe.clone(), names })?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::from)?;
    runtime.block_on(run(&host, o, watching, show)).map_err(Failure::from)
}

async fn run(
    t: &Tracker,
    o: &Order,
    mut watching: Box<dyn Watching>,
    show: &mut dyn FnMut(&Happened) -> bool,
) -> std::io::Result<Ending> {
    let bell = reactor::register(watching.as_fd().try_clone_to_owned()?)?;
    let mut int = signal(SignalKind::interrupt())?;
    let mut term = signal(SignalKind::terminate())?;
    let mut hup = signal(SignalKind::hangup())?;
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let until = o.span.and_then(|s| Instant::now().checked_add(s));
    let mut teller = Teller::new(t, o);
    let reads = loop {
        tokio::select! {
            biased;
            _ = int.recv() => break true,
            _ = term.recv() => break true,
            _ = hup.recv() => break true,
            _ = tick.tick() => {
                let over = teller.look(&*watching, show) || o.until_empty && empty(t, o);
                let late = until.is_some_and(|u| Instant::now() >= u);
                if over || late {
                    break true;
                }
            }
            ready = bell.readable() => {
                let mut ready = ready?;
                match teller.some(&mut *watching, AT_ONCE, show) {
                    None => break false,
                    // The rest comes after a look at everything else: without this no clock and no signal is looked at.
                    Some(n) if n == AT_ONCE => tokio::task::yield_now().await,
                    Some(_) => {
                        ready.clear_ready();
                        tokio::time::sleep(REST).await;
                    }
                }
            }
        }
    };
    if reads {
        teller.rest(&mut *watching, show);
    }
    Ok(Ending::Done)
}

/// Nobody is left of the services, which are known, and none of them is about to start.
fn empty(t: &Tracker, o: &Order) -> bool {
    let all = registry::all(t);
    let meant = |r: &&registry::Root| {
        o.names.is_empty() || o.names.iter().any(|w| *w == r.name || name::matches(w, &r.name))
    };
    let mut meant = all.iter().filter(meant).peekable();
    let begun = |r: &registry::Root| registry::is_live_state(r) || registry::abandoned(t, r);
    meant.peek().is_some() && meant.all(|r| begun(r) && !elsewhere::lives(t, r))
}

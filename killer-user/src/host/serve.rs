//! `serve`: holds what cannot be pinned until it is told to end. Speaks sd_notify, so that systemd knows when it is ready.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use super::Tell;
use super::exporter::Exporter;
use super::failure::Failure;
use super::spared::Spared;
use crate::ask::listen::Listen;
use crate::ending::Ending;
use crate::report::{escape, message};
use crate::tier::{Keeper, Paths};

/// Where the tracker of a host is, unless somebody has moved it; a keeper in the background is always told where.
const HOST_PINS: &str = "/sys/fs/bpf/killer";

/// Says something to the service manager, where there is one (sd_notify(3)).
fn notify(what: &str) {
    let Some(at) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let Some(at) = at.to_str() else { return };
    let addr = match at.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(at),
    };
    if let (Ok(addr), Ok(s)) = (addr, UnixDatagram::unbound()) {
        let _ = s.send_to_addr(what.as_bytes(), &addr);
    }
}

/// Half of what the service manager allows between two signs of life.
fn watchdog() -> Option<Duration> {
    let us: u64 = std::env::var("WATCHDOG_USEC").ok()?.parse().ok()?;
    (us > 0).then(|| Duration::from_micros(us / 2))
}

/// Loads, holds, ends. At `metrics` it answers with figures meanwhile.
pub fn serve(detach: bool, metrics: Option<&Listen>, tell: &dyn Tell) -> Result<Ending, Failure> {
    if detach {
        let _ = rustix::process::setsid();
    }
    // Before anything is loaded: a place that cannot be had is a mistake of the caller's.
    let exporter = metrics.map(Exporter::take).transpose()?;
    let paths = Paths::default();
    let keeper = Keeper::take(&paths)?;
    let held = match keeper.held() {
        0 => "the programs are pinned; nothing has to be held".to_owned(),
        n => format!("holding {n} links"),
    };
    let gap = if keeper.took_over() { ", after a gap that makes what is tracked not exact" } else { "" };
    // Of a tracker that is the host's; one of somebody's own may end with everything else.
    let host = keeper.held() > 0 && paths.root == std::path::Path::new(HOST_PINS);
    let spared = host.then(Spared::this_process);
    tell.message(&format!("killer: {held}{gap}\n"));
    notify(&format!("READY=1\nSTATUS={held}{gap}"));
    if let Some(at) = metrics {
        tell.message(&format!("killer: figures at {}\n", escape::text(&at.to_string())));
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::from)?;
    // Without figures it still holds what it holds.
    let answers = async {
        if let Some(e) = &exporter
            && let Err(e) = e.answer().await
        {
            tell.message(&message::render("nobody is given figures any more", Some(&e.to_string()), None));
        }
        std::future::pending::<()>().await;
    };
    tokio::task::LocalSet::new()
        .block_on(&runtime, async {
            tokio::pin!(answers);
            use tokio::signal::unix::{SignalKind, signal};
            let mut int = signal(SignalKind::interrupt())?;
            let mut term = signal(SignalKind::terminate())?;
            let mut hup = signal(SignalKind::hangup())?;
            let mut tick = tokio::time::interval(watchdog().unwrap_or(Duration::from_secs(3600)));
            loop {
                tokio::select! {
                    () = &mut answers => {}
                    _ = int.recv() => break,
                    _ = term.recv() => break,
                    // A terminal that is closed is no reason to lose what is tracked.
                    _ = hup.recv() => {}
                    _ = tick.tick() => if watchdog().is_some() { notify("WATCHDOG=1") },
                }
            }
            Ok::<_, std::io::Error>(())
        })
        .map_err(Failure::from)?;
    notify("STOPPING=1");
    drop(exporter);
    drop(keeper);
    drop(spared);
    Ok(Ending::Done)
}

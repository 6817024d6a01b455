//! What gate C costs everybody else while it is closed, and what it takes to close and open it. Gates A and D are programs that
//! run at each fork anyway: the part `hooks` has them.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::sums::both;
use super::{Bench, bpf};
use crate::{interrupt, run};

const CALLS: u32 = 200_000;

/// System calls of a process that is no member.
pub fn table(bench: &Bench, rounds: usize) -> Result<String> {
    eprintln!("gates");
    run::quiet(&mut bench.killer(&["up"]))?;
    let programs = bench.pins.join("v1/progs");
    let (mut open, mut closed, mut ratio) = (Vec::new(), Vec::new(), Vec::new());
    let (mut close, mut reopen) = (Vec::new(), Vec::new());
    for _ in 0..5 * rounds {
        interrupt::check()?;
        let before = call_ns();
        let at = Instant::now();
        let held = (
            bpf::attach(&programs.join("on_sys_enter"), "sys_enter")?,
            bpf::attach(&programs.join("on_sys_exit"), "sys_exit")?,
        );
        close.push(micros(at));
        let during = call_ns();
        let at = Instant::now();
        drop(held);
        reopen.push(micros(at));
        open.push(before);
        closed.push(during);
        ratio.push(during / before);
        // An attach right after a detach waits for RCU.
        std::thread::sleep(Duration::from_millis(100));
    }
    let [open, closed, ratio, close, reopen] = [open, closed, ratio, close, reopen].map(both);
    Ok(format!(
        "### Gate C, for a process that is no member\n\n| getppid(2), ns: no gate attached | while it is closed | ratio | to close, µs \
         | to open, µs |\n|---|---|---|---|---|\n| {open} | {closed} | {ratio} | {close} | {reopen} |\n\nMedian / least.\n\n"
    ))
}

fn micros(since: Instant) -> f64 {
    since.elapsed().as_nanos() as f64 / 1000.0
}

fn call_ns() -> f64 {
    let begun = Instant::now();
    for _ in 0..CALLS {
        std::hint::black_box(nix::unistd::getppid());
    }
    begun.elapsed().as_nanos() as f64 / f64::from(CALLS)
}

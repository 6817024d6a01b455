//! Runs a job, lets it fork as it likes, and ends it completely: `run_job NAME PROGRAM [ARGS...]`.

use std::time::Duration;

use killer_user::{Command, Error, Host, Order};

fn main() -> Result<(), Error> {
    let mut args = std::env::args_os().skip(1);
    let (Some(name), Some(program)) = (args.next(), args.next()) else {
        eprintln!("usage: run_job NAME PROGRAM [ARGS...]");
        std::process::exit(2);
    };
    let host = Host::up()?;
    let job = host.start(&Command::new(&name.to_string_lossy(), program).args(args))?;
    println!("{} is tracked by the tier {}", job.name(), host.tier());

    // A job that has ended by itself needs no signal.
    job.wait_empty(Duration::from_secs(1));
    let receipt = job.signal(&Order::kill().wait(Duration::from_secs(10)))?;
    println!(
        "{}: {} of {} processes signalled",
        receipt.ending.word(),
        receipt.targets.len(),
        receipt.processes
    );

    // Empty is the kernel's own count; exact means that nothing may have slipped from it.
    let sure = if receipt.exactness.exact { "exact" } else { "not exact" };
    println!("empty: {}, {sure}", job.is_empty());
    for reason in &receipt.exactness.reasons {
        println!("  {}: {}", reason.code, reason.text);
    }
    job.forget()
}

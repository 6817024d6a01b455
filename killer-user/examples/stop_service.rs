//! Ends a service as its users expect it: its stop command, SIGTERM, a wait, SIGKILL: `stop_service NAME`.

use std::time::Duration;

use killer_user::{Error, Host};

fn main() -> Result<(), Error> {
    let Some(name) = std::env::args().nth(1) else {
        eprintln!("usage: stop_service NAME");
        std::process::exit(2);
    };
    let Some(host) = Host::open()? else {
        println!("nothing is tracked on this host");
        return Ok(());
    };
    let service = match host.service(&name) {
        Ok(service) => service,
        Err(Error::Unknown(cause)) => {
            println!("{cause}");
            return Ok(());
        }
        Err(e) => return Err(e),
    };
    let stop = service.stop(Duration::from_secs(90))?;
    println!("{}: empty: {}, released: {}", stop.ending.word(), stop.empty, stop.released);
    for survivor in &stop.survivors {
        println!("process {} is left: {}", survivor.process.pid, survivor.text);
    }
    Ok(())
}

//! Says which service a process belongs to, whatever it calls itself now: `service_of PID`.

use killer_user::{Error, Host};

fn main() -> Result<(), Error> {
    let Some(pid) = std::env::args().nth(1).and_then(|a| a.parse().ok()) else {
        eprintln!("usage: service_of PID");
        std::process::exit(2);
    };
    let Some(host) = Host::open()? else {
        println!("nothing is tracked on this host");
        return Ok(());
    };
    match host.service_of(pid)? {
        Some(service) => {
            let sure = if service.exactness().exact { "exact" } else { "not exact" };
            println!("process {pid} is a member of {} ({sure})", service.name());
        }
        None => println!("process {pid} is in no service"),
    }
    Ok(())
}

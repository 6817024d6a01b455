//! The command `killer`; everything is in the library.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    killer_user::selftest::act(std::env::args_os());
    let request = match killer_user::cli::parse(std::env::args_os()) {
        Ok(r) => r,
        Err(e) => {
            let _ = std::io::stdout().write_all(e.stdout.as_bytes());
            let _ = std::io::stderr().write_all(e.stderr.as_bytes());
            return ExitCode::from(e.code);
        }
    };
    let level = match request.common.verbose {
        0 | 1 => log::LevelFilter::Error,
        2 => log::LevelFilter::Info,
        _ => log::LevelFilter::Debug,
    };
    let mut logger = env_logger::Builder::new();
    logger
        .filter_level(log::LevelFilter::Error)
        .filter_module("killer_user", level)
        .filter_module("modern", level);
    if std::env::var_os("RUST_LOG").is_some() {
        logger.parse_default_env();
    }
    logger.init();
    ExitCode::from(killer_user::app::perform(&request))
}

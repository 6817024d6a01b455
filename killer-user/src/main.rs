//! The command `killer`; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    killer_user::selftest::act(std::env::args_os());
    let request = match killer_user::cli::parse(std::env::args_os()) {
        Ok(r) => r,
        Err(e) => return ExitCode::from(killer_user::app::say(&e)),
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

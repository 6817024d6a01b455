//! The command `killer`; everything is in the library.

#![deny(unsafe_code)]

use std::process::ExitCode;

/// Before `main`, because Rust's runtime changes some of what the caller gave.
// SAFETY: the C runtime calls an entry of .init_array once, before main; `save` is made for that and uses nothing of Rust's
// runtime.
#[allow(unsafe_code)]
#[unsafe(link_section = ".init_array")]
#[used]
static SAVE: extern "C" fn() = killer_user::program::save;

/// glibc's allocator takes its memory at once, and uses it again: that is quicker still.
#[cfg(target_env = "musl")]
#[global_allocator]
static MEMORY: killer_user::program::Arena = killer_user::program::Arena::new();

fn main() -> ExitCode {
    killer_user::program::act(std::env::args_os());
    ExitCode::from(killer_user::program::main(std::env::args_os(), log_to_stderr))
}

/// `verbose`: `-v`, counted; `RUST_LOG` decides where it is set.
fn log_to_stderr(verbose: u8) {
    let level = match verbose {
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
}

#[cfg(test)]
mod tests {
    /// Its number's bit is in the mask of ignored signals that /proc shows.
    const SIGCHLD: u64 = 1 << (17 - 1);

    #[test]
    fn what_the_caller_gave_is_saved_before_main() {
        assert!(killer_user::program::is_saved());
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let ignored = status.lines().find_map(|l| l.strip_prefix("SigIgn:")).unwrap();
        assert_eq!(u64::from_str_radix(ignored.trim(), 16).unwrap() & SIGCHLD, 0);
    }
}

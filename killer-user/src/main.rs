//! The command `killer`; everything is in the library.

#![deny(unsafe_code)]
#![cfg_attr(not(test), no_main)]

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

/// Called by the C runtime, without the start of Rust's: what that sets up is set up by `save` already, but for a stack of its own to
/// say on that the stack is at its end. That is a dozen system calls of every command.
// SAFETY: `main` is the one that the C runtime looks for, and it is called once, with the program's arguments.
#[allow(unsafe_code)]
#[cfg(not(test))]
#[unsafe(no_mangle)]
extern "C" fn main(_count: core::ffi::c_int, arguments: killer_user::program::Arguments) -> core::ffi::c_int {
    killer_user::program::start(arguments, log_to_stderr)
}

/// `verbose`: `-v`, counted; `RUST_LOG` decides where it is set.
#[cfg_attr(test, allow(dead_code))]
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

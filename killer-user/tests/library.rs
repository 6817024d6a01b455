//! A process that links the library is left as it is: only the program changes umask, dispositions and limits.

use std::process::Command;

use nix::sys::stat::{Mode, umask};

/// Set for the process that looks at itself.
const LOOKS: &str = "KILLER_LIBRARY_LOOKS";

#[test]
fn nothing_runs_before_main() {
    assert!(!killer_user::program::is_saved());
    if std::env::var_os(LOOKS).is_some() {
        assert_eq!(umask(Mode::from_bits_truncate(0o077)).bits(), 0o027);
        return;
    }
    let me = std::env::current_exe().unwrap();
    let again = Command::new("sh").args(["-c", "umask 027; exec \"$0\""]).arg(me).env(LOOKS, "1").output();
    let again = again.unwrap();
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stdout));
}

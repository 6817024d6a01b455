//! Where rule files are.

use std::path::{Path, PathBuf};

use crate::ending::Ending;
use crate::host::Failure;
use crate::lookup::trusted::{Refused, Top};

/// Environment variable for tests: a directory in the place of the root directory, for rule files and for what they name.
const ROOT: &str = "KILLER_RULES_ROOT";

/// Rule files of packages.
pub const PACKAGES: &str = "/usr/lib/killer/rules.d";
/// Rule files of the administrator: one takes the place of a package's of the same name.
pub const ADMIN: &str = "/etc/killer/rules.d";

/// Where every path of a rule begins.
pub fn top() -> Result<Top, Failure> {
    match std::env::var_os(ROOT).filter(|r| !r.is_empty()) {
        Some(r) => Top::of(&PathBuf::from(r)),
        None => Top::host(),
    }
    .map_err(|why| refused(Path::new("/"), &why))
}

/// A failure to get to a file or a directory.
pub fn refused(what: &Path, why: &Refused) -> Failure {
    let f =
        Failure::new(Ending::Failed, format!("{} cannot be relied on", what.display())).why(why.to_string());
    match why {
        Refused::Owner(p, _) => f.next(format!("'chown root: {}', when what is in it is right", p.display())),
        Refused::Writable(p, _) => {
            f.next(format!("'chmod go-w {}', when what is in it is right", p.display()))
        }
        Refused::Io(_, e) if matches!(*e, rustix::io::Errno::PERM | rustix::io::Errno::ACCESS) => {
            f.with(Ending::NotPermitted).next("run it as root")
        }
        _ => f,
    }
}

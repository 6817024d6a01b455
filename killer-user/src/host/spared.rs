//! SysV's shutdown sends TERM and KILL to every process (killall5), and keeps away from those whose numbers are in files of
//! `/run/sendsigs.omit.d` (Debian's initscripts, `/etc/init.d/sendsigs`). A keeper is one of them: services are ended by name
//! until the end.

use std::path::Path;

use crate::boot::Tree;

/// Where the numbers are.
const OMIT: &str = "/run/sendsigs.omit.d";
/// Our file.
const NAME: &str = "killer";

/// This process is spared while the value lives.
#[derive(Debug)]
pub struct Spared(Option<Tree>);

impl Spared {
    /// Notes this process, where the host's shutdown looks; elsewhere there is nothing to do.
    pub fn this_process() -> Self {
        Self::within(Path::new(OMIT))
    }

    fn within(dir: &Path) -> Self {
        let noted = Tree::open(dir)
            .and_then(|t| t.write(NAME, &format!("{}\n", std::process::id()), 0o644).map(|()| t));
        Self(noted.ok())
    }
}

impl Drop for Spared {
    fn drop(&mut self) {
        let _ = self.0.as_ref().map(|t| t.remove(NAME));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_there_meanwhile() {
        let dir = std::env::temp_dir().join(format!("killer-spared-{}", std::process::id()));
        assert!(Spared::within(&dir).0.is_none(), "a host without such a shutdown");
        std::fs::create_dir(&dir).unwrap();
        let spared = Spared::within(&dir);
        assert_eq!(std::fs::read_to_string(dir.join(NAME)).unwrap(), format!("{}\n", std::process::id()));
        drop(spared);
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
        std::fs::remove_dir(&dir).unwrap();
    }
}

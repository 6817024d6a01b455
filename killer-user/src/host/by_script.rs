//! Where the kernel takes no rules, Debian's init scripts start themselves in services of their names, by what
//! `killer-user/src/boot/files/50-killer` does. One file decides whether they do: it is looked at by every init script, so that
//! this costs nothing more than a look.

use std::path::Path;

use crate::boot::Tree;
use crate::tier::Paths;

/// Where the file is.
const RUN: &str = "/run";
/// The file; there is nothing in it that is read.
const NAME: &str = "killer-by-script";

/// From now on scripts start themselves, or not. It is for the host's own tracker only. What cannot be written stays as it is: then
/// nothing is started otherwise than ever.
pub fn decide(start: bool) {
    let run_root = std::env::var_os("KILLER_RUN_ROOT").is_some_and(|v| !v.is_empty());
    if !Paths::default().chosen && !run_root {
        within(Path::new(RUN), start);
    }
}

fn within(run: &Path, start: bool) {
    let Ok(run) = Tree::open(run) else { return };
    let _ = match start {
        true => run.write(
            NAME,
            "Init scripts start themselves in services of their names; written by 'killer up --rules'.\n",
            0o644,
        ),
        false => run.remove(NAME),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_comes_and_goes() {
        let dir = std::env::temp_dir().join(format!("killer-by-script-{}", std::process::id()));
        within(&dir, true);
        std::fs::create_dir(&dir).unwrap();
        for (start, files) in [(false, 0), (true, 1), (true, 1), (false, 0)] {
            within(&dir, start);
            assert_eq!(std::fs::read_dir(&dir).unwrap().count(), files);
        }
        std::fs::remove_dir(&dir).unwrap();
    }
}

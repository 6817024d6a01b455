//! Programs that see other directories than the host's at `/run`, `/etc/init.d` and the like: each in a mount namespace
//! of its own, where directories of a test stand in their places.

use crate::env::TestEnv;
use crate::output::Out;
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Directories that stand in the places of the host's.
#[derive(Debug, Default)]
pub struct OwnPlaces {
    places: Vec<(CString, CString)>,
}

fn c(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("a path")
}

impl OwnPlaces {
    /// A new, empty directory at `place`, which the host has to have; answers where the test finds it.
    pub fn put(&mut self, env: &TestEnv, place: &str) -> PathBuf {
        let dir = env.path(&place.trim_start_matches('/').replace('/', "-"));
        std::fs::create_dir_all(&dir).expect("a directory");
        self.places.push((c(&dir), c(Path::new(place))));
        dir
    }

    /// Makes a command start there.
    pub fn within(&self, mut command: Command) -> Command {
        let places = self.places.clone();
        // SAFETY: only system calls, with strings made before the fork.
        unsafe {
            command.pre_exec(move || {
                let none = std::ptr::null();
                let did = |r: i32| if r == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) };
                did(libc::unshare(libc::CLONE_NEWNS))?;
                let private = libc::MS_REC | libc::MS_PRIVATE;
                did(libc::mount(none, c"/".as_ptr(), none, private, none.cast()))?;
                places.iter().try_for_each(|(from, to)| {
                    did(libc::mount(from.as_ptr(), to.as_ptr(), none, libc::MS_BIND, none.cast()))
                })
            });
        }
        command
    }

    /// `killer` there.
    #[track_caller]
    pub fn killer<S: AsRef<OsStr>>(&self, env: &TestEnv, args: impl IntoIterator<Item = S>) -> Out {
        let mut command = env.command();
        command.args(args);
        env.finish(self.within(command))
    }
}

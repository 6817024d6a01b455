//! Programs of the host's init, run with an environment that owes nothing to the caller.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Where they are found.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/command";

/// The first program of this name there.
pub fn find(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(name.into());
    }
    PATH.split(':').map(|d| Path::new(d).join(name)).find(|p| p.is_file())
}

/// Runs one in `/`, for so long at most; its output goes to stderr. Answers its exit code, 128+N when it died of a
/// signal; `None`: it did not end in time, and was killed.
///
/// # Errors
/// It could not be started.
pub fn run(name: &str, args: &[&str], most: Duration) -> io::Result<Option<i32>> {
    let none = || io::Error::new(io::ErrorKind::NotFound, format!("there is no {name} in {PATH}"));
    let mut command = Command::new(find(name).ok_or_else(none)?);
    command.args(args).env_clear().env("PATH", PATH).current_dir("/").stdin(Stdio::null());
    let said = io::stderr().as_fd().try_clone_to_owned();
    command.stdout(said.map_or_else(|_| Stdio::null(), Stdio::from));
    let mut child = command.spawn()?;
    let began = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(code(status)));
        }
        if began.elapsed() >= most {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

fn code(s: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    s.code().unwrap_or_else(|| 128 + s.signal().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_callers_is_left() {
        let script = "test \"$(env | cut -d= -f1 | sort | tr '\\n' ' ' | sed 's/_ //')\" = 'PATH PWD ' -a $PWD = / || exit 9; exit 3";
        assert_eq!(run("sh", &["-c", script], Duration::from_secs(20)).unwrap(), Some(3));
        assert_eq!(run("sh", &["-c", "kill -9 $$"], Duration::from_secs(20)).unwrap(), Some(137));
        assert_eq!(run("sleep", &["30"], Duration::from_millis(50)).unwrap(), None);
        assert!(
            run("no-such-program", &[], Duration::from_secs(1)).unwrap_err().to_string().contains("no-such")
        );
    }
}

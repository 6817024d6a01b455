//! A terminal of tmux with a `killer top` on it.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use killer_tests::{Pidfd, TestEnv, eventually, skip};

/// What has to come.
pub const SOON: Duration = Duration::from_secs(20);

/// A world, where tmux is installed.
pub fn world(test: &str) -> Option<TestEnv> {
    if Command::new("tmux").arg("-V").output().is_err() {
        skip(test, "tmux is not installed (Debian: apt-get install tmux)");
        return None;
    }
    TestEnv::reusing(test)
}

/// A terminal with a `killer top` on it.
pub struct Screen {
    socket: PathBuf,
}

impl Screen {
    /// A shell's script, in which `"$@"` is `killer top ARGS`, on a terminal of that size.
    pub fn script(
        env: &TestEnv,
        script: &str,
        vars: &[(&str, &str)],
        size: (u16, u16),
        args: &[&str],
    ) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // A server that has just been told to end would take another one's first words.
        let it = Self { socket: env.path(&format!("tmux-{}", NEXT.fetch_add(1, Ordering::Relaxed))) };
        let mut command = env.command();
        command.arg("top").args(args);
        let (x, y) = (size.0.to_string(), size.1.to_string());
        let mut tmux = it.command();
        tmux.args(["-f", "/dev/null", "new-session", "-d", "-x", &x, "-y", &y, "--", "env"]);
        for (key, value) in command.get_envs() {
            if let Some(value) = value {
                tmux.arg(format!("{}={}", key.to_string_lossy(), value.to_string_lossy()));
            }
        }
        tmux.args(vars.iter().map(|(k, v)| format!("{k}={v}")));
        tmux.args(["sh", "-c", script, "sh"]).arg(command.get_program()).args(command.get_args());
        let out = tmux.output().expect("tmux");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        it
    }

    /// A terminal of old: eighty columns, twenty-four lines. What it is afterwards is said.
    pub fn new(env: &TestEnv, vars: &[(&str, &str)], args: &[&str]) -> Self {
        Self::script(env, AFTER, vars, (80, 24), args)
    }

    fn command(&self) -> Command {
        let mut tmux = Command::new("tmux");
        tmux.env("LC_ALL", "C.UTF-8").env_remove("TMUX").arg("-u").arg("-S").arg(&self.socket);
        tmux
    }

    pub fn ask(&self, args: &[&str]) -> String {
        let out = self.command().args(args).output().expect("tmux");
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    /// What stands on it.
    pub fn text(&self) -> String {
        self.ask(&["capture-pane", "-p"])
    }

    /// Types keys, as tmux calls them.
    pub fn keys(&self, keys: &[&str]) {
        self.ask(&[&["send-keys"], keys].concat());
    }

    #[track_caller]
    pub fn shows(&self, words: &[&str]) -> String {
        let all = || words.iter().all(|w| self.text().contains(w));
        assert!(eventually(SOON, all), "not there: {words:?}\n{}", self.text());
        self.text()
    }

    /// The `killer` on it.
    pub fn killer(&self) -> Pidfd {
        let shell = self.ask(&["display-message", "-p", "#{pane_pid}"]);
        let children = format!("/proc/{0}/task/{0}/children", shell.trim());
        let found = std::fs::read_to_string(children).expect("children of the shell");
        let pid = found.split_whitespace().next().and_then(|p| p.parse().ok()).expect("a child");
        Pidfd::open(pid).expect("killer top")
    }

    /// The terminal is as the shell had it.
    #[track_caller]
    pub fn is_given_back(&self) {
        let text = self.shows(&["ENDED", "STTY"]);
        for mode in [" icanon", " echo ", " isig", " opost"] {
            let modes = text.split("STTY").nth(1).expect("modes");
            assert!(modes.contains(mode) && !modes.contains(&mode.replacen(' ', " -", 1)), "{mode}: {text}");
        }
        let flags = self.ask(&["display-message", "-p", "#{cursor_flag} #{alternate_on}"]);
        assert_eq!(flags.trim(), "1 0", "a cursor, and no other screen\n{text}");
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.command().arg("kill-server").output();
    }
}

/// What it is afterwards is said.
pub const AFTER: &str = r#""$@"; echo "ENDED $?"; echo STTY $(stty -a); sleep 60"#;

/// The line of the list that is the chosen one.
pub fn chosen<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find(|l| l.starts_with(&format!("> {name} ")))
}

/// A terminal that nobody reads, its main side not blocking, and the line to it.
pub fn pty() -> (OwnedFd, OwnedFd) {
    use rustix::fs::{Mode, OFlags};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let main = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
    grantpt(&main).and_then(|()| unlockpt(&main)).expect("a terminal");
    let name = ptsname(&main, Vec::new()).expect("a terminal's name");
    rustix::io::ioctl_fionbio(&main, true).expect("not blocking");
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    (main, rustix::fs::open(name, flags, Mode::empty()).expect("a line"))
}

//! The booted guest, as an admin sees it.

use killer_tests::{Pidfd, eventually, killer, skip};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long a daemon may take for what it does at once on a machine that is not emulated.
pub const SOON: Duration = Duration::from_secs(20);

/// What PID 1 is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    Sysv,
    Openrc,
    Runit,
    /// busybox init, and Buildroot's way to start scripts.
    Busybox,
}

/// A daemon that Debian's packages start at boot.
#[derive(Clone, Copy, Debug)]
pub struct Daemon {
    /// Of the init script.
    pub name: &'static str,
    pub program: &'static str,
    pub pidfile: &'static str,
}

const fn daemon(name: &'static str, program: &'static str, pidfile: &'static str) -> Daemon {
    Daemon { name, program, pidfile }
}

pub const DAEMONS: [Daemon; 7] = [
    daemon("apache2", "/usr/sbin/apache2", "/run/apache2/apache2.pid"),
    daemon("atd", "/usr/sbin/atd", "/run/atd.pid"),
    daemon("cron", "/usr/sbin/cron", "/run/crond.pid"),
    daemon("nginx", "/usr/sbin/nginx", "/run/nginx.pid"),
    daemon("rsyslog", "/usr/sbin/rsyslogd", "/run/rsyslogd.pid"),
    daemon("ssh", "/usr/sbin/sshd", "/run/sshd.pid"),
    // A link to udevadm.
    daemon("udev", "/usr/bin/udevadm", "/run/udev.pid"),
];

/// What a command has said, both streams, and its exit code as a shell says it.
#[derive(Debug)]
pub struct Said {
    pub command: String,
    pub code: i32,
    pub text: String,
}

impl Said {
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}: {}", self.command, self.text);
        self.text
    }
}

/// The guest.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    pub init: Init,
}

impl Machine {
    /// The guest that this is; elsewhere nothing, and the test has said so.
    pub fn here(test: &str) -> Option<Machine> {
        let init = match std::env::var("KILLER_BOOT").unwrap_or_default().as_str() {
            "sysv" => Init::Sysv,
            "openrc" => Init::Openrc,
            "runit" => Init::Runit,
            "busybox" => Init::Busybox,
            _ => {
                skip(test, "no guest with an init of the distributions'");
                return None;
            }
        };
        Some(Machine { init })
    }

    /// Runs a line of shell.
    pub fn sh(&self, script: &str) -> Said {
        // A file: a daemon that is started so may keep it.
        let path = std::env::temp_dir().join(format!("said-{}", std::process::id()));
        let file = fs::File::create(&path).expect("a file");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdin(Stdio::null()).stderr(file.try_clone().expect("a file"));
        let status = command.stdout(file).status().expect("a shell");
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned();
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        Said { command: script.into(), code, text }
    }

    /// Runs `killer` as an admin types it.
    pub fn killer(&self, args: &str) -> Said {
        self.sh(&format!("{} {args}", killer().display()))
    }

    /// What `killer` says as JSON.
    #[track_caller]
    pub fn json(&self, args: &str) -> serde_json::Value {
        let text = self.sh(&format!("{} {args} -o json 2>/dev/null", killer().display())).ok();
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("killer {args}: {e}: {text}"))
    }

    pub fn daemon(&self, name: &str) -> Daemon {
        *DAEMONS.iter().find(|d| d.name == name).expect("a daemon of the list")
    }

    /// Where its init keeps the number of its main process.
    pub fn pidfile(&self, daemon: Daemon) -> &'static str {
        match (self.init, daemon.name) {
            (Init::Runit, "ssh") => "/etc/service/ssh/supervise/pid",
            _ => daemon.pidfile,
        }
    }

    /// Its main process; nothing when there is none.
    pub fn main_of(&self, name: &str) -> Option<i32> {
        let daemon = self.daemon(name);
        let pid = fs::read_to_string(self.pidfile(daemon)).ok()?.trim().parse().ok()?;
        let program = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
        (program.to_string_lossy() == daemon.program).then_some(pid)
    }

    /// Its main process, which is there.
    #[track_caller]
    pub fn main(&self, name: &str) -> i32 {
        let mut found = None;
        eventually(SOON, || {
            found = self.main_of(name);
            found.is_some()
        });
        found.unwrap_or_else(|| panic!("{name} does not run: {}", self.sh("ps -ef").text))
    }

    /// Makes sure that `killer` knows the daemon by its name: as a service since boot, or adopted now.
    #[track_caller]
    pub fn known(&self, name: &str) {
        if self.killer(&format!("status -q {name}")).code != 0 {
            let file = self.pidfile(self.daemon(name));
            self.killer(&format!("adopt --pidfile {file} {name}")).ok();
        }
    }

    /// Starts it as its init does it, after `killer` has ended it.
    #[track_caller]
    pub fn start_again(&self, name: &str) {
        match self.init {
            // It believes that the service is started.
            Init::Openrc => self.sh(&format!("rc-service {name} zap; rc-service {name} start")),
            Init::Sysv | Init::Runit | Init::Busybox => self.sh(&format!("{} start", self.script(name))),
        }
        .ok();
        self.main(name);
    }

    /// Its init script.
    pub fn script(&self, name: &str) -> String {
        match self.init {
            Init::Busybox => self.sh(&format!("echo /etc/init.d/S[0-9][0-9]{name}")).ok().trim().into(),
            _ => format!("/etc/init.d/{name}"),
        }
    }

    /// What an admin types to restart it.
    pub fn restart(&self, name: &str) -> String {
        match self.init {
            Init::Busybox => format!("{} restart", self.script(name)),
            _ => format!("service {name} restart"),
        }
    }

    /// Does Apache answer?
    #[track_caller]
    pub fn answers(&self) {
        assert_eq!(
            self.sh("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/").ok(),
            "200",
            "apache2"
        );
    }

    /// What a CGI program of Apache's leaves behind: a `sleep` of so many seconds, in a session of its own.
    #[track_caller]
    pub fn cgi_leaves(&self, seconds: u32) -> Pidfd {
        let cgi = "/usr/lib/cgi-bin/leave";
        let text = format!(
            "#!/bin/sh\nsetsid sleep {seconds} </dev/null >/dev/null 2>&1 &\nprintf 'Content-Type: text/plain\\n\\nleft\\n'\n"
        );
        fs::write(cgi, text).expect("a CGI program");
        self.sh(&format!("chmod 755 {cgi}")).ok();
        assert_eq!(self.sh("curl -s http://127.0.0.1:8080/cgi-bin/leave").ok(), "left\n");
        let left = self.sh(&format!("pgrep -x -f 'sleep {seconds}'")).ok();
        Pidfd::open(left.trim().parse().expect("a number")).expect("what it has left")
    }

    /// Does a login over ssh work?
    pub fn login(&self) -> Said {
        self.sh("HOME=/root ssh root@127.0.0.1 echo logged in")
    }
}

/// Children of a process.
pub fn children(pid: i32) -> Vec<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|p| p.parse().ok()).collect()
}

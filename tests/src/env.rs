//! A tracker of one's own, and `killer` with it.

use crate::bpf::Pins;
use crate::output::Out;
use crate::reuse;
use crate::running::Running;
use crate::skip::skip;
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub(crate) const BPFFS: &str = "/sys/fs/bpf";
static NEXT: AtomicU32 = AtomicU32::new(0);

/// The `killer` under test: `KILLER_BIN`, else the workspace's release or debug build.
pub fn killer() -> PathBuf {
    if let Some(path) = std::env::var_os("KILLER_BIN") {
        return path.into();
    }
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let built: Vec<PathBuf> =
        ["release/killer", "debug/killer"].iter().map(|p| target.join(p)).filter(|p| p.exists()).collect();
    match built.first() {
        Some(path) => path.canonicalize().expect("path of killer"),
        None => {
            panic!("no killer to test: build it (cargo build --release -p killer-user) or set KILLER_BIN")
        }
    }
}

/// The adversary program: `KILLER_ADVERSARY`, else beside the test binaries.
pub fn adversary() -> PathBuf {
    if let Some(path) = std::env::var_os("KILLER_ADVERSARY") {
        return path.into();
    }
    let me = std::env::current_exe().expect("own path");
    let built = me.ancestors().skip(1).map(|d| d.join("adversary")).find(|p| p.is_file());
    built.unwrap_or_else(|| panic!("no adversary near {}: set KILLER_ADVERSARY", me.display()))
}

/// Whole seconds of `CLOCK_MONOTONIC`, the clock of deadlines.
pub fn monotonic_secs() -> i64 {
    rustix::time::clock_gettime(rustix::time::ClockId::Monotonic).tv_sec as i64
}

/// Release of the running kernel.
pub fn kernel() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// Its major and minor number.
pub fn kernel_number() -> (u32, u32) {
    let release = kernel();
    let mut parts = release.split(['.', '-', '+']).map(|p| p.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

/// A directory that nobody but root can change, nor any on the way to it; removed at the end.
pub fn of_root(prefix: &str) -> tempfile::TempDir {
    let make = |place| tempfile::Builder::new().prefix(prefix).tempdir_in(place);
    // A guest may have little.
    let dir = make("/run").or_else(|_| make("/")).expect("a directory of root's");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(dir.path(), open).expect("chmod of a directory");
    dir
}

/// Runs a test on programs, `named` and `scan`.
pub fn everywhere(test: &str, run: impl Fn(&TestEnv)) {
    worlds(test, TestEnv::reusing(test)).for_each(|env| run(&env));
}

/// The same, each time with a tracker that no other test has.
pub fn everywhere_alone(test: &str, run: impl Fn(&TestEnv)) {
    worlds(test, TestEnv::new(test)).for_each(|env| run(&env.alone()));
}

fn worlds(test: &str, programs: Option<TestEnv>) -> impl Iterator<Item = TestEnv> {
    let without = |tier| TestEnv::without_programs(&format!("{test}, {tier}"), tier, None);
    [programs, without("named"), without("scan")].into_iter().flatten()
}

/// One test's world: a pin root, a scratch directory, and what has to go at the end.
#[derive(Debug)]
pub struct TestEnv {
    /// Name of the test, for messages.
    pub test: String,
    /// `KILLER_PIN_ROOT` of every call.
    pub pin_root: PathBuf,
    /// Scratch directory, removed at the end.
    pub dir: tempfile::TempDir,
    /// The tracker is not this test's alone and stays.
    shared: bool,
    /// The tracker may serve another test afterwards, when it still consists of these.
    reused: Option<Pins>,
    /// Set for every `killer`.
    pub vars: Vec<(&'static str, &'static str)>,
    cgroup: Option<PathBuf>,
    serial: AtomicU32,
    tier: Option<&'static str>,
    uid: Option<u32>,
}

impl TestEnv {
    /// Names that `list` knows.
    pub fn names(&self) -> Vec<String> {
        let list = self.killer(["list", "-o", "json"]).ok().json();
        let services = list["services"].as_array().expect("services");
        services.iter().map(|s| s["name"].as_str().expect("a name").to_owned()).collect()
    }

    /// A fresh world, or `None` after a skip that says what this machine lacks.
    pub fn new(test: &str) -> Option<TestEnv> {
        if !rustix::process::geteuid().is_root() {
            skip(test, "not root");
            return None;
        }
        // Tiers raw and legacy need none, and lack what many tests are about.
        let any = ["KILLER_TIER", "KILLER_TESTS_ANY_TIER"].iter().any(|v| std::env::var_os(v).is_some());
        if !any && !Path::new("/sys/kernel/btf/vmlinux").exists() {
            skip(test, "the kernel has no BTF");
            return None;
        }
        if !bpffs_mounted() && !mount_bpffs() {
            skip(test, "no bpffs, and it cannot be mounted");
            return None;
        }
        static ONCE: std::sync::Once = std::sync::Once::new();
        ONCE.call_once(|| {
            heed_interrupts();
            sweep();
        });
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        // To load a tracker takes an emulated machine many seconds: one after the other, tests can share one.
        let shared = std::env::var_os("KILLER_TESTS_PIN_ROOT").map(PathBuf::from);
        let own = Path::new(BPFFS).join(format!("killer-test-{}-{n}", std::process::id()));
        let (shared, pin_root) = (shared.is_some(), shared.unwrap_or(own));
        let dir = tempfile::Builder::new().prefix("killer-test-").tempdir().expect("scratch directory");
        // Members with another identity write here too.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(dir.path(), open).expect("chmod of the scratch directory");
        Some(TestEnv {
            test: test.into(),
            pin_root,
            dir,
            shared,
            reused: None,
            vars: Vec::new(),
            cgroup: None,
            serial: AtomicU32::new(0),
            tier: None,
            uid: None,
        })
    }

    /// As [`TestEnv::new`], but its tracker is loaded already and may have served other tests: for tests that look at nothing
    /// but services, and do not harm the tracker. When anything is left of this test afterwards the tracker goes with it.
    pub fn reusing(test: &str) -> Option<TestEnv> {
        let mut env = TestEnv::new(test)?;
        if !env.shared && reuse::wanted() {
            if !reuse::take(&env.pin_root) {
                // With its hooks attached, as the next test will find it.
                env.killer(["run", "--name", "first", "--", "true"]);
                env.killer(["forget", "first"]);
            }
            env.reused = reuse::parts(&env.pin_root);
        }
        Some(env)
    }

    /// With a tracker of its own, also where others share one.
    pub fn alone(mut self) -> TestEnv {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        if self.reused.is_some() && !self.given_back() {
            let _ = std::fs::remove_dir_all(&self.pin_root);
        }
        self.pin_root = Path::new(BPFFS).join(format!("killer-test-{}-{n}", std::process::id()));
        self.shared = false;
        self
    }

    /// A fresh world for a tier without programs; `uid` is who `killer` and its services run as.
    pub fn without_programs(test: &str, tier: &'static str, uid: Option<u32>) -> Option<TestEnv> {
        if !rustix::process::geteuid().is_root() {
            skip(test, "not root");
            return None;
        }
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = tempfile::Builder::new().prefix("killer-test-").tempdir().expect("scratch directory");
        let open = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(dir.path(), open(0o755)).expect("chmod of the scratch directory");
        let run = dir.path().join("run");
        std::fs::create_dir(&run).expect("run root");
        std::os::unix::fs::chown(&run, uid, uid).expect("chown of the run root");
        if let Some(uid) = uid {
            let mut look = Command::new(killer());
            std::os::unix::process::CommandExt::uid(&mut look, uid);
            if look.arg("--help").stdout(Stdio::null()).status().is_err() {
                skip(test, "another user cannot execute what was built here");
                return None;
            }
        }
        // Nothing is ever pinned there.
        let pin_root = dir.path().join(format!("killer-test-{}-{n}", std::process::id()));
        let (tier, serial) = (Some(tier), AtomicU32::new(0));
        Some(TestEnv {
            test: test.into(),
            pin_root,
            dir,
            shared: false,
            reused: None,
            vars: Vec::new(),
            cgroup: None,
            serial,
            tier,
            uid,
        })
    }

    /// A fresh world for `named`, where this host has a hierarchy for it.
    pub fn named(test: &str) -> Option<TestEnv> {
        let env = TestEnv::without_programs(test, "named", None)?;
        let up = env.killer(["up"]);
        if up.stderr.contains("named cgroup v1 hierarchy") {
            skip(test, up.stderr.trim());
            return None;
        }
        up.ok();
        Some(env)
    }

    /// Where its services go when they do not go to programs.
    pub fn tier(&self) -> Option<&'static str> {
        self.tier
    }

    /// `killer` with this tracker, not started yet; stdin is empty.
    pub fn command(&self) -> Command {
        let mut command = Command::new(killer());
        command
            .env("KILLER_PIN_ROOT", &self.pin_root)
            .env("NO_COLOR", "1")
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC");
        command.envs(self.vars.iter().copied()).stdin(Stdio::null());
        command.env("KILLER_RUN_ROOT", self.dir.path().join("run"));
        // Never the host's own.
        command.env("KILLER_RECEIPTS", self.receipts()).env("KILLER_SIGN_KEY", "");
        if let Some(tier) = self.tier {
            command.env("KILLER_TIER", tier);
        }
        self.identity(&mut command);
        command
    }

    /// Makes a command run as this world's user.
    pub fn identity(&self, command: &mut Command) {
        if let Some(uid) = self.uid {
            std::os::unix::process::CommandExt::uid(command, uid);
            std::os::unix::process::CommandExt::gid(command, uid);
            command.current_dir("/");
        }
    }

    /// Runs `killer ARGS`; 40 s at most.
    #[track_caller]
    pub fn killer<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Out {
        let mut command = self.command();
        command.args(args);
        self.finish(command)
    }

    /// Whether a service has members; one that somebody begins to start has none yet, and is alive for `status`.
    pub fn has_members(&self, service: &str) -> bool {
        let status = self.killer(["status", "-o", "json", service]);
        status.exit() == 0 && status.json()["state"] == "live"
    }

    /// Starts a prepared `killer` with its output going to files (a detached service would hold a pipe open for ever).
    pub fn spawn(&self, mut command: Command) -> Running {
        let n = self.serial.fetch_add(1, Ordering::Relaxed);
        let (out, err) = (self.dir.path().join(format!("{n}.out")), self.dir.path().join(format!("{n}.err")));
        let args = command.get_args().map(|a| a.to_string_lossy().into_owned()).collect();
        command.stdout(File::create(&out).expect("output file"));
        command.stderr(File::create(&err).expect("output file"));
        let child =
            crate::process::start(&mut command).unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
        Running::new(child, args, out, err)
    }

    /// Starts a prepared `killer` and waits for its end.
    #[track_caller]
    pub fn finish(&self, command: Command) -> Out {
        self.spawn(command).finish(Duration::from_secs(90))
    }

    /// A directory of cgroup v2 of this test's own, removed at the end; `None` where there is no such hierarchy.
    pub fn cgroup(&mut self) -> Option<PathBuf> {
        if self.cgroup.is_none() {
            let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
            let mount = mounts.lines().find(|l| l.split(' ').nth(2) == Some("cgroup2"))?.split(' ').nth(1)?;
            let dir = Path::new(mount).join(self.dir.path().file_name()?);
            std::fs::create_dir(&dir).ok()?;
            self.cgroup = Some(dir);
        }
        self.cgroup.clone()
    }

    /// Where its receipts are kept.
    pub fn receipts(&self) -> PathBuf {
        // A user cannot make a directory beside his run root.
        let place = if self.uid.is_some() { "run/receipts" } else { "receipts" };
        self.dir.path().join(place)
    }

    /// A path in the scratch directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn bpffs_mounted() -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts.lines().any(|l| l.split(' ').skip(1).take(2).eq([BPFFS, "bpf"]))
}

/// Tests run at the same time: whoever comes second finds it mounted.
fn mount_bpffs() -> bool {
    use rustix::mount::{MountFlags, mount};
    static ONCE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one_at_a_time = ONCE.lock();
    bpffs_mounted() || mount("bpf", BPFFS, "bpf", MountFlags::empty(), None).is_ok()
}

/// A shell that starts the tests in the background has them ignore SIGINT, and `killer` would have that from them.
fn heed_interrupts() {
    for signal in [libc::SIGINT, libc::SIGQUIT] {
        // SAFETY: sets a disposition; no handler is installed.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Removes the trackers of test processes that were killed.
fn sweep() {
    for entry in std::fs::read_dir(BPFFS).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = name.strip_prefix("killer-test-").and_then(|n| n.split('-').next());
        if pid.is_some_and(|p| p.parse::<u32>().is_ok() && !Path::new("/proc").join(p).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

impl TestEnv {
    /// Whether the tracker waits for another test now.
    fn given_back(&mut self) -> bool {
        let Some(parts) = self.reused.take() else { return false };
        if std::thread::panicking() || !self.vars.is_empty() {
            return false;
        }
        for args in [&["-q", "-s", "KILL", "*"][..], &["-q", "forget", "--ended"]] {
            let mut command = self.command();
            command.args(args);
            self.spawn(command).wait(Duration::from_secs(15));
        }
        reuse::give_back(&self.pin_root, &parts)
    }
}

impl Drop for TestEnv {
    fn drop(&mut self) {
        if !self.given_back() && self.pin_root.exists() || self.tier.is_some() {
            let ways = [&["-q", "-s", "KILL", "*"][..], &["down", "--force"]];
            for args in ways.into_iter().take(if self.shared { 1 } else { 2 }) {
                let mut command = self.command();
                command.args(args);
                self.spawn(command).wait(Duration::from_secs(15));
            }
        }
        // A tracker that did not go by itself goes with its pins.
        if !self.shared {
            let _ = std::fs::remove_dir_all(&self.pin_root);
        }
        if let Some(dir) = &self.cgroup {
            crate::process::eventually(Duration::from_secs(2), || std::fs::remove_dir(dir).is_ok());
        }
    }
}

//! What, why, next step, and the ending that it means.

use crate::ending::Ending;
use crate::keep::KeepError;

/// A failure as the user sees it: at most three lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How the call ends.
    pub ending: Ending,
    /// What failed.
    pub what: String,
    /// Why.
    pub why: Option<String>,
    /// What to do.
    pub next: Option<String>,
}

impl Failure {
    /// Only what.
    pub fn new(ending: Ending, what: impl Into<String>) -> Self {
        Self { ending, what: what.into(), why: None, next: None }
    }

    /// Adds the reason.
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    /// Adds the next step.
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// With another ending.
    pub fn with(mut self, ending: Ending) -> Self {
        self.ending = ending;
        self
    }
}

/// Why no descriptor could be had.
fn few_descriptors(e: &std::io::Error) -> String {
    match e.raw_os_error() {
        Some(libc::ENFILE) => "the whole host has no more open files (fs.file-max)".into(),
        _ => format!(
            "this process may have {} files open, and that is too few",
            crate::sys::limits::descriptors()
        ),
    }
}

impl From<KeepError> for Failure {
    fn from(e: KeepError) -> Self {
        match e {
            KeepError::NotPermitted { what, missing } => {
                Self::new(Ending::NotPermitted, format!("not permitted to {what}"))
                    .why(KeepError::lack(&missing))
                    .next(match missing.is_empty() {
                        true => "'killer doctor' says what this host has",
                        false => "run it as root, or with these capabilities in the host's user namespace",
                    })
            }
            KeepError::Proc(why) => Self::new(Ending::Failed, why)
                .why("processes cannot be told from others without it")
                .next("'mount -t proc proc /proc' mounts it; where it is mounted, the same command may work when it is given again"),
            KeepError::NoSys => Self::new(Ending::Failed, "nothing is mounted at /sys")
                .why("the kernel shows its BTF there, and a bpffs is mounted below it")
                .next("'mount -t sysfs sysfs /sys' mounts it; where it is mounted, the same command may work when it is given again"),
            KeepError::PidNamespace => {
                Self::new(Ending::Failed, "killer does not work from inside a PID namespace")
                    .why("the kernel side knows processes by the host's numbers, which mean others here")
                    .next("run it on the host: it reaches into every container there")
            }
            KeepError::Kernel(what) => Self::new(Ending::Failed, format!("this kernel lacks {what}"))
                .next("see 'killer doctor' for what each tier needs"),
            KeepError::NoBpffs { path, why } => {
                Self::new(Ending::Failed, format!("no bpffs for the tracker's pins at {}", path.display()))
                    .why(why)
                    .next("mount one ('mount -t bpf bpf /sys/fs/bpf') or set KILLER_PIN_ROOT below one")
            }
            KeepError::NoPlace { path, why } => {
                Self::new(Ending::Failed, format!("no registry of services can be at {}", path.display()))
                    .why(why)
                    .next("KILLER_RUN_ROOT=DIR names a directory that can be written to and is this user's alone")
            }
            KeepError::NotLoaded => {
                Self::new(Ending::Failed, "the tracker is not loaded, so nothing is tracked")
                    .next("start a service with 'killer run --name NAME -- CMD' or load it with 'killer up'")
            }
            KeepError::NeedsKeeper => {
                Self::new(Ending::Failed, "the links of the programs cannot be pinned on this kernel")
                    .next("'killer serve' holds them; let the service manager start it")
            }
            KeepError::Damaged(pin) => Self::new(Ending::Failed, "the tracker's pins are damaged")
                .why(format!("missing or foreign: {pin}"))
                .next("'killer down --force', then start the services again: what was tracked is lost"),
            KeepError::Refused { name, why } => {
                Self::new(Ending::Failed, format!("the kernel refused the program {name}"))
                    .why(why)
                    .next("see 'killer doctor -v'; this is a bug of killer worth reporting")
            }
            KeepError::Kept { what, why, next } => {
                Self::new(Ending::Failed, format!("the kernel still has {what}")).why(why).next(next)
            }
            KeepError::Io { what, source } if crate::sys::proc::no_room(&source) => Self::new(Ending::Failed, format!("{what} failed"))
                .why(few_descriptors(&source))
                .next("raise the limit of open files: 'ulimit -n 256', LimitNOFILE=256 of a service manager"),
            KeepError::Io { what, source } => {
                Self::new(Ending::Failed, format!("{what} failed")).why(source.to_string())
            }
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(e: std::io::Error) -> Self {
        if matches!(e.raw_os_error(), Some(libc::EPERM | libc::EACCES)) {
            return Self::new(Ending::NotPermitted, "not permitted")
                .why(e.to_string())
                .next("run it as root");
        }
        match e.raw_os_error() {
            // What the programs say of a slot that is another one's by now (`killer-ebpf/src/ctl.rs:root_of`).
            Some(libc::ESTALE) => {
                Self::new(Ending::Failed, "a service has ended and was forgotten meanwhile")
                    .next("'killer list' shows what is tracked")
            }
            Some(libc::EMFILE | libc::ENFILE) => Self::new(Ending::Failed, "too few open files")
                .why(few_descriptors(&e))
                .next("raise the limit of open files: 'ulimit -n 256', LimitNOFILE=256 of a service manager"),
            Some(libc::ENOMEM) => Self::new(Ending::Failed, "the kernel had no memory for it")
                .next("the same command may work when it is given again"),
            Some(_) => Self::new(Ending::Failed, "the kernel has refused what this needs")
                .why(e.to_string())
                .next("the same command may work when it is given again; 'killer doctor' says what this host has"),
            None => Self::new(Ending::Failed, e.to_string()),
        }
    }
}

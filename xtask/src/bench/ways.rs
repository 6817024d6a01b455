//! Ways to end a set of processes: `killer` and the usual ones.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Result;

use super::Bench;
use super::trial::{Ending, NAME, own_cpu};
use crate::{run, tools};

/// How a set of processes is ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// The kernel's own.
    CgroupKill,
    /// A program that does kill(2) on numbers that it is given.
    KillProgram,
    /// This project.
    Killer,
    /// The same without programs that signal.
    KillerPidfd,
    /// By name.
    Pkill,
    /// Children, recursively; with this Python.
    Psutil(PathBuf),
}

/// A way to end a set, and whether our tracker has it: its hooks run in those that end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// How.
    pub how: How,
    /// Members of a service of ours.
    pub tracked: bool,
    /// Measured a second time, to see how much of a ratio is chance.
    pub again: bool,
}

impl Way {
    /// On members of a service.
    pub fn tracked(how: How) -> Way {
        Way { how, tracked: true, again: false }
    }

    /// On processes of nobody's.
    pub fn untracked(how: How) -> Way {
        Way { how, tracked: false, again: false }
    }

    /// The same once more.
    pub fn again(self) -> Way {
        Way { again: true, ..self }
    }

    /// For people.
    pub fn name(&self) -> String {
        let how = match self.how {
            How::CgroupKill => "`cgroup.kill`",
            How::KillProgram => "kill(2), PIDs known",
            How::Killer => "`killer -s KILL`",
            How::KillerPidfd => "`killer`, by pidfds",
            How::Pkill => "`pkill -KILL -x`",
            How::Psutil(_) => "psutil children(recursive)",
        };
        let of = match (self.is_ours(), self.tracked) {
            (true, _) => "",
            (_, true) => ", tracked",
            (_, false) => ", untracked",
        };
        format!("{how}{of}{}", if self.again { ", again" } else { "" })
    }

    /// `killer` itself.
    pub fn is_ours(&self) -> bool {
        matches!(self.how, How::Killer | How::KillerPidfd)
    }

    /// Takes so long that it is measured in few rounds.
    pub fn is_slow(&self) -> bool {
        matches!(self.how, How::Pkill | How::Psutil(_))
    }

    /// Reaches everybody, so that one may wait for long.
    pub fn thorough(&self) -> bool {
        !matches!(self.how, How::Psutil(_))
    }

    /// What can be ready before the time begins.
    pub fn prepare(&self, bench: &Bench, pids: &[i32]) -> Result<Ready> {
        let mut stdin = Stdio::null();
        let mut command = match &self.how {
            How::CgroupKill => {
                let dir = bench.cgroup.as_ref().expect("asked for only where there is one");
                return Ok(Ready::Cgroup(dir.join("cgroup.kill")));
            }
            How::KillProgram => {
                stdin = numbers(bench, pids)?.into();
                let mut command = Command::new(&bench.nursery);
                command.arg("kill");
                command
            }
            How::Killer => bench.killer(&["-s", "KILL", NAME]),
            How::KillerPidfd => {
                let mut command = bench.killer(&["-s", "KILL", NAME]);
                command.env("KILLER_SWEEP", "pidfd");
                command
            }
            How::Pkill => {
                let mut command = Command::new("pkill");
                command.args(["-KILL", "-x"]).arg(bench.sleepers.file_name().expect("a name"));
                command
            }
            How::Psutil(python) => {
                let root = pids.first().expect("victims");
                let mut command = Command::new(python);
                command.args(["-c", PSUTIL, &root.to_string()]);
                command
            }
        };
        command.stdin(stdin).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Ready::Program(command))
    }
}

/// A way that has only to be begun.
pub enum Ready {
    /// A file to write to.
    Cgroup(PathBuf),
    /// A program to start.
    Program(Command),
}

impl Ready {
    /// Begins to end them.
    pub fn begin(self) -> Result<Ending> {
        match self {
            Ready::Cgroup(file) => {
                let before = own_cpu();
                std::fs::write(file, "1")?;
                Ok(Ending::Own(own_cpu() - before))
            }
            Ready::Program(mut command) => Ok(Ending::Program(command.spawn()?)),
        }
    }
}

/// A file of numbers, open at its beginning.
fn numbers(bench: &Bench, pids: &[i32]) -> Result<File> {
    let path = bench.scratch.path().join("numbers");
    let text: String = pids.iter().map(|p| format!("{p}\n")).collect();
    std::fs::write(&path, text)?;
    Ok(File::open(&path)?)
}

const PSUTIL: &str = "import psutil, sys
root = psutil.Process(int(sys.argv[1]))
for p in root.children(recursive=True) + [root]:
    try: p.kill()
    except psutil.NoSuchProcess: pass";

/// A Python with psutil: the system's, or one of our own.
pub fn psutil() -> Result<PathBuf> {
    let works = |python: &PathBuf| {
        let try_it = Command::new(python).args(["-c", "import psutil"]).stderr(Stdio::null()).status();
        try_it.is_ok_and(|s| s.success())
    };
    let system = PathBuf::from("python3");
    if works(&system) {
        return Ok(system);
    }
    let venv = tools::cache()?.join("psutil");
    let own = venv.join("bin/python3");
    if !works(&own) {
        anyhow::ensure!(run::have("python3"), "no python3 (apt-get install python3-psutil)");
        let made = Command::new("python3").args(["-m", "venv"]).arg(&venv).output();
        let got =
            made.and_then(|_| Command::new(venv.join("bin/pip")).args(["install", "-q", "psutil"]).output());
        anyhow::ensure!(
            got.is_ok() && works(&own),
            "pip has no psutil here (apt-get install python3-psutil)"
        );
    }
    // The program itself, past any wrapper: its start is part of the time.
    let real = Command::new(&own).args(["-c", "import sys; print(sys.executable)"]).output()?;
    Ok(PathBuf::from(String::from_utf8_lossy(&real.stdout).trim()))
}

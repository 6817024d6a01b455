//! A host with init scripts and rule files of its own.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use killer_tests::{Out, TestEnv, skip};

/// A host of its own: a directory in the place of the root directory, that only root can change.
pub struct Host {
    pub env: TestEnv,
    pub root: tempfile::TempDir,
}

impl Host {
    pub fn of(mut env: TestEnv) -> Host {
        let root = killer_tests::of_root("killer-rules-");
        mode(root.path(), 0o755);
        // The list of variables is the harness's, for names that it knows at compile time.
        let at: &'static str = Box::leak(root.path().display().to_string().into_boxed_str());
        env.vars.push(("KILLER_RULES_ROOT", at));
        Host { env, root }
    }

    /// Without a tracker.
    pub fn bare(test: &str) -> Option<Host> {
        TestEnv::without_programs(test, "scan", None).map(Host::of)
    }

    /// With one that has rules.
    pub fn ruled(test: &str) -> Option<Host> {
        let host = Host::of(TestEnv::new(test)?);
        host.script("first", "exit 0");
        let up = host.killer(&["up", "--rules"]);
        if up.exit() == 1 && up.stderr.contains("the tier") {
            skip(test, &up.stderr.replace('\n', " "));
            return None;
        }
        up.ok();
        Some(host)
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    pub fn write(&self, path: &str, text: &str) -> PathBuf {
        let at = self.path(path);
        std::fs::create_dir_all(at.parent().expect("a parent")).expect("directories");
        std::fs::write(&at, text).expect("a file");
        at
    }

    pub fn rules(&self, name: &str, text: &str) {
        self.write(&format!("etc/killer/rules.d/{name}"), text);
    }

    /// An init script.
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        let at = self.write(&format!("etc/init.d/{name}"), &format!("#!/bin/sh\n{text}\n"));
        mode(&at, 0o755);
        at
    }

    pub fn killer(&self, args: &[&str]) -> Out {
        self.env.killer(args)
    }

    /// What `rule test` says.
    pub fn says(&self, args: &[&str]) -> String {
        self.killer(&[&["rule", "test"], args].concat()).stdout
    }

    pub fn names(&self) -> Vec<String> {
        self.env.names()
    }
}

pub fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
}

pub fn run(program: &Path, args: &[&str]) {
    let status = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(status.expect("a script that runs").success(), "{}", program.display());
}

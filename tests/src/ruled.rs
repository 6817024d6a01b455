//! A host with init scripts and rule files of its own.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::{Objects, Out, TestEnv, of_root, skip};

/// A host of its own: a directory in the place of the root directory, that only root can change.
pub struct RuledHost {
    /// With a tracker, or without one.
    pub env: TestEnv,
    /// The directory.
    pub root: tempfile::TempDir,
}

impl RuledHost {
    /// Without rules in force.
    pub fn of(mut env: TestEnv) -> RuledHost {
        let root = of_root("killer-rules-");
        // The list of variables is the harness's, for names that it knows at compile time.
        let at: &'static str = Box::leak(root.path().display().to_string().into_boxed_str());
        env.vars.push(("KILLER_RULES_ROOT", at));
        RuledHost { env, root }
    }

    /// Without a tracker.
    pub fn bare(test: &str) -> Option<RuledHost> {
        TestEnv::without_programs(test, "scan", None).map(RuledHost::of)
    }

    /// With a tracker that has rules for its init scripts.
    pub fn ruled(test: &str, vars: &[(&'static str, &'static str)]) -> Option<RuledHost> {
        let mut env = TestEnv::new(test)?;
        env.vars.extend(vars);
        let host = RuledHost::of(env);
        host.script("first", "exit 0");
        let up = host.killer(&["up", "--rules"]);
        // No rules there; or a tier was asked for whose programs nobody may load there.
        let not_permitted = up.exit() == 77 && vars.iter().any(|(name, _)| *name == "KILLER_TIER");
        if not_permitted || up.exit() == 1 && up.stderr.contains("the tier") {
            skip(test, &up.stderr.replace('\n', " "));
            return None;
        }
        up.ok();
        Some(host)
    }

    /// A path in it.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    /// Writes a file, and the directories on the way to it.
    pub fn write(&self, path: &str, text: &str) -> PathBuf {
        let at = self.path(path);
        std::fs::create_dir_all(at.parent().expect("a parent")).expect("directories");
        std::fs::write(&at, text).expect("a file");
        at
    }

    /// A rule file.
    pub fn rules(&self, name: &str, text: &str) {
        self.write(&format!("etc/killer/rules.d/{name}"), text);
    }

    /// An init script.
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        let at = self.write(&format!("etc/init.d/{name}"), &format!("#!/bin/sh\n{text}\n"));
        mode(&at, 0o755);
        at
    }

    /// Calls `killer`.
    pub fn killer(&self, args: &[&str]) -> Out {
        self.env.killer(args)
    }

    /// What `rule test` says.
    pub fn says(&self, args: &[&str]) -> String {
        self.killer(&[&["rule", "test"], args].concat()).stdout
    }

    /// Names of the tracked services.
    pub fn names(&self) -> Vec<String> {
        self.env.names()
    }

    /// Instances that were opened, and given back, since the tracker was loaded.
    pub fn figures(&self) -> (u64, u64) {
        let g = Objects::new(&self.env.pin_root).global().expect("the figures of the tracker");
        (g.opened, g.given_back)
    }
}

/// Gives a file another mode.
pub fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
}

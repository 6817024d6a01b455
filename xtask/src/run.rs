//! Running other programs: quietly, and with all they said when they fail.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The checkout.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    // `cargo run` says where the package is now; a binary that was moved still has the path of its build.
    let now = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).filter(|p| p.ends_with("xtask"));
    now.as_deref().unwrap_or(here).parent().expect("xtask/ lies in the checkout").to_owned()
}

/// The cargo that runs us.
pub fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs to the end; its output is shown only when it fails.
pub fn quiet(command: &mut Command) -> Result<String> {
    let name = name(command);
    let out = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {name}"))?;
    if !out.status.success() {
        eprint!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        bail!("{name}: {}", out.status);
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// Runs to the end with our own output.
pub fn shown(command: &mut Command) -> Result<()> {
    let name = name(command);
    let status = command.status().with_context(|| format!("cannot run {name}"))?;
    if !status.success() {
        bail!("{name}: {status}");
    }
    Ok(())
}

/// Is there such a program in PATH?
pub fn have(program: &str) -> bool {
    which(program).is_some()
}

/// The program's path.
pub fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(usual).map(|d| d.join(program)).find(|p| p.is_file())
}

fn name(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy();
    let args: Vec<_> = command.get_args().take(4).map(|a| a.to_string_lossy()).collect();
    format!("{program} {}", args.join(" "))
}

//! Dependencies that a manifest declares and no source of its crate names.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{Check, Finding, Sources};
use crate::run::{cargo, quiet};

/// The manifests that cargo is asked about; the eBPF side is a workspace of its own.
pub const WORKSPACES: [&str; 2] = ["Cargo.toml", "killer-ebpf/Cargo.toml"];

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    manifest_path: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    rename: Option<String>,
}

/// The unused ones of every crate, and those of the workspace that no crate takes.
pub fn check(root: &Path, sources: &Sources) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for workspace in WORKSPACES {
        let mut ask = cargo();
        ask.args(["metadata", "--format-version=1", "--no-deps", "--manifest-path", workspace]);
        let known: Metadata = serde_json::from_str(&quiet(ask.current_dir(root))?)?;
        for package in &known.packages {
            found.extend(of_crate(root, sources, package)?);
        }
        let taken: Vec<_> = known.packages.iter().flat_map(|p| &p.dependencies).map(|d| &*d.name).collect();
        found.extend(of_workspace(workspace, sources.text(workspace).unwrap_or_default(), &taken));
    }
    Ok(found)
}

fn of_crate(root: &Path, sources: &Sources, package: &Package) -> Result<Vec<Finding>> {
    let folder = Path::new(&package.manifest_path).parent().context("a manifest lies in a folder")?;
    let root = root.canonicalize()?;
    let folder = folder.strip_prefix(&root)?.to_str().context("not UTF-8")?;
    let texts: Vec<_> =
        sources.rust().filter(|(p, _)| Path::new(p).starts_with(folder)).map(|(_, t)| t).collect();
    let unused = package.dependencies.iter().filter(|d| {
        let name = d.rename.as_ref().unwrap_or(&d.name).replace('-', "_");
        !texts.iter().any(|t| names(t, &name))
    });
    Ok(unused.map(|d| finding(&package.name, &d.name)).collect())
}

/// The lines below `[workspace.dependencies]` whose crate nobody in `taken` has.
fn of_workspace(path: &str, manifest: &str, taken: &[&str]) -> Vec<Finding> {
    let lines = manifest.lines().skip_while(|l| *l != "[workspace.dependencies]").skip(1);
    let names = lines.take_while(|l| !l.starts_with('[')).filter_map(|l| Some(l.split_once(" = ")?.0));
    names.filter(|n| !taken.contains(n)).map(|n| finding(path, n)).collect()
}

fn finding(whose: &str, name: &str) -> Finding {
    let text = format!("{whose} depends on {name}, and nothing names it");
    Finding { check: Check::Unused, key: format!("{whose}: {name}"), text }
}

/// Does code, without its comments, name this crate?
fn names(text: &str, name: &str) -> bool {
    let code = text.lines().map(|l| l.split("//").next().unwrap_or_default());
    code.into_iter().any(|l| l.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|w| w == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_source_names_is_unused() {
        let sources =
            Sources::of(&[("a/src/main.rs", "use aya_log::X;\n// syslog"), ("b/src/main.rs", "use syslog;")]);
        let dependency = |name: &str| Dependency { name: name.into(), rename: None };
        let dependencies = vec![dependency("aya-log"), dependency("syslog")];
        let root = std::env::current_dir().unwrap();
        let manifest_path = root.join("a/Cargo.toml").to_str().unwrap().into();
        let package = Package { name: "a".into(), manifest_path, dependencies };
        let found = of_crate(&root, &sources, &package).unwrap();
        assert_eq!(found.into_iter().map(|f| f.key).collect::<Vec<_>>(), ["a: syslog"]);
    }

    #[test]
    fn what_no_crate_takes_is_unused() {
        let manifest =
            "[workspace.dependencies]\nlog = \"0.4\"\ntrycmd = \"0.15\"\n\n[profile.release]\nlto = true\n";
        let found = of_workspace("Cargo.toml", manifest, &["log"]);
        assert_eq!(found.into_iter().map(|f| f.key).collect::<Vec<_>>(), ["Cargo.toml: trycmd"]);
    }
}

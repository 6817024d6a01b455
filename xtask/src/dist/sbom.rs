//! The list of what the program is made of, as CycloneDX 1.5 has it: every crate that is in the binary, from the lock file, with
//! its checksum, and the eBPF object with the hash of its sources.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Dist, NAME, VERSION};
use crate::run::{cargo, quiet};

/// The document.
pub fn make(dist: &Dist) -> Result<String> {
    let mut ask = cargo();
    ask.args(["metadata", "--format-version=1", "--locked"]);
    ask.args(dist.machines.iter().flat_map(|m| ["--filter-platform", m.target]));
    let metadata: Value = serde_json::from_str(&quiet(ask.current_dir(&dist.root))?)?;
    let sums = checksums(&std::fs::read_to_string(dist.root.join("Cargo.lock"))?);
    let packages: BTreeMap<&str, &Value> =
        list(&metadata["packages"]).filter_map(|p| Some((p["id"].as_str()?, p))).collect();
    let edges = edges(&metadata);
    let own = packages.iter().find(|(_, p)| p["name"] == "killer-user").context("no killer-user")?.0;
    let mut inside = BTreeSet::new();
    let mut next = vec![*own];
    while let Some(id) = next.pop() {
        if inside.insert(id) {
            next.extend(edges.get(id).into_iter().flatten());
        }
    }
    let components: Vec<Value> = inside
        .iter()
        .filter(|id| *id != own)
        .filter_map(|id| Some(component(packages.get(id)?, &sums)))
        .collect();
    let depends: Vec<Value> = inside
        .iter()
        .map(|id| {
            let on: Vec<String> = edges
                .get(id)
                .into_iter()
                .flatten()
                .filter_map(|i| packages.get(i))
                .map(|p| purl(p))
                .collect();
            json!({ "ref": packages.get(id).map(|p| purl(p)), "dependsOn": on })
        })
        .collect();
    let manifest = std::fs::read_to_string(dist.root.join("killer-user/prebuilt/manifest.toml"))?;
    let object = crate::sources::manifest_value(&manifest, "sources_sha256").context("no sources_sha256")?;
    let mut date = std::process::Command::new("date");
    let date = quiet(date.args(["-u", "-d", &format!("@{}", dist.epoch), "+%Y-%m-%dT%H:%M:%SZ"]))?;
    let main = packages.get(own).map(|p| purl(p));
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": date.trim(),
            "component": {
                "type": "application",
                "bom-ref": main,
                "name": NAME,
                "version": VERSION,
                "purl": main,
                "licenses": [{ "expression": "(MIT OR Apache-2.0) AND (MIT OR GPL-2.0-only)" }],
                "properties": [{ "name": "killer:sha256 of the sources of the eBPF objects", "value": object }],
            },
        },
        "components": components,
        "dependencies": depends,
    });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn list(v: &Value) -> impl Iterator<Item = &Value> {
    v.as_array().into_iter().flatten()
}

/// What each package is linked with: dependencies of builds and of tests are not in the program.
fn edges(metadata: &Value) -> BTreeMap<&str, Vec<&str>> {
    let mut edges = BTreeMap::new();
    for node in list(&metadata["resolve"]["nodes"]) {
        let linked = list(&node["deps"]).filter(|d| list(&d["dep_kinds"]).any(|k| k["kind"].is_null()));
        let on: Vec<&str> = linked.filter_map(|d| d["pkg"].as_str()).collect();
        edges.insert(node["id"].as_str().unwrap_or_default(), on);
    }
    edges
}

fn text<'a>(package: &'a Value, key: &str) -> &'a str {
    package[key].as_str().unwrap_or_default()
}

/// Its package URL.
fn purl(package: &Value) -> String {
    format!("pkg:cargo/{}@{}", text(package, "name"), text(package, "version"))
}

fn component(package: &Value, sums: &BTreeMap<(String, String), String>) -> Value {
    let (name, version) = (text(package, "name"), text(package, "version"));
    let mut component = json!({
        "type": "library",
        "bom-ref": purl(package),
        "name": name,
        "version": version,
        "purl": purl(package),
    });
    // Older manifests have a slash for "or".
    let licence = text(package, "license").replace('/', " OR ");
    if !licence.is_empty() {
        component["licenses"] = json!([{ "expression": licence }]);
    }
    if let Some(sum) = sums.get(&(name.to_owned(), version.to_owned())) {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": sum }]);
    }
    component
}

/// Checksums of the lock file, by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let of = |block: &str| {
        let value = |key| crate::sources::manifest_value(block, key).map(String::from);
        Some(((value("name")?, value("version")?), value("checksum")?))
    };
    lock.split("[[package]]").filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_of_the_build_is_not_in_the_program() {
        let dep = |pkg: &str, kind: Value| json!({ "pkg": pkg, "dep_kinds": [{ "kind": kind }] });
        let deps = json!([dep("a", Value::Null), dep("b", json!("build")), dep("c", json!("dev"))]);
        let metadata = json!({ "resolve": { "nodes": [{ "id": "own", "deps": deps }] } });
        assert_eq!(edges(&metadata)["own"], ["a"]);
    }

    #[test]
    fn checksums_are_those_of_the_lock_file() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nchecksum = \"00ff\"\n\n[[package]]\nname = \"own\"\nversion = \"0.1.0\"\n";
        let sums = checksums(lock);
        assert_eq!(sums.get(&("a".into(), "1.0.0".into())).map(String::as_str), Some("00ff"));
        assert_eq!(sums.len(), 1);
    }
}

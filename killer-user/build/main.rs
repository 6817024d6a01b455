//! Refuses to embed an eBPF object that was not made from the sources beside it.

mod sources;

use std::path::Path;

/// What `sha256sum *.bpf.o | sha256sum` says of the objects that are embedded, beside the manifest.
fn objects(place: &Path) -> String {
    use sha2::{Digest, Sha256};
    let hex = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect::<String>();
    let mut names: Vec<String> = std::fs::read_dir(place)
        .into_iter()
        .flatten()
        .filter_map(|e| e.ok()?.file_name().into_string().ok().filter(|n| n.ends_with(".bpf.o")))
        .collect();
    names.sort();
    let line = |n: &String| format!("{}  {n}\n", hex(&std::fs::read(place.join(n)).unwrap_or_default()));
    hex(names.iter().map(line).collect::<String>().as_bytes())
}

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("killer-user/ lies in the checkout");
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("prebuilt/manifest.toml");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed={}", manifest.display());
    println!("cargo::rerun-if-changed={}", manifest.with_file_name("").display());
    for input in sources::INPUTS {
        println!("cargo::rerun-if-changed={}", root.join(input).display());
    }
    println!("cargo::rustc-env=KILLER_OBJECTS_SHA256={}", objects(&manifest.with_file_name("")));
    // Without the sources (a packager's choice) there is nothing to compare with.
    if !sources::INPUTS.iter().all(|input| root.join(input).exists()) {
        return;
    }
    let recorded = std::fs::read_to_string(&manifest).unwrap_or_default();
    let recorded = sources::manifest_value(&recorded, "sources_sha256").unwrap_or("nothing");
    match sources::hash(root) {
        Ok(now) if now == recorded => {}
        Ok(now) => {
            println!(
                "cargo::error=prebuilt eBPF object is stale: made from {recorded:.12}, the sources are {now:.12}"
            );
            println!("cargo::error=run: cargo xtask build-ebpf");
        }
        Err(error) => println!("cargo::error=cannot read the eBPF sources: {error}"),
    }
}

//! The eBPF object: made from its sources, and proven to be made from them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use crate::run::{cargo, quiet, root};
use crate::sources::{self, hex, manifest_value};
use crate::tools;

/// Binaries of killer-ebpf.
const OBJECTS: [&str; 8] = ["modern", "rules", "legacy", "sweep", "promise", "states", "watch", "recorder"];

/// `build-ebpf`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Change nothing; prove that the objects in the checkout come from these sources, byte for byte
    #[arg(long)]
    verify: bool,
    /// Build even when the sources have not changed
    #[arg(long, conflicts_with = "verify")]
    force: bool,
}

/// Builds or verifies.
pub fn main(options: &Options) -> Result<()> {
    match options.verify {
        true => verify().map(drop),
        false => build(options.force),
    }
}

fn prebuilt() -> PathBuf {
    root().join("killer-user/prebuilt")
}

fn build(force: bool) -> Result<()> {
    if !force && fresh()? {
        return Ok(());
    }
    let tools = tools::ebpf()?;
    let root = root();
    // The sources may be edited while they are compiled: what is recorded is what was there before *and* after.
    for _ in 0..3 {
        let before = sources::hash(&root)?;
        let made = compile(&root, &root.join("killer-ebpf/target"), &tools)?;
        if sources::hash(&root)? != before {
            continue;
        }
        std::fs::create_dir_all(prebuilt())?;
        let mut manifest = format!(
            "# Made by `cargo xtask build-ebpf`; never edit by hand.\n\
             sources_sha256 = \"{before}\"\nrustc = \"{}\"\nbpf_linker = \"{}\"\nllvm = \"{}\"\n\n[objects]\n",
            tools.rustc_version,
            tools::BPF_LINKER,
            tools.llvm_version
        );
        for (name, bytes) in &made {
            manifest += &format!("\"{name}\" = \"{}\"\n", hex(&Sha256::digest(bytes)));
            replace(&prebuilt().join(name), bytes)?;
        }
        replace(&prebuilt().join("manifest.toml"), manifest.as_bytes())?;
        return Ok(());
    }
    bail!("the sources of killer-ebpf changed during each of three builds")
}

/// Do manifest, objects and sources agree?
fn fresh() -> Result<bool> {
    let Ok(manifest) = std::fs::read_to_string(prebuilt().join("manifest.toml")) else { return Ok(false) };
    let same = manifest_value(&manifest, "sources_sha256") == Some(&sources::hash(&root())?);
    Ok(same && OBJECTS.iter().all(|o| recorded(&manifest, &format!("{o}.bpf.o"))))
}

fn recorded(manifest: &str, name: &str) -> bool {
    let object = std::fs::read(prebuilt().join(name)).unwrap_or_default();
    manifest_value(manifest, name) == Some(&hex(&Sha256::digest(&object)))
}

/// A program that reads meanwhile sees the old or the new file, whole.
fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let new = path.with_extension(format!("new-{}", std::process::id()));
    std::fs::write(&new, bytes)
        .and_then(|()| std::fs::rename(&new, path))
        .with_context(|| path.display().to_string())
}

/// What is stripped from an object beside what only a debugger wants. The second one is for kernels without BTF: aya hands a
/// program's BTF over with `prog_btf_fd` and `func_info`, which kernels before 5.0 answer with E2BIG
/// (`kernel/bpf/syscall.c:bpf_check_uarg_tail_zero`). Its maps are in the section `maps`, which needs none.
fn stripped(object: &str) -> &'static [&'static str] {
    match object {
        "legacy" => &["--strip-debug", "--remove-section=.BTF", "--remove-section=.BTF.ext"],
        // One program, which needs nothing but its instructions.
        "sweep" | "promise" | "states" => &["--strip-all", "--remove-section=.text"],
        _ => &["--strip-debug"],
    }
}

/// Flags for the second object: kernels before 5.3 know no 32 bit jumps and take no loops, those before 4.16 no calls, and
/// LLVM calls a `memset` of its own where it expands copies in order.
const OLD: &str = " -C target-cpu=v2";
const OLD_LINK: [&str; 3] =
    ["--cfg=no_calls", "-Clink-arg=--unroll-loops", "-Clink-arg=--disable-expand-memcpy-in-order"];

/// Compiles the checkout `root` into `target` and strips what is not wanted.
fn compile(root: &Path, target: &Path, tools: &tools::Ebpf) -> Result<Vec<(String, Vec<u8>)>> {
    let package = root.join("killer-ebpf");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(
        [tools.linker.clone(), tools.llvm.clone()].into_iter().chain(std::env::split_paths(&path)),
    )?;
    let registries = registries(&package)?;
    // BTF line info holds file names: nothing of this machine may show in them.
    let mut flags = String::from("-C debuginfo=2 -C link-arg=--btf");
    let crates = registries.iter().map(|r| (r.as_path(), "/crates"));
    for (from, to) in [(root, "/src"), (&tools.sysroot, "/rust")].into_iter().chain(crates) {
        let from = from.to_str().context("a path that is not UTF-8")?;
        ensure!(!from.contains(' '), "a path with a space in it: {from:?}");
        flags += &format!(" --remap-path-prefix={from}={to}");
    }
    let of = |object: &str| target.join(if object == "legacy" { "v2" } else { "" });
    for object in OBJECTS {
        let old = object == "legacy";
        let mut build = cargo();
        build.args(["rustc", "--quiet", "--release", "--locked", "-Z", "build-std=core", "--bin", object]);
        build.args(["--target", "bpfel-unknown-none", "--target-dir"]).arg(of(object));
        if old {
            build.arg("--").args(OLD_LINK);
        }
        build.current_dir(&package).env("PATH", &path).env("RUSTC_BOOTSTRAP", "1");
        build.env("RUSTFLAGS", if old { flags.clone() + OLD } else { flags.clone() });
        build.env("RUSTUP_TOOLCHAIN", tools::channel()?);
        build.env("RUSTC_WRAPPER", std::env::current_exe()?).env(WRAPPER, "1");
        build.env_remove("CARGO_TARGET_DIR").env_remove("CARGO_ENCODED_RUSTFLAGS");
        crate::run::shown(&mut build)?;
    }

    let mut made = Vec::new();
    for object in OBJECTS {
        let from = of(object).join("bpfel-unknown-none/release").join(object);
        let to = from.with_extension("bpf.o");
        quiet(Command::new(tools.llvm.join("llvm-objcopy")).args(stripped(object)).args([&from, &to]))?;
        let bytes = std::fs::read(&to).with_context(|| to.display().to_string())?;
        nothing_of_this_machine(&bytes, root, &registries)?;
        made.push((format!("{object}.bpf.o"), bytes));
    }
    Ok(made)
}

/// Says to a process of this program that cargo has started it in rustc's place.
const WRAPPER: &str = "KILLER_XTASK_IS_RUSTC";

/// In rustc's place: cargo derives each crate's `-C metadata` from the folder that a path dependency lies in, and the
/// symbol names (which BTF holds) from that. Here a crate's name is enough, and the same in every checkout.
pub fn as_rustc() -> Option<std::process::ExitCode> {
    use std::os::unix::process::CommandExt;
    std::env::var_os(WRAPPER)?;
    let args: Vec<String> = std::env::args().skip(1).collect();
    let of = |flag: &str| args.iter().position(|a| a == flag).and_then(|i| args.get(i + 1));
    let crate_name = of("--crate-name").filter(|_| of("--target").is_some_and(|t| t.starts_with("bpf")));
    let args = args.iter().map(|arg| match crate_name {
        Some(name) if arg.starts_with("metadata=") => format!("metadata={name}"),
        _ => arg.clone(),
    });
    let mut args = args.collect::<Vec<_>>().into_iter();
    let error = Command::new(args.next().unwrap_or_default()).args(args).exec();
    eprintln!("cannot run rustc: {error}");
    Some(std::process::ExitCode::FAILURE)
}

/// Cargo's source folders, one for each registry; fetched first when there are none yet.
fn registries(package: &Path) -> Result<Vec<PathBuf>> {
    let source = tools::cargo_home()?.join("registry/src");
    let list = || -> Vec<PathBuf> {
        let mut dirs: Vec<PathBuf> =
            std::fs::read_dir(&source).into_iter().flatten().flatten().map(|e| e.path()).collect();
        dirs.sort();
        dirs
    };
    if list().is_empty() {
        quiet(cargo().args(["fetch", "--quiet", "--locked"]).current_dir(package))?;
    }
    Ok(list())
}

/// Checkout, home and registry must not show in what we publish.
fn nothing_of_this_machine(object: &[u8], root: &Path, registries: &[PathBuf]) -> Result<()> {
    let mut private: Vec<String> = vec![root.display().to_string()];
    private.extend([tools::home()?, tools::cargo_home()?].map(|p| p.display().to_string()));
    private.extend(registries.iter().filter_map(|r| Some(r.file_name()?.to_str()?.to_owned())));
    private.extend(["home", "root"].map(|d| format!("/{d}/")));
    private.extend([".cargo", "rustup", "://"].map(str::to_owned));
    for word in private.iter().filter(|w| w.len() > 2) {
        let shows = object.windows(word.len()).any(|w| w == word.as_bytes());
        ensure!(
            !shows,
            "{word:?} shows in the eBPF object; a --remap-path-prefix is missing in xtask/src/ebpf.rs"
        );
    }
    Ok(())
}

/// What [`verify`] found; a difference is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Byte for byte.
    Same,
    /// It builds, but with other tools than the recorded ones.
    NotComparable,
}

/// Builds a copy of the sources in another folder and compares.
pub fn verify() -> Result<Verdict> {
    let root = root();
    let manifest =
        std::fs::read_to_string(prebuilt().join("manifest.toml")).context("prebuilt/manifest.toml")?;
    let mend = "run: cargo xtask build-ebpf";
    let sources = sources::hash(&root)?;
    ensure!(
        manifest_value(&manifest, "sources_sha256") == Some(&sources),
        "prebuilt eBPF object is stale: its sources have changed; {mend}"
    );
    let copy = tempfile::Builder::new().prefix("killer-ebpf-").tempdir()?;
    let inherited = ["Cargo.toml".to_owned(), "rust-toolchain.toml".to_owned()];
    for file in sources::files(&root)?.into_iter().chain(inherited) {
        let to = copy.path().join(&file);
        std::fs::create_dir_all(to.parent().expect("a file in the copy"))?;
        std::fs::copy(root.join(&file), &to).with_context(|| file.clone())?;
    }
    let tools = tools::ebpf()?;
    let target = copy.path().join("target");
    let made = compile(copy.path(), &target, &tools)?;
    for (what, ours, theirs) in [
        ("LLVM", tools.llvm_version.as_str(), manifest_value(&manifest, "llvm").unwrap_or("?")),
        ("rustc", tools.rustc_version.as_str(), manifest_value(&manifest, "rustc").unwrap_or("?")),
        ("bpf-linker", tools::BPF_LINKER, manifest_value(&manifest, "bpf_linker").unwrap_or("?")),
    ] {
        if ours != theirs {
            println!("SKIP build-ebpf --verify: it builds, but not comparable: {what} {ours} != {theirs}");
            return Ok(Verdict::NotComparable);
        }
    }
    for (name, bytes) in made {
        ensure!(recorded(&manifest, &name), "{name} is not what manifest.toml says; {mend}");
        let kept = std::fs::read(prebuilt().join(&name))?;
        ensure!(kept == bytes, "{name} does not come from these sources byte for byte; {mend}");
    }
    println!("build-ebpf --verify: byte for byte");
    Ok(Verdict::Same)
}

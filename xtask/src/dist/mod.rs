//! `cargo xtask dist`: what is given to others, in `target/dist/`: static programs, packages, a tarball, recipes, a list of what
//! the program is made of, and the checksums of all of it. The same sources give the same bytes.

mod check;
mod contents;
mod packages;
mod sbom;
mod stage;
mod verify;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use sha2::{Digest, Sha256};

use crate::run::{quiet, root};
use crate::vm::kernel::Arch;
use crate::{binary, sources::hex};

/// What is built for: the target, and what others call the kind of machine.
const TARGETS: [Machine; 2] = [
    Machine { kind: Arch::X86, target: "x86_64-unknown-linux-musl", arch: "x86_64", deb: "amd64", elf: 62 },
    Machine {
        kind: Arch::Arm,
        target: "aarch64-unknown-linux-musl",
        arch: "aarch64",
        deb: "arm64",
        elf: 183,
    },
];
/// The name of the packages; Debian has another one that is called `killer`.
const NAME: &str = "ebpf-killer";
/// Of this workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// One kind of machine.
#[derive(Clone, Copy, Debug)]
struct Machine {
    kind: Arch,
    target: &'static str,
    arch: &'static str,
    deb: &'static str,
    /// Its number in the head of an ELF file.
    elf: u16,
}

impl Machine {
    /// Name of the `.deb`.
    fn deb_file(&self) -> String {
        format!("{NAME}_{VERSION}-1_{}.deb", self.deb)
    }

    /// Name of the `.rpm`.
    fn rpm_file(&self) -> String {
        format!("{NAME}-{VERSION}-1.{}.rpm", self.arch)
    }

    /// Name of the tarball.
    fn tar_file(&self) -> String {
        format!("{NAME}-{VERSION}-{}-linux.tar.gz", self.arch)
    }

    /// Name of the program alone.
    fn program_file(&self) -> String {
        format!("killer-{}-linux", self.arch)
    }
}

/// `cargo xtask dist`
#[derive(Args, Clone, Debug, Default)]
pub struct Options {
    /// Only for this kind of machine (x86_64, aarch64)
    #[arg(long)]
    arch: Option<String>,
    /// Take this finished static program, of the one --arch, instead of building it: to try the packaging
    #[arg(long, requires = "arch", value_name = "FILE")]
    program: Option<PathBuf>,
    /// Build all of it a second time, from a copy of the checkout at another place, and compare the bytes
    #[arg(long)]
    verify: bool,
    /// Check what was built: contents, each program by running it, packages installed, upgraded and removed in a copy of
    /// this host that is thrown away, and what lintian, rpmlint and shellcheck say where they are installed
    #[arg(long)]
    check: bool,
}

/// What is made, where, and of when.
#[derive(Debug)]
struct Dist {
    /// The checkout.
    root: PathBuf,
    /// `target/dist`
    dir: PathBuf,
    /// Seconds since the epoch, of everything that has a time: SOURCE_DATE_EPOCH, else of the last commit.
    epoch: u64,
    machines: Vec<Machine>,
    /// Finished, of the only machine.
    program: Option<PathBuf>,
}

/// Makes it all.
pub fn main(options: &Options) -> Result<()> {
    let wanted = |m: &Machine| options.arch.as_deref().is_none_or(|a| a == m.arch);
    let machines: Vec<Machine> = TARGETS.into_iter().filter(wanted).collect();
    ensure!(!machines.is_empty(), "--arch is one of {}", TARGETS.map(|m| m.arch).join(", "));
    let root = root();
    let dist = Dist {
        dir: root.join("target/dist"),
        epoch: epoch(&root)?,
        root,
        machines,
        program: options.program.clone(),
    };
    dist.make()?;
    if options.check {
        check::all(&dist)?;
    }
    if options.verify { verify::again(&dist, options.arch.as_deref()) } else { Ok(()) }
}

/// The time of everything that is made.
fn epoch(root: &Path) -> Result<u64> {
    if let Ok(text) = std::env::var("SOURCE_DATE_EPOCH") {
        return text.trim().parse().with_context(|| format!("SOURCE_DATE_EPOCH={text}"));
    }
    let mut git = std::process::Command::new("git");
    let text = quiet(git.args(["log", "-1", "--format=%ct"]).current_dir(root))
        .context("without a commit SOURCE_DATE_EPOCH has to say when this is of")?;
    Ok(text.trim().parse()?)
}

impl Dist {
    fn make(&self) -> Result<()> {
        let _ = std::fs::remove_dir_all(&self.dir);
        std::fs::create_dir_all(&self.dir).context("target/dist")?;
        let build = |target: &str| match &self.program {
            Some(finished) => Ok(finished.clone()),
            None => binary::build_static(target),
        };
        let built = self.machines.iter().map(|m| Ok((*m, build(m.target)?)));
        let built = built.collect::<Result<Vec<_>>>()?;
        stage::make(self, &build(binary::STATIC)?)?;
        for (machine, program) in &built {
            let to = self.dir.join(machine.program_file());
            std::fs::copy(program, &to).with_context(|| to.display().to_string())?;
            stage::copy(program, &self.dir.join("stage/bin/killer"))?;
            packages::tarball(self, machine, program)?;
            stage::of_one_time(self)?;
            packages::deb(self, machine)?;
            packages::rpm(self, machine)?;
        }
        stage::recipes(self)?;
        let sbom = self.dir.join(format!("{NAME}-{VERSION}.cdx.json"));
        std::fs::write(&sbom, sbom::make(self)?).with_context(|| sbom.display().to_string())?;
        self.sums()
    }

    /// Files for others: everything beside the stage, and the recipes as a whole.
    fn files(&self) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path.is_file() && !path.ends_with("SHA256SUMS") {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }

    fn sums(&self) -> Result<()> {
        let mut sums = String::new();
        for path in self.files()? {
            let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
            let sum = hex(&Sha256::digest(&bytes));
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            println!("{sum}  {name}  {:.1} MiB", bytes.len() as f64 / 1048576.0);
            sums += &format!("{sum}  {name}\n");
        }
        std::fs::write(self.dir.join("SHA256SUMS"), sums).context("SHA256SUMS")
    }
}

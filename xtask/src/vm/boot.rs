//! One guest: QEMU without KVM (a host that is a guest itself has none that boots stock kernels), serial console to a
//! file.
//!
//! Its clock counts instructions where it can: then a busy host makes the guest slow, but no limit runs out for it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::cpio::Cpio;
use super::kernel::{Arch, Kernel};
use super::transcript::Transcript;
use super::variant::Variant;

/// Memory of a guest, in MiB. What failed forks leave is freed after a grace period, which an emulated processor that is
/// full of forkers is slow to come to: a bomb has filled 1.3 GiB so.
pub const MEMORY: u64 = 4096;
/// A boot that has not come up in this time never will.
const COMES_UP: Duration = Duration::from_secs(240);
/// About one boot in 35 fails without a word under emulation.
const BOOTS: u32 = 3;

/// What to boot.
#[derive(Debug)]
pub struct Guest<'a> {
    /// Of this kind.
    pub arch: Arch,
    /// This kernel.
    pub kernel: &'a Kernel,
    /// In this variant.
    pub variant: &'a Variant,
    /// The shared initramfs.
    pub initramfs: &'a [u8],
    /// Its disk, which it cannot change.
    pub disk: Option<&'a Path>,
    /// The lines of the plan that say which tests.
    pub tests: &'a [String],
    /// Lines for the guest's plan beside those of the variant.
    pub plan: &'a [String],
    /// For everything after it has come up.
    pub limit: Duration,
    /// Where log and initramfs go.
    pub dir: &'a Path,
}

/// What came of it.
#[derive(Debug)]
pub struct Booted {
    /// What the guest said.
    pub transcript: Transcript,
    /// Its whole console.
    pub log: PathBuf,
    /// How often it was booted.
    pub boots: u32,
    /// From the first boot to the last power-off.
    pub took: Duration,
    /// From the start of QEMU until an init of the distributions' had started everything.
    pub started: Option<Duration>,
}

impl Booted {
    /// How a guest with an init of the distributions' did: one line for each test, and how long it took to boot.
    pub fn checks(&self, name: &str) -> String {
        let mut text: String = self.transcript.lines().iter().map(|l| format!("{name}: {l}\n")).collect();
        let facts = &self.transcript.facts;
        let own = facts.get("booted").or(facts.get("booted-again")).map_or("?", String::as_str);
        let ours = self.started.map_or("?".into(), |t| t.as_secs().to_string());
        text += &format!("{name}: booted in {ours} s, {own} s by its own clock");
        text
    }
}

impl Guest<'_> {
    /// Boots, again when it never came up; gives back what it said.
    pub fn run(&self) -> Result<Booted> {
        let begun = Instant::now();
        let mut boots = 0;
        loop {
            boots += 1;
            let log = self.dir.join(format!("console-{boots}.log"));
            let started = self.boot(&log)?;
            let text = std::fs::read(&log).with_context(|| log.display().to_string())?;
            let transcript = Transcript::parse(&String::from_utf8_lossy(&text));
            if transcript.up || boots == BOOTS {
                return Ok(Booted { transcript, log, boots, took: begun.elapsed(), started });
            }
        }
    }

    fn boot(&self, log: &Path) -> Result<Option<Duration>> {
        let initrd = self.dir.join("initrd");
        let mut plan = Cpio::default();
        // The last line of a name counts.
        let lines = self.patience().into_iter().chain(self.variant.plan.iter().map(|l| (*l).to_owned()));
        let lines = lines.chain(self.plan.iter().cloned()).chain(self.tests.iter().cloned());
        plan.file("plan", 0o644, lines.collect::<Vec<_>>().join("\n").as_bytes());
        if self.variant.plan.contains(&"modules=all") {
            for module in std::fs::read_dir(&self.kernel.modules)?.flatten() {
                plan.copy(&format!("modules/{}", module.file_name().to_string_lossy()), &module.path())?;
            }
        }
        let plan = if self.variant.alone { Vec::new() } else { plan.finish() };
        std::fs::write(&initrd, [self.initramfs, &plan].concat())?;
        let mut qemu = self.qemu();
        qemu.args(["-kernel"]).arg(&self.kernel.image).arg("-initrd").arg(&initrd);
        qemu.arg("-append").arg(self.command_line());
        if let Some(disk) = self.disk {
            // Debian's cloud kernels have a driver for it built in, and none for virtio.
            let drive = format!("file={},format=raw,if=none,id=disk,snapshot=on", disk.display());
            qemu.args(["-drive", &drive, "-device", "nvme,drive=disk,serial=disk"]);
        } else {
            qemu.arg("-no-reboot");
        }
        qemu.arg("-serial").arg(format!("file:{}", log.display()));
        let _ = std::fs::remove_file(log);
        let errors = File::create(self.dir.join("qemu.log"))?;
        let mut child = qemu
            .stdin(Stdio::null())
            .stdout(errors.try_clone()?)
            .stderr(errors)
            .spawn()
            .context("cannot run QEMU")?;
        let begun = Instant::now();
        let said = |word: &str| std::fs::read(log).is_ok_and(|b| String::from_utf8_lossy(&b).contains(word));
        let (mut up, mut started) = (false, None);
        while child.try_wait()?.is_none() {
            up = up || said("@kt up ");
            if self.disk.is_some() && started.is_none() && said("@kt fact booted") {
                started = Some(begun.elapsed());
            }
            let limit = if up { COMES_UP + self.limit } else { COMES_UP };
            if begun.elapsed() > limit {
                let _ = child.kill();
                child.wait()?;
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        if !log.exists() {
            let said = std::fs::read_to_string(self.dir.join("qemu.log")).unwrap_or_default();
            anyhow::bail!("QEMU did not start: {}", said.trim());
        }
        let _ = std::fs::remove_file(&initrd);
        Ok(started)
    }

    /// The bring-up of a second processor before 6.5 hangs when the clock counts instructions: those kernels get one.
    fn processors(&self) -> u32 {
        let counted = !self.variant.parallel && self.kernel.number() < (6, 5);
        if counted { 1 } else { self.variant.cpus }
    }

    fn patience(&self) -> [String; 2] {
        let (times, limit) = if self.variant.parallel { (6, 500) } else { (2, 150) };
        [format!("env=KILLER_TESTS_PATIENCE={times}"), format!("limit={limit}")]
    }

    fn qemu(&self) -> Command {
        let cpus = self.processors().to_string();
        let memory = self.variant.memory.to_string();
        // It ends with this process, whatever ends that.
        let mut qemu = Command::new("setpriv");
        qemu.args(["--pdeathsig", "KILL"]);
        match self.arch {
            Arch::X86 => {
                // The emulation of cmpxchg16b corrupted 6.12 guests, and flags on 6.18; 7.x cannot do without it. And no guest is
                // to know that it is one: its spin locks would be unfair then (`arch/x86/include/asm/qspinlock.h:virt_spin_lock`),
                // and of processors that are emulated in turn one meets them held by the other for 20 s, each time that sets its
                // timer (7.3).
                let old = if self.kernel.number() <= (6, 18) { ",cx16=off" } else { "" };
                let cpu = format!("max,la57=off,hypervisor=off{old}");
                qemu.args(["qemu-system-x86_64", "-machine", "q35", "-cpu", &cpu])
            }
            Arch::Arm => qemu.args(["qemu-system-aarch64", "-machine", "virt", "-cpu", "max"]),
        };
        match self.variant.parallel {
            true => qemu.args(["-accel", "tcg,thread=multi,tb-size=256"]),
            false => qemu.args(["-accel", "tcg,thread=single,tb-size=256", "-icount", "shift=0,sleep=off"]),
        };
        qemu.args(["-smp", &cpus, "-m", &memory]);
        qemu.args(["-nodefaults", "-no-user-config", "-display", "none"]);
        qemu
    }

    fn command_line(&self) -> String {
        let arch = match self.arch {
            Arch::X86 => "console=ttyS0 nokaslr tsc=reliable no_timer_check",
            Arch::Arm => "console=ttyAMA0",
        };
        format!(
            "{arch} panic=-1 oops=panic quiet mitigations=off random.trust_cpu=on rdinit=/init {}",
            self.variant.append
        )
    }
}

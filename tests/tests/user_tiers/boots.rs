//! Registries of another boot.

use killer_tests::{Launch, TestEnv};

use super::{named, scan};

fn boot_file(dir: &std::path::Path) -> Option<std::path::PathBuf> {
    let entries: Vec<_> = std::fs::read_dir(dir).ok()?.flatten().map(|e| e.path()).collect();
    let here = entries.iter().find(|p| p.ends_with("boot") && p.is_file()).cloned();
    here.or_else(|| entries.iter().filter(|p| p.is_dir() && !p.is_symlink()).find_map(|d| boot_file(d)))
}

/// What a registry says was true in one boot only (kexec, a restored image): numbers and starts mean others now.
fn another_boot(env: &TestEnv) {
    let Some(service) = Launch::new("plain").service(env, "svc") else { return };
    let file = boot_file(env.dir.path()).expect("the registry's boot");
    let this = std::fs::read(&file).expect("boot id");
    std::fs::write(&file, "another").expect("boot id");
    env.killer(["status", "svc"]).code(4);
    env.killer(["-s", "KILL", "svc"]).code(4);
    service.assert_alive();
    std::fs::write(&file, this).expect("boot id");
    env.killer(["-s", "KILL", "svc"]).ok();
    service.assert_dead();
}

#[test]
fn another_boot_with_named() {
    if let Some(env) = named("another_boot_with_named") {
        another_boot(&env);
    }
}

#[test]
fn another_boot_with_scan() {
    if let Some(env) = scan("another_boot_with_scan") {
        another_boot(&env);
    }
}

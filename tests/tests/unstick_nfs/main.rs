//! A member that waits uninterruptibly for an NFS server that is gone: SIGKILL does not end it, and `--unstick` does. Where the kernel has an
//! NFS client, in guests.

mod server;

use std::time::Duration;

use killer_tests::{Bystander, Launch, TestEnv, eventually, proc_state, skip};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// It is unmounted at the end, whoever waits for it.
struct Mounted(std::path::PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_FORCE | MntFlags::MNT_DETACH);
    }
}

/// A page is written and the server never says that it has it: `fsync` waits, and no signal ends that.
const WRITES: &str = "dd if=/dev/zero of=$2 bs=4096 count=1 conv=notrunc,fsync 2>/dev/null & echo ready a=$! > $1; exec sleep 300";

#[test]
fn a_server_that_is_gone() {
    let Some(env) = TestEnv::new("a_server_that_is_gone").map(TestEnv::alone) else { return };
    let at = env.path("nfs");
    std::fs::create_dir(&at).expect("a directory");
    let port = server::start().expect("a server");
    let options = format!(
        "addr=127.0.0.1,mountaddr=127.0.0.1,vers=3,mountvers=3,proto=tcp,mountproto=tcp,port={port},mountport={port},nolock,hard,timeo=600"
    );
    match mount(Some("127.0.0.1:/x"), &at, Some("nfs"), MsFlags::empty(), Some(&*options)) {
        Err(nix::errno::Errno::ENODEV) => return skip(&env.test, "this kernel has no NFS client"),
        r => r.expect("mount"),
    }
    let _mounted = Mounted(at.clone());
    let stranger = Bystander::new(&env.test);
    let launch = Launch::shell(WRITES).arg(at.join(server::NAME).to_string_lossy());
    let Some(service) = launch.service(&env, "svc") else { return };
    let writer = service.fact("a");
    let stack = || std::fs::read_to_string(format!("/proc/{writer}/stack")).unwrap_or_default();
    // Other waits for a server end by SIGKILL.
    let waits = || proc_state(writer) == Some('D') && stack().contains("nfs_file_fsync");
    assert!(
        eventually(Duration::from_secs(30), waits),
        "it does not wait: {:?} {} {:?}",
        proc_state(writer),
        stack(),
        server::asked()
    );
    let out = env.killer(["-s", "KILL", "--wait=3s", "svc"]);
    assert!(out.code(124).stderr.contains("--unstick"), "{out}");
    // Shown, and not done.
    let shown = env.killer(["-n", "-s", "KILL", "--unstick", "svc"]);
    assert!(shown.ok().stdout.contains("umount -f "), "{shown}");
    assert_eq!(proc_state(writer), Some('D'));
    let doc = env.killer(["-s", "KILL", "--wait=20s", "--unstick", "--yes", "-o", "json", "svc"]).ok().json();
    service.assert_dead();
    let step = doc["unstick"][0].clone();
    assert_eq!((&step["kind"], &step["done"]), (&"umount-nfs".into(), &true.into()), "{doc}");
    stranger.assert_untouched();
}

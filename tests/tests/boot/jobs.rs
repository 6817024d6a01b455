//! What a job of cron's leaves behind.

use crate::machine::{Machine, SOON};
use killer_tests::Pidfd;
use std::time::Duration;

const JOB: &str = "/etc/cron.d/killer-test";

/// The example of the blog post: a job that has left its session, ended with cron by cron's name.
#[test]
fn a_job_in_a_session_of_its_own_ends_with_cron() {
    let Some(m) = Machine::here("a_job_in_a_session_of_its_own_ends_with_cron") else { return };
    m.known("cron");
    let (cron, sshd) = (m.main("cron"), m.main("ssh"));
    std::fs::write(JOB, "* * * * * root setsid sleep 4321 </dev/null >/dev/null 2>&1 &\n").expect("a job");
    let job = || m.sh("pgrep -x -f 'sleep 4321'").text.lines().next().and_then(|l| l.parse::<i32>().ok());
    // Cron looks at the minute's end, and reads a new file a minute later. To look more often would keep the guest from resting,
    // and that is what its clock is quick at.
    let begun = (0..65).any(|_| {
        std::thread::sleep(Duration::from_secs(2));
        job().is_some()
    });
    let _ = std::fs::remove_file(JOB);
    assert!(begun, "cron has started nothing");
    let sleeper = Pidfd::open(job().expect("a job")).expect("the job");
    let main = Pidfd::open(cron).expect("cron");
    let said = m.killer("-s KILL --who=all cron");
    let dead = [&main, &sleeper].map(|p| p.ends_within(SOON));
    m.start_again("cron");
    assert_eq!((said.code, dead), (0, [true, true]), "cron, its job: {said:?}");
    assert_eq!(m.main("ssh"), sshd, "sshd is another");
    assert_eq!(m.login().ok(), "logged in\n");
}

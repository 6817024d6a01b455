//! What a job of cron's leaves behind.

use crate::machine::{Machine, SOON};
use killer_tests::Pidfd;
use std::time::Duration;

const FILE: &str = "/etc/cron.d/killer-test";

/// A job in a session of its own: a `sleep` of so many seconds.
#[derive(Debug)]
pub struct Job {
    pub process: Pidfd,
}

impl Job {
    /// Has cron start one.
    #[track_caller]
    pub fn of_cron(m: &Machine, seconds: u32) -> Job {
        std::fs::write(FILE, format!("* * * * * root setsid sleep {seconds} </dev/null >/dev/null 2>&1 &\n"))
            .expect("a job");
        let job = || {
            m.sh(&format!("pgrep -x -f 'sleep {seconds}'")).text.lines().next().and_then(|l| l.parse().ok())
        };
        // Cron looks at the minute's end, and reads a new file a minute later. To look more often would keep the guest from
        // resting, and that is what its clock is quick at.
        let begun = (0..65).any(|_| {
            std::thread::sleep(Duration::from_secs(2));
            job().is_some()
        });
        let _ = std::fs::remove_file(FILE);
        assert!(begun, "cron has started nothing");
        Job { process: Pidfd::open(job().expect("a job")).expect("the job") }
    }
}

/// Check 2, the example of the blog post: a job that has left its session, ended with cron by cron's name.
#[test]
fn a_job_in_a_session_of_its_own_ends_with_cron() {
    let Some(m) = Machine::here("a_job_in_a_session_of_its_own_ends_with_cron") else { return };
    m.known("cron");
    let sshd = m.main("ssh");
    let job = Job::of_cron(&m, 4321);
    let main = Pidfd::open(m.main("cron")).expect("cron");
    let said = m.killer("-s KILL --who=all cron");
    let dead = [&main, &job.process].map(|p| p.ends_within(SOON));
    m.start_again("cron");
    assert_eq!((said.code, dead), (0, [true, true]), "cron, its job: {said:?}");
    assert_eq!(m.main("ssh"), sshd, "sshd is another");
    assert_eq!(m.login().ok(), "logged in\n");
}

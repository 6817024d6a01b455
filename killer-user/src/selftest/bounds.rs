//! How large a swarm may be here: what the host, a cgroup and root's own limits leave room for.

use nix::sys::resource::{Resource, getrlimit};

use crate::kernel::probe;
use crate::sys::proc_text;

/// `CAP_SYS_RESOURCE`, which raises limits.
const RESOURCE: u32 = 24;

/// How many tasks a swarm of this size may have at once, which its user is limited to.
pub fn need(victim: &str, size: u32) -> u64 {
    let size = u64::from(size);
    match victim {
        "thread_storm" => size * 8 + 64,
        "chains" => size * 4 + 16,
        "counters" => size * 16 + 16,
        "bomb" => size,
        _ => 0,
    }
}

/// The largest size up to this one for which there is room. What a swarm lacks then it is refused, as below any limit.
pub fn fit(victim: &str, size: u32, room: u64) -> u32 {
    (1..=size).rev().find(|&n| need(victim, n) <= room).unwrap_or(size.min(1))
}

/// Tasks that a swarm may have, and what says so.
pub fn room() -> (u64, String) {
    let tasks = proc_text::text("/proc/loadavg")
        .split([' ', '/'])
        .nth(4)
        .and_then(|n| n.parse().ok())
        .unwrap_or(0u64);
    let mut least = (u64::MAX, String::new());
    let mut at_most = |n: u64, what: String| {
        if n < least.0 {
            least = (n, what);
        }
    };
    for name in ["kernel/threads-max", "kernel/pid_max"] {
        if let Some(most) = probe::sysctl(name) {
            at_most(most.saturating_sub(tasks) / 4, format!("{} is {most}", name.replace('/', ".")));
        }
    }
    for (at, most, now) in cgroups() {
        at_most(most.saturating_sub(now) / 2, format!("pids.max of the cgroup {at} is {most}"));
    }
    // Root's own limit goes on to the users of swarms, unless it may be raised.
    if probe::effective_caps() & (1 << RESOURCE) == 0
        && let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NPROC)
    {
        at_most(hard, format!("RLIMIT_NPROC is {hard}, and this process lacks CAP_SYS_RESOURCE"));
    }
    least
}

/// Every cgroup above this process that bounds tasks: where, most, now.
fn cgroups() -> Vec<(String, u64, u64)> {
    let mut found = Vec::new();
    for line in proc_text::text("/proc/self/cgroup").lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let mount = match parts.next() {
            Some("") => "/sys/fs/cgroup",
            Some("pids") => "/sys/fs/cgroup/pids",
            _ => continue,
        };
        let mut path = parts.next().unwrap_or_default().trim_end_matches('/');
        loop {
            let number = |file: &str| {
                std::fs::read_to_string(format!("{mount}{path}/{file}")).ok()?.trim().parse::<u64>().ok()
            };
            if let (Some(most), Some(now)) = (number("pids.max"), number("pids.current")) {
                found.push((format!("{path}/"), most, now));
            }
            match path.rsplit_once('/') {
                Some((above, _)) => path = above,
                None => break,
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smaller_where_there_is_less_room() {
        assert_eq!(fit("bomb", 256, 1000), 256);
        assert_eq!(fit("bomb", 256, 40), 40);
        assert_eq!(fit("chains", 32, 40), 6);
        assert_eq!(fit("chains", 32, 3), 1);
        assert_eq!(fit("plain", 0, 3), 0);
        assert!(room().0 > 0);
    }
}

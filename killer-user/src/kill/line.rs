//! In which order members are ended.

use killer_common::record::Member;

/// In the order of creation, for a signal that ends them. Whoever waits for them all goes through its children in this order until it
/// finds a dead one (`kernel/exit.c:__do_wait`): in the order of numbers, where these wrapped inside the set, half of all
/// the children are looked at for each that has ended.
pub fn oldest_first(members: &mut [Member]) {
    // Entries are large: their keys are sorted, and each is moved once.
    members.sort_by_cached_key(|m| (m.leader_start, m.tgid));
}

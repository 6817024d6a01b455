//! What depends on a service, with a word where strangers could write one.

use crate::report::model::*;

pub fn outside(word: &str) -> Outside {
    let stranger = || Stranger { pid: 9, comm: word.into() };
    let link = |kind, outside| Link { kind, what: word.into(), members: vec![10], outside };
    Outside {
        ports: vec![Port { protocol: "tcp", at: word.into(), established: 2, members: vec![10] }],
        links: vec![link("pipe", vec![stranger()]), link("tcp", vec![]), link("tcp", vec![stranger()])],
        locks: vec![HeldLock { kind: word.into(), file: word.into(), member: 10, waiting: vec![stranger()] }],
        traced: vec![Traced { member: 10, outside: stranger() }],
        mounts: vec![HeldMount { kind: "fuse-server", members: vec![10], mounts: vec![word.into()] }],
        left_out: vec![word.into()],
    }
}

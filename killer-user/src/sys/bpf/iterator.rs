//! Programs that run for each task of the host (5.8+).

use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd};

use bytemuck::{Pod, Zeroable};

use super::{BPF_TRACE_ITER, ITER_CREATE, LINK_CREATE, LinkAttr, call, own};

#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
struct IterAttr {
    link_fd: u32,
    flags: u32,
}

/// Runs a task iterator program for each task (5.8+); answers what it has written.
pub fn iter_read(prog: impl AsFd) -> io::Result<Vec<u8>> {
    // So much is written between two reads at most (`kernel/bpf/bpf_iter.c:prepare_seq_file`, 8 pages).
    const PIECE: usize = 32 << 10;
    let mut file = iter_open(prog)?;
    let mut bytes = Vec::new();
    loop {
        let at = bytes.len();
        bytes.resize(at + PIECE, 0);
        let n = file.read(&mut bytes[at..]);
        bytes.truncate(at + *n.as_ref().unwrap_or(&0));
        match n {
            Ok(0) => return Ok(bytes),
            Ok(_) => {}
            // It has visited a million tasks of which nothing was written, and goes on from there.
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(e) => return Err(e),
        }
    }
}

fn iter_open(prog: impl AsFd) -> io::Result<std::fs::File> {
    let mut l = LinkAttr {
        prog_fd: prog.as_fd().as_raw_fd() as u32,
        attach_type: BPF_TRACE_ITER,
        ..LinkAttr::default()
    };
    let link = call(LINK_CREATE, &mut l).map(own)?;
    let mut i = IterAttr { link_fd: link.as_raw_fd() as u32, flags: 0 };
    call(ITER_CREATE, &mut i).map(own).map(std::fs::File::from)
}

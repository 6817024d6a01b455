//! An NFS server (RFC 1813) with one file, that answers everything but writes: to a client it is gone from then on.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Mutex;

const MOUNT: u32 = 100_005;
const NFS: u32 = 100_003;
/// `RPC_PROG_UNAVAIL`, RFC 5531
const NO_PROGRAM: u32 = 1;
const NFS3ERR_NOENT: u32 = 2;
const NFS3ERR_NOTSUPP: u32 = 10_004;
/// Handles, and numbers, of the directory and of its file.
const DIR: u32 = 1;
const FILE: u32 = 2;
/// Procedures that were asked for, in their order.
static ASKED: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// What it was asked for so far.
pub fn asked() -> Vec<u32> {
    ASKED.lock().map(|a| a.clone()).unwrap_or_default()
}

/// Its name.
pub const NAME: &str = "f";

/// Serves in threads of its own until this process ends; answers the port.
pub fn start() -> std::io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    Ok(port)
}

fn serve(mut stream: TcpStream) -> Option<()> {
    loop {
        let mut head = [0; 4];
        stream.read_exact(&mut head).ok()?;
        // The client sends each record in one piece.
        let mut call = vec![0; (u32::from_be_bytes(head) & 0x7fff_ffff) as usize];
        stream.read_exact(&mut call).ok()?;
        let Some(reply) = answer(&mut Call(&call)) else { continue };
        let head = (reply.len() as u32 | 0x8000_0000).to_be_bytes();
        stream.write_all(&[&head[..], &reply].concat()).ok()?;
    }
}

struct Call<'a>(&'a [u8]);

impl Call<'_> {
    fn word(&mut self) -> u32 {
        let (word, rest) = self.0.split_at_checked(4).unwrap_or_default();
        self.0 = rest;
        word.try_into().map_or(0, u32::from_be_bytes)
    }

    fn opaque(&mut self) -> &[u8] {
        let len = self.word() as usize;
        let (bytes, rest) = self.0.split_at_checked(len.next_multiple_of(4)).unwrap_or_default();
        self.0 = rest;
        &bytes[..len.min(bytes.len())]
    }
}

/// `None`: there is no answer.
fn answer(call: &mut Call<'_>) -> Option<Vec<u8>> {
    let (xid, _call, _rpc, program, _version, procedure) =
        (call.word(), call.word(), call.word(), call.word(), call.word(), call.word());
    for _credential in 0..2 {
        call.word();
        call.opaque();
    }
    let (state, result) = match program {
        MOUNT => (0, if procedure == 1 { words(&[0, 4, DIR, 1, 1]) } else { Vec::new() }),
        NFS => {
            ASKED.lock().ok()?.push(procedure);
            (0, nfs(procedure, call)?)
        }
        _ => (NO_PROGRAM, Vec::new()),
    };
    // A reply, accepted, with an empty verifier.
    Some([words(&[xid, 1, 0, 0, 0, state]), result].concat())
}

fn nfs(procedure: u32, call: &mut Call<'_>) -> Option<Vec<u8>> {
    if procedure == 0 {
        return Some(Vec::new());
    }
    let handle = call.opaque().try_into().map_or(0, u32::from_be_bytes);
    let its = attributes(handle);
    let with = |more: &[u32]| [words(&[0, 1]), its.clone(), words(more)].concat();
    Some(match procedure {
        // GETATTR, SETATTR
        1 => [words(&[0]), its].concat(),
        2 => [words(&[0, 0, 1]), its].concat(),
        // LOOKUP
        3 if call.opaque() == NAME.as_bytes() => {
            [words(&[0, 4, FILE, 1]), attributes(FILE), words(&[0])].concat()
        }
        3 => words(&[NFS3ERR_NOENT, 0]),
        // ACCESS: whatever it is.
        4 => with(&[call.word()]),
        // READ: it is empty.
        6 => with(&[0, 1, 0]),
        // WRITE, COMMIT
        7 | 21 => return None,
        // CREATE: it is there.
        8 => [words(&[0, 1, 4, FILE, 1]), attributes(FILE), words(&[0, 0])].concat(),
        // FSSTAT, FSINFO, PATHCONF
        18 => with(&[0; 13]),
        19 => with(&[4096, 4096, 512, 4096, 4096, 512, 4096, 0, 1 << 20, 0, 1, 0x1b]),
        20 => with(&[1, 255, 1, 1, 0, 1]),
        _ => words(&[NFS3ERR_NOTSUPP, 0]),
    })
}

fn words(all: &[u32]) -> Vec<u8> {
    all.iter().flat_map(|w| w.to_be_bytes()).collect()
}

/// `fattr3`: root's, and for everybody.
fn attributes(handle: u32) -> Vec<u8> {
    let (kind, mode, links) = if handle == DIR { (2, 0o777, 2) } else { (1, 0o666, 1) };
    let sizes = [0, 4096, 0, 4096, 0, 0];
    let (system, number, times) = ([0, 77], [0, handle], [1, 0, 1, 0, 1, 0]);
    words(&[&[kind, mode, links, 0, 0][..], &sizes, &system, &number, &times].concat())
}

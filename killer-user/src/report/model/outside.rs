//! What outside of a set depends on it, as a dry run finds it.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Serialize;

/// A process that is not in the set.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Stranger {
    /// Process number.
    pub pid: u32,
    /// Name.
    pub comm: String,
}

/// A port that the set listens at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Port {
    /// `tcp`, `tcp6`, `udp`, `udp6`.
    pub protocol: &'static str,
    /// Address and port.
    pub at: String,
    /// Established connections to this port.
    pub established: u64,
    /// Members that have the socket.
    pub members: Vec<u32>,
}

/// Something that the set shares with processes outside of it, or with another machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Link {
    /// `pipe`; `unix` (a socket whose other end they have); `shared-socket` (they have the same one); `tcp`.
    pub kind: &'static str,
    /// Its inode; of `tcp` the other end's address.
    pub what: String,
    /// Members that have it.
    pub members: Vec<u32>,
    /// Who has it, or its other end; empty: a machine elsewhere, or nobody could be looked up.
    pub outside: Vec<Stranger>,
}

/// A lock on a file that a member holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct HeldLock {
    /// `POSIX`, `FLOCK`, `LEASE`, and `READ` or `WRITE`.
    pub kind: String,
    /// Device and inode of the file.
    pub file: String,
    /// The member.
    pub member: u32,
    /// Processes outside that wait for it.
    pub waiting: Vec<Stranger>,
}

/// A process outside that a member traces: it is let go, or ended (PTRACE_O_EXITKILL), with its tracer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Traced {
    /// The tracer.
    pub member: u32,
    /// The traced one.
    pub outside: Stranger,
}

/// Mounts that depend on the set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct HeldMount {
    /// `fuse-server`: members serve file systems in user space. `mount-namespace`: nobody else is in it.
    pub kind: &'static str,
    /// Members.
    pub members: Vec<u32>,
    /// Of a server the mount points of FUSE file systems that it may be the one of; of a namespace its mounts, counted.
    pub mounts: Vec<String>,
}

/// What outside of a set depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Outside {
    /// Ports.
    pub ports: Vec<Port>,
    /// Pipes and sockets.
    pub links: Vec<Link>,
    /// Locks.
    pub locks: Vec<HeldLock>,
    /// Traced processes.
    pub traced: Vec<Traced>,
    /// Mounts.
    pub mounts: Vec<HeldMount>,
    /// What could not be looked at, or was too much to be listed.
    pub left_out: Vec<String>,
}

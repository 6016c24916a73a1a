//! Which limit of the operating system was reached when a thread was refused, and whether the address space has room for one.

use std::error::Error;
use std::fmt;
use std::hint::black_box;
use std::io;

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "other.rs")]
mod system;

/// The operating system refused one of the threads that were needed, or the address space had no room for it.
#[derive(Debug)]
pub struct ThreadsRefused {
    /// The number of threads that were needed.
    pub needed: usize,
    /// The number of threads that were started before that. They end again.
    pub granted: usize,
    /// The limit that was reached, if the system shows it.
    pub limit: Option<ThreadLimit>,
    /// The error of the system.
    pub error: io::Error,
}

/// A limit of the operating system on threads.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ThreadLimit {
    /// `RLIMIT_NPROC` (`ulimit -u`): the threads of one user, in all programs together.
    User {
        /// The number of threads.
        max: u64,
    },
    /// `pids.max` of a control group: the threads of all programs in it, as in a container.
    ControlGroup {
        /// The number of threads.
        max: u64,
        /// The path of the group, below the root of its hierarchy.
        group: String,
    },
    /// `RLIMIT_AS` (`ulimit -v`): the address space of the program, of which each thread needs some
    /// for its stack.
    AddressSpace {
        /// The number of bytes.
        max_bytes: u64,
    },
    /// `kernel.threads-max`: the threads of the whole system.
    System {
        /// The number of threads.
        max: u64,
    },
    /// `kernel.pid_max`: the numbers of processes and threads. A PID namespace, as that of a container, may have a limit of its own.
    ProcessIds {
        /// All numbers are below this.
        max: u64,
    },
    /// `vm.max_map_count`: the memory mappings of the program. Each thread needs some for its stack.
    Mappings {
        /// The number of mappings.
        max: u64,
    },
}

/// Returns the limit that was reached when a thread was refused with this error, or `None` if the system does not show it.
/// Must be called at once, because every thread that ends makes room below the limit.
pub(crate) fn reached_limit(refusal: &io::Error) -> Option<ThreadLimit> {
    // An error of `check_address_space`. A second check might find room, because for a moment glibc maps twice as much as the heap of a
    // thread takes.
    let is_checked = refusal.kind() == io::ErrorKind::OutOfMemory && refusal.get_ref().is_some();
    if is_checked { system::limit_of_address_space() } else { system::reached_limit() }
}

/// Returns whether the system limits the address space of this program (`ulimit -v`).
pub(crate) fn is_address_space_limited() -> bool {
    system::limit_of_address_space().is_some()
}

/// Memory that keeps glibc from taking most of the address space for the heap of one thread, which would leave too little for the other
/// threads: they would be refused, or an allocation of theirs would end the program. The memory is never written to.
#[derive(Default)]
pub(crate) struct FilledRoom(#[expect(dead_code, reason = "held until the threads have ended")] Vec<u8>);

/// Must be called before this many threads are started where the address space is limited.
pub(crate) fn fill_room_for_heap(n_threads: usize) -> FilledRoom {
    // The compiler may leave out an allocation that nothing reads.
    FilledRoom(black_box(system::fill_room_for_heap(n_threads)))
}

/// A thread that is about to be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NewThread {
    /// One of the threads that an executor starts with, or the replacement of a worker that has exited.
    First,
    /// A stand-in, while this many threads of its executor are starting.
    StandIn { n_starting: usize },
}

/// Checks that the address space has room for one more thread and for some allocations: an allocation that fails ends the
/// program.
///
/// # Errors
///
/// If the address space below `RLIMIT_AS` has no room for that.
pub(crate) fn check_address_space(thread: NewThread) -> io::Result<()> {
    let has_room = match thread {
        NewThread::First => system::has_room_for_first_threads(),
        NewThread::StandIn { n_starting } => system::has_room_for_stand_in(n_starting),
    };
    if !has_room {
        return Err(io::Error::new(
            io::ErrorKind::OutOfMemory,
            "the rest of the address space is kept for allocations",
        ));
    }
    Ok(())
}

impl fmt::Display for ThreadsRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ThreadsRefused { needed, granted, limit, error } = self;
        write!(f, "{needed} threads are needed, and the operating system started {granted}: {error}")?;
        match limit {
            Some(limit) => write!(f, "; {limit}"),
            None => Ok(()),
        }
    }
}

impl Error for ThreadsRefused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl fmt::Display for ThreadLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ThreadLimit::User { max } => {
                write!(f, "`ulimit -u` (RLIMIT_NPROC) allows all programs of this user {max} {}", threads(*max))
            }
            ThreadLimit::ControlGroup { max, group } => {
                write!(f, "`pids.max` of the control group {group} allows {max} {}", threads(*max))
            }
            ThreadLimit::AddressSpace { max_bytes } => {
                write!(f, "`ulimit -v` (RLIMIT_AS) allows {} KiB of address space", max_bytes / 1024)
            }
            ThreadLimit::System { max } => write!(f, "`kernel.threads-max` allows the system {max} {}", threads(*max)),
            ThreadLimit::ProcessIds { max } => {
                write!(f, "`kernel.pid_max` allows the system or the container fewer than {max} processes and threads")
            }
            ThreadLimit::Mappings { max } => write!(f, "`vm.max_map_count` allows the program {max} memory mappings"),
        }
    }
}

/// Returns the noun after a number of threads.
fn threads(max: u64) -> &'static str {
    if max == 1 { "thread" } else { "threads" }
}

#[cfg(all(test, target_os = "linux", not(cordial_loom)))]
mod tests;

//! What a process is for, as an observer shows it.

/// What a process is for. For display only: nothing depends on it.
///
/// `Display` prints it in words, such as `item of a stream`.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProcessKind {
    /// A task, or a process of none of the other kinds.
    Task,
    /// The process of [`run`](crate::run), [`main`](crate::main) or [`testing::run`](crate::testing::run).
    Root,
    /// A child of a supervisor, unless one of the kinds below fits.
    Child,
    /// A [`Supervisor`](crate::Supervisor).
    Supervisor,
    /// A [`TaskSupervisor`](crate::TaskSupervisor).
    TaskSupervisor,
    /// A [server](crate::server).
    Server,
    /// An attempt of an item of a [stream](crate::AsyncStream).
    StreamItem,
    /// A task of a [`TaskSet`](crate::TaskSet).
    SetTask,
    /// A connection of a network server: set by the crate `cordial-http`, or by
    /// [`mark_as_connection`](crate::process::mark_as_connection).
    Connection,
}

impl std::fmt::Display for ProcessKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            ProcessKind::Task => "task",
            ProcessKind::Root => "root process",
            ProcessKind::Child => "child",
            ProcessKind::Supervisor => "supervisor",
            ProcessKind::TaskSupervisor => "task supervisor",
            ProcessKind::Server => "server",
            ProcessKind::StreamItem => "item of a stream",
            ProcessKind::SetTask => "task of a set",
            ProcessKind::Connection => "connection",
        })
    }
}

/// What a process was spawned for, where that does not follow from other parts of its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// None of the others: the kind follows from the rest of the entry.
    Any = 0,
    StreamItem = 1,
    SetTask = 2,
    Connection = 3,
}

/// When a process was spawned, and for what. Packed into one `u64`, because each process stores it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpawnInfo(u64);

/// The lowest bit of the purpose. The bits below hold the time, and overflow after two million years.
const PURPOSE_BIT: u32 = 56;

impl SpawnInfo {
    /// `at` is in milliseconds on the coarse clock.
    pub(crate) fn new(at: u64, purpose: Purpose) -> SpawnInfo {
        SpawnInfo(at & ((1 << PURPOSE_BIT) - 1) | (purpose as u64) << PURPOSE_BIT)
    }

    /// Returns the time of the spawn, in milliseconds on the coarse clock.
    pub(crate) fn at(self) -> u64 {
        self.0 & ((1 << PURPOSE_BIT) - 1)
    }

    pub(crate) fn purpose(self) -> Purpose {
        match self.0 >> PURPOSE_BIT {
            1 => Purpose::StreamItem,
            2 => Purpose::SetTask,
            3 => Purpose::Connection,
            0 => Purpose::Any,
            other => unreachable!("no purpose has the number {other}"),
        }
    }
}

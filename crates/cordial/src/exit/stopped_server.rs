//! The server that a refusal names.

use std::fmt;
use std::sync::Arc;

use super::Location;
use crate::pid::Pid;

/// The server that has not handled a message, as [`Refusal::ServerStopped`](crate::Refusal::ServerStopped) names it.
#[derive(Clone, PartialEq, Eq)]
pub struct StoppedServer(Arc<Parts>);

#[derive(PartialEq, Eq)]
struct Parts {
    server: NamedServer,
    pid: Pid,
}

/// What a server is called, whichever of its processes runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedServer {
    pub(crate) label: Option<Arc<str>>,
    /// The type of its state, without the path of the module.
    pub(crate) type_name: &'static str,
    pub(crate) spawned_at: &'static std::panic::Location<'static>,
}

impl StoppedServer {
    #[cold]
    pub(crate) fn new(server: &NamedServer, pid: Pid) -> StoppedServer {
        StoppedServer(Arc::new(Parts { server: server.clone(), pid }))
    }

    /// Returns the label of the server, or the name of the type of its state if it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        let NamedServer { label, type_name, .. } = &self.0.server;
        label.as_deref().unwrap_or(type_name)
    }

    /// Returns the last process of the server, or a pid that no process has if it was never started.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.0.pid
    }

    /// Returns where the server was created: the call of `ServerRef::start`, `ServerRef::builder` or `ChildSpec::server`.
    #[must_use]
    pub fn spawned_at(&self) -> Location {
        Location::from(self.0.server.spawned_at)
    }
}

impl fmt::Display for StoppedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { server, pid } = &*self.0;
        match &server.label {
            Some(label) => write!(f, "{label:?}")?,
            None => f.write_str(server.type_name)?,
        }
        f.write_str(" (")?;
        if *pid != Pid::NO_PROCESS {
            write!(f, "process {pid}, ")?;
        }
        write!(f, "spawned at {})", self.spawned_at())
    }
}

impl fmt::Debug for StoppedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

//! The streams of an HTTP/2 connection as processes.

use std::sync::{Arc, OnceLock};

use cordial::{Pid, TaskSupervisor, process};
use hyper::rt::Executor;
use tokio::sync::Semaphore;

use super::client_limits::ClientLimits;
use super::process_list::ProcessList;

/// How many streams of one connection there may be at once. hyper stops counting a stream that the client has reset, but its
/// process runs until its next await.
pub(super) const MAX_STREAMS: u32 = 200;

/// Runs each stream of one connection as a child of a task supervisor that belongs to the process of the connection: when
/// that process exits, its streams are shut down. A connection of HTTP/1 has no such supervisor.
///
/// A stream is a request in flight: its process has opted in to graceful shutdown, as that of a connection has, and is notified when
/// the connection is asked to shut down. So a handler, or a body without an end, sees the request in HTTP/2 as it does in HTTP/1. When
/// the connection ends, hyper ends its streams.
///
/// hyper also runs the sending half of a stream that was upgraded (extended CONNECT) in this way. The process of the stream starts
/// that half in its last poll, so the stream has two processes for a moment. Upgraded streams have permits of their own: otherwise
/// a stream could not be upgraded while the connection has [`MAX_STREAMS`] streams.
#[derive(Clone, Debug)]
pub(super) struct StreamExecutor {
    /// The process of the connection.
    connection: Option<Pid>,
    /// The address of the client.
    label: Arc<str>,
    limits: Arc<ClientLimits>,
    streams: Arc<OnceLock<TaskSupervisor>>,
    processes: Arc<ProcessList>,
    permits: Arc<Semaphore>,
    upgrade_permits: Arc<Semaphore>,
}

impl StreamExecutor {
    /// Called by the process of the connection.
    pub(super) fn new(label: Arc<str>, limits: Arc<ClientLimits>) -> StreamExecutor {
        let permits = || Arc::new(Semaphore::new(MAX_STREAMS as usize));
        StreamExecutor {
            connection: process::current(),
            label,
            limits,
            streams: Arc::default(),
            processes: Arc::default(),
            permits: permits(),
            upgrade_permits: permits(),
        }
    }

    /// Notifies the streams that are open, and those that begin later, of a request to shut down.
    pub(super) fn shut_down(&self) {
        self.processes.shut_down();
    }
}

impl<F> Executor<F> for StreamExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        // hyper calls this in a poll of the connection, or, for the sending half of an upgraded stream, in a poll of that stream.
        let is_upgraded = process::current() != self.connection;
        let permits = if is_upgraded { &self.upgrade_permits } else { &self.permits };
        // A stream beyond the limit is dropped, which resets it.
        let Ok(permit) = permits.clone().try_acquire_owned() else { return };
        // The first call comes from the connection, so the supervisor belongs to that process.
        let streams = self.streams.get_or_init(|| TaskSupervisor::builder().label("HTTP/2 streams").start());
        let (open, label, entry) = (self.limits.stream_begins(), self.label.clone(), self.processes.add());
        // A stream that is refused is dropped as well, and `start_child` has emitted the event `refused`.
        let _ = streams.start_child(async move {
            // The call opts in.
            drop(cordial::shutdown_requested());
            entry.opted_in();
            process::set_label(label);
            stream.await;
            drop((open, permit, entry));
        });
    }
}

#[cfg(test)]
mod tests;

//! The streams of an HTTP/2 connection as processes.

use std::sync::{Arc, OnceLock};

use cordial::TaskSupervisor;
use hyper::rt::Executor;

/// Runs each stream of one connection as a child of a task supervisor that belongs to the process of the connection: when
/// that process exits, its streams are shut down. A connection of HTTP/1 has no such supervisor.
#[derive(Clone, Debug, Default)]
pub(super) struct StreamExecutor {
    streams: Arc<OnceLock<TaskSupervisor>>,
}

impl<F> Executor<F> for StreamExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        // hyper calls this in a poll of the connection, so the supervisor belongs to that process. hyper bounds the number
        // of streams.
        let streams = self.streams.get_or_init(|| TaskSupervisor::builder().label("HTTP/2 streams").start());
        // A refused stream is dropped, which resets it; the runtime has emitted the event `refused`.
        let _ = streams.start_child(stream);
    }
}

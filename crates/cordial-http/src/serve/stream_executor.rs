//! The streams of an HTTP/2 connection as processes.

use std::sync::{Arc, OnceLock};

use cordial::TaskSupervisor;
use hyper::rt::Executor;
use tokio::sync::Semaphore;

/// How many streams of one connection there may be at once. hyper stops counting a stream that the client has reset, but its
/// process runs until its next await.
pub(super) const MAX_STREAMS: u32 = 200;

/// Runs each stream of one connection as a child of a task supervisor that belongs to the process of the connection: when
/// that process exits, its streams are shut down. A connection of HTTP/1 has no such supervisor.
#[derive(Clone, Debug)]
pub(super) struct StreamExecutor {
    streams: Arc<OnceLock<TaskSupervisor>>,
    places: Arc<Semaphore>,
}

impl StreamExecutor {
    pub(super) fn new() -> StreamExecutor {
        StreamExecutor { streams: Arc::default(), places: Arc::new(Semaphore::new(MAX_STREAMS as usize)) }
    }
}

impl<F> Executor<F> for StreamExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        // A stream that is one too many is dropped, which resets it.
        let Ok(place) = self.places.clone().try_acquire_owned() else { return };
        // hyper calls this in a poll of the connection, so the supervisor belongs to that process.
        let streams = self.streams.get_or_init(|| TaskSupervisor::builder().label("HTTP/2 streams").start());
        // A refused stream is dropped as well; the runtime has emitted the event `refused`.
        let _ = streams.start_child(async move {
            stream.await;
            drop(place);
        });
    }
}

//! The limit of streams that run at once, which counts streams that the client has reset.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cordial::testing;
use hyper::rt::Executor;
use tokio::sync::watch;
use tokio::time::sleep;

use super::{ClientLimits, MAX_STREAMS, StreamExecutor};

/// Counts the streams that have not been dropped.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(n: &Arc<AtomicUsize>) -> Counted {
        n.fetch_add(1, Ordering::SeqCst);
        Counted(n.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn executor() -> StreamExecutor {
    StreamExecutor::new("client".into(), ClientLimits::new(Duration::MAX, Duration::MAX))
}

/// A client may reset streams faster than their processes end. hyper does not count a stream that was reset, even if its process still
/// runs.
#[test]
fn streams_beyond_the_limit_are_dropped() {
    testing::run(async {
        let (executor, n_streams) = (executor(), Arc::new(AtomicUsize::new(0)));
        let (release, released) = watch::channel(());
        for _ in 0..5 * MAX_STREAMS {
            let (counted, mut released) = (Counted::new(&n_streams), released.clone());
            executor.execute(async move {
                let _counted = counted;
                let _ = released.changed().await;
            });
        }
        assert_eq!(n_streams.load(Ordering::SeqCst), MAX_STREAMS as usize);
        release.send(()).unwrap();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(n_streams.load(Ordering::SeqCst), 0);
        let counted = Counted::new(&n_streams);
        executor.execute(async move {
            let _counted = counted;
            pending::<()>().await;
        });
        assert_eq!(n_streams.load(Ordering::SeqCst), 1, "places are free again");
    });
}

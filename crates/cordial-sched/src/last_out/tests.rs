//! Checked by loom: `RUSTFLAGS='--cfg cordial_loom' cargo test --release -p cordial-sched --lib`.

use loom::sync::Arc;
use loom::thread;

use super::*;

/// A queue of one task. Its orderings are the weakest: the protocol must not lean on the queue.
#[derive(Default)]
struct Queue(AtomicUsize);

impl Queue {
    fn push(&self) {
        self.0.swap(1, Ordering::Relaxed);
    }

    fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

#[test]
fn what_is_pushed_while_the_last_thread_leaves_is_run_once() {
    loom::model(|| {
        let shared = Arc::new((LastOut::new(), Queue::default()));
        shared.0.enter();
        let leaving = {
            let shared = shared.clone();
            thread::spawn(move || {
                let before = shared.1.take();
                before + if shared.0.leave() { shared.1.take() } else { 0 }
            })
        };
        shared.1.push();
        let by_pusher = if shared.0.is_over() { shared.1.take() } else { 0 };
        let by_thread = leaving.join().unwrap();
        assert_eq!(by_pusher + by_thread, 1, "a task was lost, or run twice");
    });
}

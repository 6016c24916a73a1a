use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::Waker;

use super::*;
use crate::sync::{AtomicBool, Ordering};
use crate::table::Key;
use crate::task::allocator::TaskAllocator;
use crate::task::future::OutputSink;

/// Records for each task that it gets whether the poll of that task is over.
struct Recorder {
    is_over: AtomicBool,
    queued: Mutex<Vec<bool>>,
}

impl Schedule for Recorder {
    fn schedule(self: Arc<Self>, runnable: Runnable) {
        self.queued.lock().push(self.is_over.load(Ordering::SeqCst));
        drop_in_turn(|| runnable.abort());
    }
}

/// A task that sends its waker and is pending. With `wakes_itself`, it wakes itself first.
fn pending_task(tasks: &TaskAllocator, wakes_itself: bool) -> (Runnable, Receiver<Waker>) {
    let (wakers, sent): (Sender<Waker>, _) = channel();
    let mut task = tasks.allocate(Key::new(1, std::num::NonZeroU32::MIN));
    let future = std::future::poll_fn(move |cx| {
        if wakes_itself {
            cx.waker().wake_by_ref();
        }
        wakers.send(cx.waker().clone()).expect("the test receives it");
        Poll::<()>::Pending
    });
    task.fill(&mut Some(future), OutputSink::Discard);
    (task, sent)
}

#[test]
fn a_poll_is_over_before_another_thread_can_take_its_task() {
    for wakes_itself in [false, true] {
        let tasks = TaskAllocator::new(HeaderReuse::Exact);
        let recorder = Arc::new(Recorder { is_over: AtomicBool::new(false), queued: Mutex::new(Vec::new()) });
        let weak = Arc::downgrade(&recorder);
        tasks.scheduler().connect(weak);
        let (task, sent) = pending_task(&tasks, wakes_itself);
        poll(task, || {
            // Like a wake-up on another thread at this moment.
            sent.recv().expect("the task was polled").wake();
            recorder.is_over.store(true, Ordering::SeqCst);
        });
        assert_eq!(*recorder.queued.lock(), [true]);
    }
}

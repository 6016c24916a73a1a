//! Checked by loom: `RUSTFLAGS='--cfg cordial_loom' cargo test --release -p cordial-sched --lib`.

use std::sync::atomic::AtomicUsize as Count;

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::sync::models::check;
use crate::sync::{AtomicBool, Ordering};

struct Task {
    /// How many of the messages the last poll saw.
    n_seen: usize,
}

/// A task that waits for two messages.
struct Model {
    slot: OwnerSlot<Box<Task>>,
    messages: [AtomicBool; 2],
    n_polls: Count,
}

impl Model {
    /// Polls the task, like a worker, until it may stay in its slot.
    fn run(&self, task: Box<Task>) {
        let mut runnable = Some(task);
        while let Some(mut task) = runnable {
            self.slot.begin_poll();
            task.n_seen = self.messages.iter().filter(|message| message.load(Ordering::Relaxed)).count();
            self.n_polls.fetch_add(1, Ordering::Relaxed);
            runnable = self.slot.put(task);
        }
    }

    /// Stores a message, then wakes the task.
    fn send(&self, message: usize) {
        self.messages[message].store(true, Ordering::Relaxed);
        if let Some(task) = self.slot.take() {
            self.run(task);
        }
    }
}

#[test]
fn the_last_poll_sees_every_message() {
    static FEWEST: Count = Count::new(usize::MAX);
    static MOST: Count = Count::new(0);
    // Without a bound it runs for more than five minutes.
    check(3, || {
        let model = Arc::new(Model {
            slot: OwnerSlot::empty(),
            messages: [AtomicBool::new(false), AtomicBool::new(false)],
            n_polls: Count::new(0),
        });
        let senders = [0, 1].map(|message| {
            let model = model.clone();
            thread::spawn(move || model.send(message))
        });
        model.run(Box::new(Task { n_seen: 0 }));
        for sender in senders {
            sender.join().unwrap();
        }
        let n_polls = model.n_polls.load(Ordering::Relaxed);
        FEWEST.fetch_min(n_polls, Ordering::Relaxed);
        MOST.fetch_max(n_polls, Ordering::Relaxed);
        let task = model.slot.take().expect("the task waits in its slot");
        assert_eq!(task.n_seen, 2, "a wake-up was lost");
    });
    // In one run both messages came before the first poll began. In another, each message led to a poll of its own.
    assert_eq!(FEWEST.load(Ordering::Relaxed), 1);
    assert!(MOST.load(Ordering::Relaxed) >= 3);
}

//! Checked by loom: `RUSTFLAGS='--cfg cordial_loom' cargo test --release -p cordial-sched --lib`.

use std::sync::atomic::AtomicUsize as Count;

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::sync::{AtomicBool, Ordering};

/// How many of the messages its last poll saw; none in a mark.
type Model = Box<Option<usize>>;

impl SlotValue for Model {
    fn is_notified_mark(&self) -> bool {
        self.is_none()
    }
}

struct World {
    header: OwnerSlot<Model>,
    messages: [AtomicBool; 2],
    polls: Count,
}

impl World {
    /// Polls the task until it may stay at header.
    fn run(&self, task: Model) {
        let mut ready = Some(task);
        while let Some(mut task) = ready {
            self.header.begin_poll();
            let seen = self.messages.iter().filter(|message| message.load(Ordering::Relaxed)).count();
            *task = Some(seen);
            self.polls.fetch_add(1, Ordering::Relaxed);
            ready = self.header.put(task);
        }
    }

    /// Leaves a message, and wakes the task.
    fn send(&self, message: usize) {
        self.messages[message].store(true, Ordering::Relaxed);
        if let Some(task) = self.header.take(|| Box::new(None)) {
            self.run(task);
        }
    }
}

#[test]
fn the_last_poll_sees_every_message() {
    static FEWEST: Count = Count::new(usize::MAX);
    static MOST: Count = Count::new(0);
    let mut builder = loom::model::Builder::new();
    // Without a bound it runs for more than five minutes.
    builder.preemption_bound = Some(3);
    builder.check(|| {
        let world = Arc::new(World {
            header: OwnerSlot::empty(),
            messages: [AtomicBool::new(false), AtomicBool::new(false)],
            polls: Count::new(0),
        });
        let senders = [0, 1].map(|message| {
            let world = world.clone();
            thread::spawn(move || world.send(message))
        });
        world.run(Box::new(Some(0)));
        for sender in senders {
            sender.join().unwrap();
        }
        let polls = world.polls.load(Ordering::Relaxed);
        FEWEST.fetch_min(polls, Ordering::Relaxed);
        MOST.fetch_max(polls, Ordering::Relaxed);
        let seen = std::iter::from_fn(|| world.header.cell.take()).find_map(|token| *token);
        assert_eq!(seen, Some(2), "a wake-up was lost");
    });
    // Both came before the first poll began, and each after one.
    assert_eq!(FEWEST.load(Ordering::Relaxed), 1);
    assert!(MOST.load(Ordering::Relaxed) >= 3);
}

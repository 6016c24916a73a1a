//! What a runtime does when the scheduler calls its hooks.

use std::io;
use std::time::Duration;

use cordial_sched::{Executor, Hooks, Key, StuckIoThreads, ThreadLimit};

use super::context;
use super::handle::RuntimeHandle;
use super::shared::RuntimeShared;
use crate::process::entry::EventSubject;
use crate::telemetry;

impl Hooks for RuntimeShared {
    fn thread_started(&self, executor: &Executor) {
        context::adopt(RuntimeHandle::new(executor.clone()));
    }

    fn on_foreign_thread(&self, executor: &Executor, body: &mut dyn FnMut()) {
        context::as_thread_of(RuntimeHandle::new(executor.with_local_count()), body);
    }

    fn sampled(&self, key: Key, time: Duration) {
        let time = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.table.with(key, |entry| {
            let samples = &mut entry.rare().samples;
            samples.busy_us = samples.busy_us.saturating_add(time);
            entry.task.mark_sampled(key);
        });
    }

    fn threads_exhausted(&self, max_threads: usize) {
        telemetry::threads_exhausted(max_threads);
    }

    fn io_threads_stuck(&self, stuck: StuckIoThreads) {
        telemetry::io_threads_stuck(&stuck);
    }

    fn threads_refused(&self, error: &io::Error, limit: Option<&ThreadLimit>) {
        telemetry::threads_refused(error, limit);
    }

    fn long_poll(&self, key: Key, lasted: Duration) {
        let polled = self.table.with(key, |entry| {
            let samples = &mut entry.rare().samples;
            samples.long_polls = samples.long_polls.saturating_add(1);
            (EventSubject::of(entry), entry.spawned_at)
        });
        let Some((subject, spawned_at)) = polled else { return };
        if self.is_first_long_poll_of(spawned_at) {
            telemetry::long_poll(&subject.subject(self.pid(key)), lasted);
        }
    }
}

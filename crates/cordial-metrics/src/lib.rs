#![doc = include_str!("../README.md")]

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use cordial::{Snapshot, Statistics};
use metrics::{Counter, counter, gauge, histogram};
use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

const TARGET: &str = "cordial::process";

/// Sets the gauges and counters of the scheduler, for example every ten seconds. See [`cordial::process::statistics`] and
/// [`cordial::Runtime::statistics`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use cordial::{Task, process};
///
/// cordial::testing::run(async {
///     Task::builder().label("metrics").start(async {
///         loop {
///             cordial_metrics::record(&process::statistics());
///             tokio::time::sleep(Duration::from_secs(10)).await;
///         }
///     });
/// });
/// ```
pub fn record(statistics: &Statistics) {
    let Statistics { workers, stand_ins, deprioritized, injected, queued, polls, steals, parks, long_polls, .. } =
        *statistics;
    gauge!("cordial_workers").set(in_f64(workers));
    gauge!("cordial_stand_ins").set(in_f64(stand_ins));
    gauge!("cordial_deprioritized_threads").set(in_f64(deprioritized));
    gauge!("cordial_injected_tasks").set(in_f64(injected));
    gauge!("cordial_queued_tasks").set(in_f64(queued));
    counter!("cordial_polls_total").absolute(polls);
    counter!("cordial_steals_total").absolute(steals);
    counter!("cordial_parks_total").absolute(parks);
    counter!("cordial_stalled_polls_total").absolute(long_polls);
}

/// Sets the gauges and counters of the mailboxes of servers, for example every ten seconds. A server is named by its label, or else
/// by the location of its start; servers of one name are counted together.
///
/// A snapshot shows only servers whose process is running, so the gauges of a name without one keep their last values. A server that
/// is restarted keeps its counts. The counters of a name never decrease: when a server is gone and another one gets its name, they do
/// not change until the servers of that name have handled more messages than before.
///
/// # Examples
///
/// ```
/// cordial::testing::run(async {
///     cordial_metrics::record_mailboxes(&cordial::process::snapshot());
/// });
/// ```
pub fn record_mailboxes(snapshot: &Snapshot) {
    let mut by_name: BTreeMap<String, (usize, usize, Duration, u64, u64)> = BTreeMap::new();
    for process in &snapshot.processes {
        let Some(mailbox) = &process.mailbox else { continue };
        let name = process.label.as_ref().map_or_else(|| process.spawned_at.to_string(), ToString::to_string);
        let (length, waiting, oldest, handled, skipped) = by_name.entry(name).or_default();
        *length += mailbox.length;
        *waiting += mailbox.waiting;
        *oldest = mailbox.oldest.unwrap_or_default().max(*oldest);
        *handled += mailbox.handled;
        *skipped += mailbox.skipped;
    }
    for (name, (length, waiting, oldest, handled, skipped)) in by_name {
        gauge!("cordial_mailbox_messages", "server" => name.clone()).set(in_f64(length));
        gauge!("cordial_mailbox_waiting_senders", "server" => name.clone()).set(in_f64(waiting));
        gauge!("cordial_mailbox_oldest_seconds", "server" => name.clone()).set(oldest.as_secs_f64());
        counter!("cordial_messages_handled_total", "server" => name.clone()).absolute(handled);
        counter!("cordial_calls_skipped_total", "server" => name).absolute(skipped);
    }
}

/// Converts a number of threads, tasks or messages, which is far below 2^32.
fn in_f64(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

/// Returns the layer that counts the events. It receives all events of the target
/// `cordial::process` and no others; filters of other layers do not affect it.
///
/// The event of a start has the level `TRACE`. This layer enables it, so every start of a process emits an event. To
/// avoid that cost, filter the event out; then `cordial_starts_total` stays 0, and `cordial_processes` only falls.
pub fn layer<S>() -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    // The panic hook of `cordial` calls `tracing::enabled!` to find out whether a subscriber
    // reports crashes. This layer does not report them, so its filter answers that query with
    // false. The query is not an event, hence `is_event`.
    //
    // The interest is `sometimes`. With `always`, tracing would not call the filter for the crash
    // event, but reuse its latest answer, which was the answer to the query.
    let interest =
        |metadata: &Metadata<'_>| if is_counted(metadata) { Interest::sometimes() } else { Interest::never() };
    CountingLayer.with_filter(dynamic_filter_fn(|metadata, _| is_counted(metadata)).with_callsite_filter(interest))
}

fn is_counted(metadata: &Metadata<'_>) -> bool {
    metadata.target() == TARGET && metadata.is_event()
}

/// Increments the counter of each event that it receives.
#[derive(Debug)]
struct CountingLayer;

impl<S: Subscriber> Layer<S> for CountingLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if let Some(counter) = counter_of(event) {
            counter.increment(count_of(event));
        }
        measure(event);
    }
}

/// Returns how much an event counts. One event may report several casts that were dropped.
fn count_of(event: &Event<'_>) -> u64 {
    match event.metadata().name() {
        "casts_dropped" => FieldText::read(event, "dropped").parse().unwrap_or(1),
        _ => 1,
    }
}

/// Records what an event measures: how many processes are alive, and durations.
fn measure(event: &Event<'_>) {
    let seconds = |field| FieldText::read(event, field).parse::<f64>().ok().map(|milliseconds| milliseconds / 1000.0);
    match event.metadata().name() {
        "start" => gauge!("cordial_processes").increment(1),
        "stop" | "crash" => {
            gauge!("cordial_processes").decrement(1);
            if let Some(age) = seconds("age_ms") {
                histogram!("cordial_process_seconds").record(age);
            }
        }
        "long_poll_end" => {
            if let Some(lasted) = seconds("lasted_ms") {
                histogram!("cordial_long_poll_seconds").record(lasted);
            }
        }
        "restart" => {
            if let Some(after) = seconds("after_ms") {
                histogram!("cordial_restart_delay_seconds").record(after);
            }
        }
        _ => {}
    }
}

/// Returns the counter of an event, or `None` if the event is not counted.
fn counter_of(event: &Event<'_>) -> Option<Counter> {
    let by_supervisor = |name: &'static str| {
        let label = FieldText::read(event, "label");
        if label.is_empty() { counter!(name) } else { counter!(name, "supervisor" => label) }
    };
    Some(match event.metadata().name() {
        "start" => counter!("cordial_starts_total"),
        "stop" => counter!("cordial_stops_total"),
        "crash" => counter!("cordial_crashes_total"),
        "restart" => by_supervisor("cordial_restarts_total"),
        "restart_waits" => by_supervisor("cordial_waiting_restarts_total"),
        "slow_start" => by_supervisor("cordial_slow_starts_total"),
        "start_failed" => by_supervisor("cordial_failed_starts_total"),
        "give_up" => by_supervisor("cordial_give_ups_total"),
        "refused" => counter!("cordial_refusals_total"),
        "forced" => counter!("cordial_forced_ends_total", "how" => FieldText::read(event, "how")),
        "long_poll" => counter!("cordial_long_polls_total"),
        "abandoned" => counter!("cordial_abandoned_polls_total"),
        "item_timeout" => counter!("cordial_item_timeouts_total"),
        "item_failed" => counter!("cordial_item_failures_total"),
        "item_retry" => counter!("cordial_item_retries_total"),
        "mailbox_full" => counter!("cordial_full_mailboxes_total"),
        "casts_dropped" => counter!("cordial_dropped_casts_total"),
        "call_cycle" => counter!("cordial_call_cycles_total"),
        "lost_panic" => counter!("cordial_lost_panics_total"),
        "threads_exhausted" => counter!("cordial_threads_exhausted_total"),
        "io_threads_stuck" => counter!("cordial_io_threads_stuck_total"),
        "threads_refused" => counter!("cordial_threads_refused_total"),
        _ => return None,
    })
}

/// A visitor that keeps the text of one field.
struct FieldText {
    name: &'static str,
    text: String,
}

impl FieldText {
    /// Returns the text of a field of `event`. Empty if the event has no such field, or no value for it.
    fn read(event: &Event<'_>, name: &'static str) -> String {
        let mut field = FieldText { name, text: String::new() };
        event.record(&mut field);
        field.text
    }
}

impl Visit for FieldText {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == self.name {
            value.clone_into(&mut self.text);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == self.name {
            self.text = format!("{value:?}");
        }
    }
}

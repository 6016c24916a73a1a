#![doc = include_str!("../README.md")]

use std::fmt;

use metrics::{Counter, counter};
use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

const TARGET: &str = "cordial::process";

/// Returns the layer that counts the events. It receives all events of `cordial` and no others;
/// filters of other layers do not affect it.
///
/// The event of a start has the level `TRACE`. This layer enables it, so every start of a process emits an event. To
/// avoid that cost, filter the event out; `cordial_starts_total` then stays 0.
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
            counter.increment(1);
        }
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
        "start_failed" => by_supervisor("cordial_failed_starts_total"),
        "give_up" => by_supervisor("cordial_give_ups_total"),
        "refused" => counter!("cordial_refusals_total"),
        "forced" => counter!("cordial_forced_ends_total", "how" => FieldText::read(event, "how")),
        "long_poll" => counter!("cordial_long_polls_total"),
        "abandoned" => counter!("cordial_abandoned_polls_total"),
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

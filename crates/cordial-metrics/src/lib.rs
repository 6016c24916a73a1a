//! Counters of what `cordial` tells of itself, through the `metrics` facade.
//!
//! The library itself counts nothing for this: it tells `tracing` events, and this is a layer that counts them. Where it is
//! not installed it costs nothing.
//!
//! ```
//! use tracing_subscriber::layer::SubscriberExt;
//! use tracing_subscriber::util::SubscriberInitExt;
//!
//! tracing_subscriber::registry().with(cordial_metrics::layer()).init();
//! // Then a recorder of your choice, such as that of `metrics-exporter-prometheus`.
//! ```
//!
//! | counter | counts | labels |
//! |---|---|---|
//! | `cordial_starts_total` | processes that started | |
//! | `cordial_stops_total` | processes that ended `Normal` or `Shutdown` | |
//! | `cordial_crashes_total` | processes that ended otherwise, kills too | |
//! | `cordial_restarts_total` | restarts | `supervisor`: its label |
//! | `cordial_failed_starts_total` | children that failed to start | `supervisor` |
//! | `cordial_give_ups_total` | supervisors that gave up | `supervisor` |
//! | `cordial_refusals_total` | processes that were not started | |
//! | `cordial_forced_ends_total` | children that a stop had to kill or abandon | `how` |
//! | `cordial_long_polls_total` | spawn places whose polls last long; each is told once | |
//! | `cordial_abandoned_polls_total` | killed processes whose poll does not return | |
//! | `cordial_threads_exhausted_total` | times when all threads were stuck | |
//!
//! Labels are those that the program gives, and so are as few as its supervisors.
//!
//! Not for what lives now: that is what `cordial::Runtime::snapshot` is for.

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

/// A layer that counts. Whatever the filters of other layers, it sees all events of the library and no others.
///
/// Starts are events of the level trace: where starting a process must cost as little as possible, filter them out.
pub fn layer<S>() -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    // `sometimes`, not `always`: the panic hook asks with `enabled!` whether a crash is told, and the answer of each filter
    // would else be taken for that on the crash. To count is not to tell: on the question it stays `false`.
    let interest = |metadata: &Metadata<'_>| if is_ours(metadata) { Interest::sometimes() } else { Interest::never() };
    Counters.with_filter(dynamic_filter_fn(|metadata, _| is_ours(metadata)).with_callsite_filter(interest))
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target() == TARGET && metadata.is_event()
}

/// Counts the events that it is shown.
#[derive(Debug)]
struct Counters;

impl<S: Subscriber> Layer<S> for Counters {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if let Some(counter) = counter_of(event) {
            counter.increment(1);
        }
    }
}

fn counter_of(event: &Event<'_>) -> Option<Counter> {
    let by_supervisor = |name: &'static str| {
        let label = Text::of(event, "label");
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
        "forced" => counter!("cordial_forced_ends_total", "how" => Text::of(event, "how")),
        "long_poll" => counter!("cordial_long_polls_total"),
        "abandoned" => counter!("cordial_abandoned_polls_total"),
        "threads_exhausted" => counter!("cordial_threads_exhausted_total"),
        _ => return None,
    })
}

/// The text of one field.
struct Text {
    name: &'static str,
    text: String,
}

impl Text {
    fn of(event: &Event<'_>, name: &'static str) -> String {
        let mut text = Text { name, text: String::new() };
        event.record(&mut text);
        text.text
    }
}

impl Visit for Text {
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

/// The program in the page of the crate, as a documentation test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Pages;

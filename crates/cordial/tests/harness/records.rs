//! A global `tracing` subscriber that stores events with their spans. For subprocesses, which run one test.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

pub(crate) type Fields = BTreeMap<&'static str, String>;

/// One event and the spans around it, innermost first.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) target: &'static str,
    pub(crate) level: Level,
    pub(crate) fields: Fields,
    pub(crate) spans: Vec<(&'static str, Fields)>,
}

#[derive(Clone, Default)]
pub(crate) struct Records(Arc<Mutex<Vec<Record>>>);

impl Records {
    /// Installs the global subscriber with this filter.
    pub(crate) fn install(filter: Targets) -> Records {
        let records = Records::default();
        let subscriber = tracing_subscriber::registry().with(records.clone().with_filter(filter));
        tracing::subscriber::set_global_default(subscriber).unwrap();
        records
    }

    /// All events so far whose field `event` has this value.
    pub(crate) fn of(&self, event: &str) -> Vec<Record> {
        let records = self.0.lock().unwrap();
        records.iter().filter(|record| record.is(event)).cloned().collect()
    }
}

impl Record {
    fn is(&self, event: &str) -> bool {
        self.fields.get("event").is_some_and(|name| name == event)
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Records {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let mut fields = Visited(Fields::new());
        attributes.record(&mut fields);
        ctx.span(id).unwrap().extensions_mut().insert(fields);
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let mut visited = Visited(Fields::new());
        event.record(&mut visited);
        let spans = ctx.event_scope(event).into_iter().flatten().map(|span| {
            let fields = span.extensions().get::<Visited>().map(|visited| visited.0.clone()).unwrap_or_default();
            (span.name(), fields)
        });
        let (target, level) = (event.metadata().target(), *event.metadata().level());
        let record = Record { target, level, fields: visited.0, spans: spans.collect() };
        self.0.lock().unwrap().push(record);
    }
}

struct Visited(Fields);

impl Visit for Visited {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

//! A `tracing` subscriber for the calling thread that records the events of the library. For simulations, which run on one thread.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

/// One event of target `cordial::process`.
#[derive(Clone, Debug)]
pub(crate) struct Emitted {
    pub(crate) name: &'static str,
    pub(crate) level: Level,
    fields: BTreeMap<&'static str, String>,
}

impl Emitted {
    /// The text of a field. Empty if the event does not have it.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

/// Calls `body` with a subscriber on this thread. Returns the events that were emitted, except `start`. To be called in a test that
/// [`is_isolated`](super::subprocess::is_isolated): otherwise events may be missing.
pub(crate) fn capture(body: impl FnOnce()) -> Vec<Emitted> {
    let log = Log::default();
    let all = log.0.clone();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(log), body);
    let emitted = all.lock().expect("no thread has panicked with this lock").clone();
    emitted.into_iter().filter(|event| event.name != "start").collect()
}

/// The events of this name.
pub(crate) fn named<'a>(emitted: &'a [Emitted], name: &str) -> Vec<&'a Emitted> {
    emitted.iter().filter(|event| event.name == name).collect()
}

#[derive(Default)]
struct Log(Arc<Mutex<Vec<Emitted>>>);

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if metadata.target() != "cordial::process" {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let emitted = Emitted { name: metadata.name(), level: *metadata.level(), fields: fields.0 };
        self.0.lock().expect("no thread has panicked with this lock").push(emitted);
    }
}

#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

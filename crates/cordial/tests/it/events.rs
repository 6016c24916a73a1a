//! Not a test: what the library tells `tracing`, caught on the thread of a simulation.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use crate::program;

/// One event of target `cordial::process`.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) name: &'static str,
    pub(crate) level: Level,
    fields: BTreeMap<&'static str, String>,
}

impl Told {
    /// The text of a field; empty if the event does not have it.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

/// Whether this is the program of its own in which a test may listen. In the test itself it runs that program, which has to
/// succeed: `tracing` remembers for a whole program who wants which events, and tests beside this one could disturb that.
pub(crate) fn is_alone<F: Fn()>(_test: F) -> bool {
    if program::part().is_some() {
        return true;
    }
    let (_crate, test) = std::any::type_name::<F>().split_once("::").expect("a test stands in a module");
    let ran = program::run(test, "");
    assert!(ran.status.success(), "{}", ran.stderr);
    false
}

/// Calls `body` with a subscriber on this thread, and gives what it was told, but for starts.
pub(crate) fn during(body: impl FnOnce()) -> Vec<Told> {
    let log = Log::default();
    let all = log.0.clone();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(log), body);
    let told = all.lock().expect("nobody panicked while holding it").clone();
    told.into_iter().filter(|told| told.name != "start").collect()
}

/// Those of one name.
pub(crate) fn named<'a>(told: &'a [Told], name: &str) -> Vec<&'a Told> {
    told.iter().filter(|told| told.name == name).collect()
}

#[derive(Default)]
struct Log(Arc<Mutex<Vec<Told>>>);

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if metadata.target() != "cordial::process" {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let told = Told { name: metadata.name(), level: *metadata.level(), fields: fields.0 };
        self.0.lock().expect("nobody panicked while holding it").push(told);
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

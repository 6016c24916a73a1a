use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};

use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use super::*;
use crate::unwind::{self, Unwound};

/// The levels and the fields of each event.
type Table = BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)>;

#[derive(Clone, Default)]
struct Emitted(Arc<Mutex<Table>>);

impl<S: Subscriber> Layer<S> for Emitted {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        assert_eq!(metadata.target(), TARGET);
        let mut emitted = self.0.lock().unwrap();
        let (levels, fields) = emitted.entry(metadata.name().to_owned()).or_default();
        levels.insert(metadata.level().to_string().to_lowercase());
        fields.extend(metadata.fields().iter().map(|field| field.name().to_owned()));
    }
}

/// Emits every event, in each of its forms.
fn emit_all() {
    let (pid, spawned_at) = (Pid::new(NonZeroU32::MIN, 2, 3), Location::caller());
    let subject = Subject { pid, label: None, spawned_at, child_of: Some((pid, 1)) };
    let child = Child { supervisor: pid, label: None, child: "child", spawned_at, incarnation: 1 };
    started(pid, None, spawned_at, None, None);
    for exit in [Exit::Normal, Exit::Shutdown(None), Exit::Killed, Exit::NoProcess] {
        stopped(&subject, &exit, Duration::ZERO, &[]);
    }
    start_ended(&subject, &Exit::NoProcess, Duration::ZERO, &[]);
    long_poll(&subject, Duration::ZERO);
    item_timeout(spawned_at, 0, 1, &TimedOut::new(Duration::ZERO, pid, None, None));
    item_retry(spawned_at, 0, 1, None, &Exit::Killed, Duration::ZERO);
    item_failed(spawned_at, 0, 1, None, &Exit::Killed);
    long_poll_end(&subject, Duration::ZERO, 0);
    threads_exhausted(1);
    io_threads_stuck(&StuckIoThreads { n_stuck: 1, n_threads: 2, lasted: Duration::ZERO, n_left_out: 0 });
    threads_refused(&std::io::ErrorKind::WouldBlock.into(), Some(&ThreadLimit::System { max: 1 }));
    abandoned(&subject);
    casts_dropped(pid, None, spawned_at, 1);
    call_cycle(pid, "a -> b -> a");
    let (label, oldest, in_hand, sender) = (None, None, None, None);
    mailbox_full(&MailboxFull { pid, label, spawned_at, capacity: 1, oldest, in_hand, sender, message: "Get" });
    let Err(Unwound::Panic(caught)) = unwind::catch(|| std::panic::panic_any("planned")) else {
        panic!("it panics");
    };
    lost_panic(&caught);
    refused(spawned_at, None, &Refusal::SupervisorFull);
    restart(&child, &Exit::Killed, Duration::ZERO);
    restart_waits(&child, pid);
    slow_start(&child, pid, Duration::ZERO, Timeout::After(Duration::ZERO));
    start_failed(&child, &StartError::NotATask("tree".into()));
    start_failed(&child, &StartError::Child { id: "child".into(), exit: Exit::from("no luck") });
    give_up(&child, &Exit::Killed, 3, Some(Duration::ZERO));
    forced(pid, pid, None, &exit::Location::from(spawned_at), "killed");
}

/// The table on the page of the crate, in the same form.
fn documented() -> Table {
    let rows = include_str!("../lib.rs").lines().filter_map(|line| line.strip_prefix("//! | `"));
    let levels_in = |cell: &str| {
        let words = cell.split(|c: char| !c.is_alphabetic());
        words.filter(|word| ["trace", "debug", "info", "warn", "error"].contains(word)).map(str::to_owned).collect()
    };
    rows.map(|row| {
        let cells: Vec<&str> = row.split(" | ").collect();
        let [name, level, fields] = cells[..] else { panic!("a row has three cells: {row}") };
        let name = name.split('`').next().unwrap_or_default();
        // An explanation in brackets may follow the name of a field.
        let fields = fields.trim_end_matches(" |").split(", ").filter_map(|field| field.split(' ').next());
        let fields = fields.map(str::to_owned).collect();
        (name.to_owned(), (levels_in(level), fields))
    })
    .collect()
}

#[test]
fn the_documented_table_of_events_matches_the_code() {
    let layer = Emitted::default();
    let all = layer.0.clone();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        // Another test may emit an event for the first time at this moment, without a subscriber, which `tracing`
        // remembers. After the first round all events are registered, and `tracing` asks the subscriber anew.
        emit_all();
        tracing::callsite::rebuild_interest_cache();
        emit_all();
    });
    let mut emitted = std::mem::take(&mut *all.lock().unwrap());
    for (_, fields) in emitted.values_mut() {
        assert!(fields.remove("message") && fields.remove("event"));
    }
    let in_code = include_str!("../telemetry.rs").split("event!(name: \"").skip(1);
    let in_code: BTreeSet<&str> = in_code.filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(emitted.keys().map(String::as_str).collect::<BTreeSet<_>>(), in_code, "this test emits every event");
    let documented = documented();
    assert_eq!(documented.keys().collect::<Vec<_>>(), emitted.keys().collect::<Vec<_>>());
    for (name, row) in documented {
        assert_eq!(row, emitted[&name], "{name}");
    }
}

//! The events of a simulated program increment the counters.
#![expect(clippy::unwrap_used, reason = "the helper functions of tests may panic, too")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cordial::{ChildSpec, Exit, Restart, Strategy, Supervisor, Task, TaskSupervisor, process, testing};
use metrics::{Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use tracing_subscriber::layer::SubscriberExt;

/// A recorder that keeps the value of each counter, by its name and labels.
#[derive(Clone, Default)]
struct CounterValues(Arc<Mutex<BTreeMap<String, u64>>>);

impl CounterValues {
    /// The value of a counter, or `None` if it was never incremented.
    fn get(&self, name: &str) -> Option<u64> {
        self.0.lock().unwrap().get(name).copied()
    }

    /// Asserts that each of these counters has this value.
    #[track_caller]
    fn check(&self, expected: &[(&str, u64)]) {
        for (name, value) in expected {
            assert_eq!(self.get(name), Some(*value), "{name} in {:?}", self.0.lock().unwrap());
        }
    }
}

/// One counter of a `CounterValues`.
struct NamedCounter {
    values: CounterValues,
    name: String,
}

impl CounterFn for NamedCounter {
    fn increment(&self, value: u64) {
        *self.values.0.lock().unwrap().entry(self.name.clone()).or_default() += value;
    }

    fn absolute(&self, value: u64) {
        self.values.0.lock().unwrap().insert(self.name.clone(), value);
    }
}

impl Recorder for CounterValues {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let labels = key.labels().map(|label| format!(" {}={}", label.key(), label.value()));
        let name = key.name().to_owned() + &labels.collect::<String>();
        Counter::from_arc(Arc::new(NamedCounter { values: self.clone(), name }))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// A supervisor whose child is killed twice and which may restart the child once, then a task supervisor that is full.
fn crash_a_child_twice_and_fill_a_supervisor() {
    testing::run(async {
        let child = ChildSpec::task("child", std::future::pending::<()>).restart(Restart::Permanent);
        let tree = Supervisor::builder(Strategy::OneForOne)
            .label("tree")
            .max_restarts(1, Duration::from_secs(5))
            .child(child)
            .unlinked()
            .start()
            .await
            .expect("the child starts");
        for _ in 0..2 {
            let child = tree.which_children().await[0].pid.expect("the child runs");
            process::exit(child, Exit::Killed);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let full = TaskSupervisor::builder().max_children(0).start();
        full.start_child(async {}).expect_err("no child is allowed");
    });
}

#[test]
fn each_event_increments_its_counter() {
    let values = CounterValues::default();
    let subscriber = tracing_subscriber::registry().with(cordial_metrics::layer());
    metrics::with_local_recorder(&values, || {
        tracing::subscriber::with_default(subscriber, crash_a_child_twice_and_fill_a_supervisor);
    });
    values.check(&[
        ("cordial_restarts_total supervisor=tree", 1),
        ("cordial_give_ups_total supervisor=tree", 1),
        ("cordial_crashes_total", 2),
        ("cordial_refusals_total", 1),
        // The root process, the supervisor, its child twice, and the task supervisor.
        ("cordial_starts_total", 5),
        ("cordial_stops_total", 3),
    ]);
}

/// The panic hook asks whether a subscriber reports crashes. The metrics layer answers no, and must still receive the
/// crash.
#[test]
fn a_panic_that_another_layer_reports_is_counted() {
    let values = CounterValues::default();
    let reporting = tracing_subscriber::fmt::layer().with_test_writer();
    let subscriber = tracing_subscriber::registry().with(reporting).with(cordial_metrics::layer());
    let panic_twice = || {
        testing::run(async {
            for _ in 0..2 {
                let exit: Result<(), Exit> = Task::spawn(async { panic!("no luck") }).await;
                assert!(exit.is_err());
            }
        });
    };
    metrics::with_local_recorder(&values, || tracing::subscriber::with_default(subscriber, panic_twice));
    values.check(&[("cordial_crashes_total", 2)]);
}

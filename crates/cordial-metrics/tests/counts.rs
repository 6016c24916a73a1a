//! What happens in a simulated program is counted.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cordial::{ChildSpec, Exit, Restart, Strategy, Supervisor, Task, TaskSupervisor, process, testing};
use metrics::{Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use tracing_subscriber::layer::SubscriberExt;

/// What each counter has come to.
#[derive(Clone, Default)]
struct Counts(Arc<Mutex<BTreeMap<String, u64>>>);

/// One of them.
struct One(Counts, String);

impl CounterFn for One {
    fn increment(&self, value: u64) {
        *self.0.0.lock().unwrap().entry(self.1.clone()).or_default() += value;
    }

    fn absolute(&self, value: u64) {
        self.0.0.lock().unwrap().insert(self.1.clone(), value);
    }
}

impl Recorder for Counts {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let labels: Vec<String> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        Counter::from_arc(Arc::new(One(self.clone(), format!("{} {}", key.name(), labels.join(",")))))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn what_happens_is_counted() {
    let recorder = Counts::default();
    let subscriber = tracing_subscriber::registry().with(cordial_metrics::layer());
    metrics::with_local_recorder(&recorder, || tracing::subscriber::with_default(subscriber, program));
    let counts = recorder.0.lock().unwrap().clone();
    let of = |name: &str| counts.get(name).copied();
    assert_eq!(of("cordial_restarts_total supervisor=tree"), Some(1), "{counts:?}");
    assert_eq!(of("cordial_give_ups_total supervisor=tree"), Some(1), "{counts:?}");
    assert_eq!(of("cordial_crashes_total "), Some(2), "{counts:?}");
    assert_eq!(of("cordial_refusals_total "), Some(1), "{counts:?}");
    // The root, the tree, its child twice, the task supervisor.
    assert_eq!(of("cordial_starts_total "), Some(5), "{counts:?}");
    assert_eq!(of("cordial_stops_total "), Some(3), "{counts:?}");
}

#[test]
fn a_panic_that_another_layer_shows_is_counted() {
    let recorder = Counts::default();
    let shown = tracing_subscriber::fmt::layer().with_test_writer();
    let subscriber = tracing_subscriber::registry().with(shown).with(cordial_metrics::layer());
    let program = || {
        testing::run(async {
            for _ in 0..2 {
                assert!(Task::spawn(async { panic!("no luck") }).await.map(|never: ()| never).is_err());
            }
        });
    };
    metrics::with_local_recorder(&recorder, || tracing::subscriber::with_default(subscriber, program));
    let counts = recorder.0.lock().unwrap().clone();
    assert_eq!(counts.get("cordial_crashes_total ").copied(), Some(2), "{counts:?}");
}

fn program() {
    testing::run(async {
        let child = ChildSpec::task("child", std::future::pending::<()>).restart(Restart::Permanent);
        let tree = Supervisor::builder(Strategy::OneForOne)
            .label("tree")
            .max_restarts(1, Duration::from_secs(5))
            .child(child)
            .unlinked()
            .start()
            .await
            .expect("it starts");
        for _ in 0..2 {
            let child = tree.which_children().await[0].pid.expect("it runs");
            process::exit(child, Exit::Killed);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let full = TaskSupervisor::builder().max_children(0).start();
        full.start_child(async {}).expect_err("it is full");
    });
}

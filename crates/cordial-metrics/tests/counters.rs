//! The events of a simulated program increment the counters.
#![expect(clippy::unwrap_used, reason = "the helper functions of tests may panic, too")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cordial::server::{Context, Handle, Server, ServerRef};
use cordial::{ChildSpec, Exit, Restart, Strategy, Supervisor, Task, TaskSupervisor, process, testing};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use tracing_subscriber::layer::SubscriberExt;

/// A recorder that keeps the value of each counter, by its name and labels, and what was measured.
#[derive(Clone, Default)]
struct CounterValues {
    counters: Arc<Mutex<BTreeMap<String, u64>>>,
    measured: Measured,
}

impl CounterValues {
    /// The value of a counter, or `None` if it was never incremented.
    fn get(&self, name: &str) -> Option<u64> {
        self.counters.lock().unwrap().get(name).copied()
    }

    /// Asserts that each of these counters has this value.
    #[track_caller]
    fn check(&self, expected: &[(&str, u64)]) {
        for (name, value) in expected {
            assert_eq!(self.get(name), Some(*value), "{name} in {:?}", self.counters.lock().unwrap());
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
        *self.values.counters.lock().unwrap().entry(self.name.clone()).or_default() += value;
    }

    fn absolute(&self, value: u64) {
        self.values.counters.lock().unwrap().insert(self.name.clone(), value);
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

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(NamedValues { all: self.measured.clone(), name: key.name().to_owned() }))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(NamedValues { all: self.measured.clone(), name: key.name().to_owned() }))
    }
}

/// The values of gauges, one after the other, and of histograms, by their names.
type Measured = Arc<Mutex<BTreeMap<String, Vec<f64>>>>;

/// A gauge or a histogram.
struct NamedValues {
    all: Measured,
    name: String,
}

impl NamedValues {
    fn push(&self, value: impl FnOnce(f64) -> f64) {
        let mut all = self.all.lock().unwrap();
        let values = all.entry(self.name.clone()).or_default();
        let next = value(values.last().copied().unwrap_or_default());
        values.push(next);
    }
}

impl GaugeFn for NamedValues {
    fn increment(&self, value: f64) {
        self.push(|last| last + value);
    }

    fn decrement(&self, value: f64) {
        self.push(|last| last - value);
    }

    fn set(&self, value: f64) {
        self.push(|_| value);
    }
}

impl HistogramFn for NamedValues {
    fn record(&self, value: f64) {
        self.push(|_| value);
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

#[test]
fn a_start_that_lasts_is_counted() {
    let values = CounterValues::default();
    let subscriber = tracing_subscriber::registry().with(cordial_metrics::layer());
    let program = || {
        testing::run(async {
            let hangs = ChildSpec::init("hangs", || async {
                std::future::pending::<()>().await;
                Ok::<_, Exit>(async {})
            });
            let hangs = hangs.start_timeout(Duration::from_secs(30));
            let tree = Supervisor::builder(Strategy::OneForOne).label("tree").child(hangs);
            tree.start().await.expect_err("the child hangs");
        });
    };
    metrics::with_local_recorder(&values, || tracing::subscriber::with_default(subscriber, program));
    // After 5, 10 and 20 s.
    values.check(&[("cordial_slow_starts_total supervisor=tree", 3)]);
}

#[test]
fn no_event_is_left_out() {
    let (telemetry, layer) = (include_str!("../../cordial/src/telemetry.rs"), include_str!("../src/lib.rs"));
    let names = telemetry.split("event!(name: \"").skip(1).filter_map(|rest| rest.split('"').next());
    let names: Vec<&str> = names.collect();
    assert!(names.contains(&"crash") && names.contains(&"mailbox_full"), "found only {names:?}");
    let left_out: Vec<&str> = names.into_iter().filter(|name| !layer.contains(&format!("\"{name}\" =>"))).collect();
    assert!(left_out.is_empty(), "{left_out:?} are neither counted nor measured");
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

#[test]
fn live_processes_and_lifetimes_are_measured() {
    let values = CounterValues::default();
    let subscriber = tracing_subscriber::registry().with(cordial_metrics::layer());
    let program = || {
        testing::run(async {
            let tasks = [1, 2].map(|seconds| Task::spawn(tokio::time::sleep(Duration::from_secs(seconds))));
            Task::await_many(tasks).await.unwrap();
        });
    };
    metrics::with_local_recorder(&values, || tracing::subscriber::with_default(subscriber, program));
    let measured = values.measured.lock().unwrap();
    assert_eq!(measured["cordial_processes"], [1.0, 2.0, 3.0, 2.0, 1.0, 0.0]);
    assert_eq!(measured["cordial_process_seconds"], [1.0, 2.0, 2.0]);
}

#[test]
fn the_statistics_of_the_scheduler_are_recorded() {
    let values = CounterValues::default();
    let polls = metrics::with_local_recorder(&values, || {
        testing::run(async {
            tokio::task::yield_now().await;
            let statistics = process::statistics();
            cordial_metrics::record(&statistics);
            statistics.polls
        })
    });
    assert_eq!(values.measured.lock().unwrap()["cordial_workers"], [1.0]);
    assert!(polls > 0);
    values.check(&[("cordial_polls_total", polls)]);
}

/// A server that answers only after 10 s.
struct Mute;
struct Ask;

impl Server for Mute {}

impl Handle<Ask> for Mute {
    type Reply = ();
    async fn handle(&mut self, _: Ask, _: &mut Context<Self>) {
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
}

#[test]
fn mailboxes_are_recorded_by_the_label_of_their_server() {
    let values = CounterValues::default();
    metrics::with_local_recorder(&values, || {
        tracing::subscriber::with_default(tracing_subscriber::registry().with(cordial_metrics::layer()), || {
            testing::run(async {
                let server = ServerRef::builder(|| Mute).label("mute").mailbox(1).start();
                server.cast(Ask).await.unwrap();
                tokio::task::yield_now().await;
                let (queued, waits) = (server.call(Ask), server.cast(Ask));
                let (queued, waits) = tokio::join!(queued.timeout(Duration::from_secs(2)), waits);
                assert!(queued.is_err() && waits.is_err());
                tokio::time::sleep(Duration::from_secs(8)).await;
                cordial_metrics::record_mailboxes(&process::snapshot());
            });
        });
    });
    values.check(&[
        ("cordial_messages_handled_total server=mute", 1),
        ("cordial_calls_skipped_total server=mute", 1),
        ("cordial_full_mailboxes_total", 1),
    ]);
}

#[test]
fn each_cast_that_a_stop_drops_is_counted() {
    let values = CounterValues::default();
    metrics::with_local_recorder(&values, || {
        tracing::subscriber::with_default(tracing_subscriber::registry().with(cordial_metrics::layer()), || {
            testing::run(async {
                let server = ServerRef::builder(|| Mute).start();
                for _ in 0..3 {
                    server.cast(Ask).await.unwrap();
                }
                tokio::task::yield_now().await;
                server.stop().await;
            });
        });
    });
    // The first one was in hand, and was finished.
    values.check(&[("cordial_dropped_casts_total", 2)]);
}

//! The statistics of a pool as metrics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use cordial_isolate::Pool;
use metrics::{Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

use crate::functions::{ABORT, SQUARE, functions};
use crate::waits::{LONG, run};

/// A recorder that keeps the last value of each metric, by its name and labels.
#[derive(Clone, Default)]
struct Values(Arc<Mutex<BTreeMap<String, f64>>>);

/// One metric.
struct Value {
    all: Values,
    name: String,
}

impl Value {
    fn new(all: &Values, key: &Key) -> Arc<Value> {
        let labels = key.labels().map(|label| format!(" {}={}", label.key(), label.value()));
        Arc::new(Value { all: all.clone(), name: key.name().to_owned() + &labels.collect::<String>() })
    }

    fn keep(&self, value: f64) {
        self.all.0.lock().expect("nothing panics under this lock").insert(self.name.clone(), value);
    }
}

impl CounterFn for Value {
    fn increment(&self, _: u64) {
        unreachable!("statistics are the values since the start of the pool");
    }

    fn absolute(&self, value: u64) {
        self.keep(value as f64);
    }
}

impl GaugeFn for Value {
    fn increment(&self, _: f64) {
        unreachable!("statistics are the values of now");
    }

    fn decrement(&self, _: f64) {
        unreachable!("statistics are the values of now");
    }

    fn set(&self, value: f64) {
        self.keep(value);
    }
}

impl Recorder for Values {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Value::new(self, key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Value::new(self, key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        unreachable!("{key} is no histogram")
    }
}

#[test]
fn the_statistics_of_a_pool_are_recorded_with_its_name() {
    cordial_isolate::test_main(functions());
    let statistics = run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        assert!(pool.call(ABORT, ()).timeout(LONG).await.is_err());
        assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
        pool.statistics()
    });
    let statistics = statistics.unwrap();
    let values = Values::default();
    metrics::with_local_recorder(&values, || statistics.record("pictures"));
    let values = values.0.lock().unwrap();
    assert_eq!(values.len(), 10, "{values:?}");
    for (name, expected) in [
        ("workers", statistics.workers.len() as f64),
        ("running_calls", statistics.running as f64),
        ("queued_calls", statistics.queued as f64),
        ("calls_total", 2.0),
        ("lost_calls_total", 1.0),
        ("killed_calls_total", 0.0),
        ("worker_starts_total", statistics.started as f64),
        ("recycled_workers_total", 0.0),
        ("failed_starts_total", 0.0),
    ] {
        assert_eq!(values[&format!("cordial_isolated_{name} pool=pictures")], expected, "{name} in {values:?}");
    }
    assert!(values["cordial_isolated_resident_bytes pool=pictures"] > 0.0, "{values:?}");
}

//! The output of functions becomes events, whatever the subscriber does with the events.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use cordial::{Exit, Task};
use cordial_isolate::Pool;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use crate::bad_input::alone;
use crate::functions::{ABORT, HOLD_STDOUT, SQUARE, UNENDED, UNENDED_OUT, functions};
use crate::waits::{LONG, run};

/// Keeps the functions and lines of the outputs, and panics at each other event of a pool.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<(String, String)>>>);

#[derive(Default)]
struct Fields {
    function: String,
    line: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "function" => self.function = format!("{value:?}"),
            "message" => self.line = format!("{value:?}"),
            _ => {}
        }
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let target = event.metadata().target();
        assert_ne!(target, "cordial_isolate", "this subscriber panics, as the test wants");
        if target == "cordial_isolate::output" {
            let mut fields = Fields::default();
            event.record(&mut fields);
            self.0.lock().expect("no test panics with it").push((fields.function, fields.line));
        }
    }
}

/// Makes a call until its line is there as a line of `unended_out`. A worker waits for 100 ms until the line is written, and on a busy machine the thread
/// that writes the line may get no core for that long: then the line belongs to no call, or to the next one.
async fn until_seen(lines: &Lines, line: &str, call: impl Fn() -> Task<()>) {
    let wanted = (format!("{:?}", UNENDED_OUT.name()), line.to_owned());
    for _ in 0..20 {
        assert_eq!(call().timeout(LONG).await, Ok(()));
        if lines.0.lock().expect("no test panics with it").contains(&wanted) {
            return;
        }
    }
}

#[test]
fn a_line_without_a_break_belongs_to_its_call_and_a_subscriber_that_panics_ends_no_pool() {
    cordial_isolate::test_main(functions());
    // In a process of its own, as it sets the subscriber of the program.
    if let Some(output) = alone(None) {
        return assert!(output.status.success(), "{output:?}");
    }
    let lines = Lines::default();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines.clone())).unwrap();
    let seen = lines.clone();
    run(async move {
        let pool = Pool::builder().workers(1).start().unwrap();
        assert_eq!(pool.call(UNENDED, "no break".to_owned()).timeout(LONG).await, Ok(()));
        until_seen(&seen, "also none", || pool.call(UNENDED_OUT, "also none".to_owned())).await;
        assert!(matches!(pool.call(ABORT, ()).timeout(LONG).await, Err(Exit::Lost(_))));
        assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
    })
    .unwrap();
    let lines = lines.0.lock().expect("no test panics with it");
    for (function, line) in [("unended", "no break"), ("unended_out", "also none")] {
        assert!(lines.contains(&(format!("{function:?}"), line.to_owned())), "{lines:?}");
    }
}

/// Before the test that a worker runs, the test harness writes its name to standard output, without a line break.
#[test]
fn what_a_worker_has_written_before_it_was_ready_belongs_to_no_call() {
    cordial_isolate::test_main(functions());
    // In a process of its own, as it sets the subscriber of the program.
    if let Some(output) = alone(None) {
        return assert!(output.status.success(), "{output:?}");
    }
    let lines = Lines::default();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines.clone())).unwrap();
    let seen = lines.clone();
    run(async move {
        let pool = Pool::builder().workers(1).start().unwrap();
        until_seen(&seen, "the first", || pool.call(UNENDED_OUT, "the first".to_owned())).await;
    })
    .unwrap();
    let lines = lines.0.lock().expect("no test panics with it");
    assert!(lines.iter().any(|(function, line)| function.is_empty() && line.starts_with("test output::")), "{lines:?}");
    assert!(lines.contains(&("\"unended_out\"".to_owned(), "the first".to_owned())), "{lines:?}");
}

#[test]
fn calls_are_answered_while_a_thread_of_a_function_holds_the_lock_of_standard_output() {
    cordial_isolate::test_main(functions());
    run(async move {
        let pool = Pool::builder().workers(1).start().unwrap();
        assert_eq!(pool.call(HOLD_STDOUT, ()).timeout(LONG).await, Ok(()));
        for number in 0..20 {
            assert_eq!(pool.call(SQUARE, number).timeout(LONG).await, Ok(number * number));
        }
        assert_eq!(pool.statistics().started, 1, "the worker lives on");
    })
    .unwrap();
}

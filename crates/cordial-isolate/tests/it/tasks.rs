//! A call is a task like any other, until its process is ended.

use std::fmt::Debug;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cordial::process::{inspector, snapshot};
use cordial::{Exit, Task};
use cordial_isolate::Pool;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use crate::bad_input::alone;
use crate::functions::{
    ABORT, SPIN_BESIDE_A_TRAP, SQUARE, WAIT_FOR_EVER, functions, spinning, until_running, worker_of_call,
};
use crate::processes::until_gone;
use crate::waits::{LONG, run, until};

#[test]
fn a_call_can_be_waited_for_in_parts() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        let first = pool.call(WAIT_FOR_EVER, ());
        until_running(&pool).await;
        // It waits until the first call has ended.
        let mut task = pool.call(SQUARE, 3);
        assert_eq!(task.yield_for(Duration::from_millis(1)).await, None);
        drop(first);
        assert_eq!(task.yield_for(LONG).await, Some(Ok(9)));
    })
    .unwrap();
}

#[test]
fn a_call_that_is_lost_ends_the_processes_that_are_linked_to_it() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        let linked = Task::spawn(async move {
            let call = pool.call(ABORT, ());
            cordial::process::link(call.pid());
            std::future::pending::<()>().await;
            drop(call);
        });
        assert!(matches!(linked.timeout(LONG).await, Err(Exit::Lost(_))));
    })
    .unwrap();
}

#[test]
fn a_call_whose_handle_is_dropped_is_killed() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        let task = spinning(&pool).await;
        let worker = worker_of_call(&pool).await.as_raw_nonzero().get().cast_unsigned();
        drop(task);
        until_gone(&[worker]);
        assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
    })
    .unwrap();
}

#[test]
fn what_a_call_has_started_gets_sigterm_before_it_is_killed() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        let folder = std::env::temp_dir().join(format!("cordial-isolate-trap-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        // The 100 ms after the signal may pass before the shell gets a core.
        let mut was_trapped = false;
        for n in 0..20 {
            let (ready, trapped) = (folder.join(format!("ready{n}")), folder.join(format!("trapped{n}")));
            let task = pool.call(SPIN_BESIDE_A_TRAP, (ready.clone(), trapped.clone()));
            until("the trap of the shell", || ready.exists()).await;
            let worker = worker_of_call(&pool).await.as_raw_nonzero().get();
            let end = task.shutdown(LONG).await;
            assert!(matches!(end, None | Some(Err(Exit::Killed))), "{end:?}");
            // The worker ends at once, and the pool kills what it has started 100 ms later, if it has not ended.
            let is_over = || trapped.exists() || pool.statistics().workers.iter().all(|other| other.os_pid != worker);
            until("the end of the shell", is_over).await;
            was_trapped = trapped.exists();
            if was_trapped {
                break;
            }
        }
        fs::remove_dir_all(folder).unwrap();
        assert!(was_trapped);
    })
    .unwrap();
}

/// Keeps the field `exit` of each event `crash`.
#[derive(Clone, Default)]
struct Crashes(Arc<Mutex<Vec<String>>>);

impl Visit for Crashes {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "exit" {
            self.0.lock().expect("no test panics with it").push(format!("{value:?}"));
        }
    }
}

impl<S: Subscriber> Layer<S> for Crashes {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().name() == "crash" {
            event.record(&mut self.clone());
        }
    }
}

#[test]
fn a_lost_call_stands_in_crash_records_snapshots_and_events() {
    cordial_isolate::test_main(functions());
    // In a process of its own, as it sets the subscriber of the program.
    if let Some(output) = alone(None) {
        return assert!(output.status.success(), "{output:?}");
    }
    let crashes = Crashes::default();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(crashes.clone())).unwrap();
    let text = run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        let exit = pool.call(ABORT, ()).timeout(LONG).await.unwrap_err();
        assert!(exit.is_lost() && exit.is_abnormal(), "{exit}");
        let recorded = inspector().crashes(0);
        assert!(matches!(recorded.as_slice(), [crash] if crash.exit == exit), "{recorded:?}");
        assert_eq!(inspector().totals().crashed.losses, 1);
        let shown = snapshot().to_string();
        assert!(shown.contains(&exit.to_string()), "{shown}");
        exit.to_string()
    });
    let (text, emitted) = (text.unwrap(), crashes.0.lock().expect("no test panics with it"));
    assert!(matches!(emitted.as_slice(), [one] if one.starts_with(&text)), "{emitted:?}");
}

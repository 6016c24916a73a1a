//! The panic hooks that a program sets, for example for a service that collects errors: they are called for the panics of
//! processes as for all others, whether they were set before or after the first runtime.

use std::panic::{PanicHookInfo, resume_unwind, set_hook, take_hook};
use std::sync::{Mutex, PoisonError};

use cordial::process::Panics;
use cordial::{Exit, PanicReport, Runtime, Task, Timeout};

use crate::harness::records::Records;
use crate::harness::subprocess;

/// The messages with which hooks were called, each after the name of the hook.
static CALLS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn calls() -> Vec<String> {
    std::mem::take(&mut CALLS.lock().unwrap_or_else(PoisonError::into_inner))
}

fn record_call(hook: &str, info: &PanicHookInfo<'_>) {
    let message = info.payload().downcast_ref::<&str>().copied().unwrap_or("another message");
    CALLS.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{hook}: {message}"));
}

/// Sets a hook that does not call the one before.
fn set_recording_hook(name: &'static str) {
    // As large as the hook of the library, so that the allocator may give it the same address.
    let large = [name, "of the same size"];
    set_hook(Box::new(move |info| record_call(large[0], info)));
}

/// Runs a task that panics, and returns the report.
fn crash() -> std::sync::Arc<PanicReport> {
    let task: Task<()> = Task::spawn(async { panic!("no luck") });
    let Err(Exit::Panic(report)) = task.timeout(Timeout::Infinity).wait() else { panic!("expected a panic") };
    assert_eq!(report.message(), "no luck");
    report
}

#[track_caller]
fn assert_located(report: &PanicReport) {
    assert_eq!(report.location().file(), file!(), "{report}");
}

#[test]
fn a_hook_that_was_set_before_is_called_with_and_without_a_subscriber() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    set_recording_hook("before");
    assert_located(&crash());
    assert_eq!(calls(), ["before: no luck"]);
    let records = Records::install("cordial::process=warn".parse().unwrap());
    assert_located(&crash());
    assert_eq!(calls(), ["before: no luck"]);
    assert_eq!(records.of("crash").len(), 1);
}

#[test]
fn a_hook_that_is_set_later_hides_the_location_of_one_panic_only() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    set_recording_hook("before");
    assert_located(&crash());
    for name in ["later", "last"] {
        calls();
        set_recording_hook(name);
        let report = crash();
        assert_eq!(report.location().to_string(), "an unknown location");
        for _ in 0..3 {
            assert_located(&crash());
        }
        assert_eq!(calls(), vec![format!("{name}: no luck"); 4]);
    }
}

#[test]
fn a_hook_that_takes_the_place_of_a_freed_one_is_not_taken_for_it() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    assert_located(&crash());
    for _ in 0..10 {
        drop(take_hook());
        set_recording_hook("later");
        crash();
        assert_located(&crash());
    }
    assert_eq!(calls(), vec!["later: no luck"; 20]);
}

#[test]
fn a_hook_that_calls_the_one_before_hides_nothing() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    set_recording_hook("before");
    assert_located(&crash());
    calls();
    let before = take_hook();
    set_hook(Box::new(move |info| {
        record_call("later", info);
        before(info);
    }));
    assert_located(&crash());
    assert_eq!(calls(), ["later: no luck", "before: no luck"]);
}

#[test]
fn panics_that_are_thrown_again_do_not_pile_up_hooks() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    set_recording_hook("before");
    for _ in 0..100 {
        let task: Task<()> = Task::spawn(async { resume_unwind(Box::new("no luck")) });
        let Err(Exit::Panic(report)) = task.timeout(Timeout::Infinity).wait() else { panic!("expected a panic") };
        assert_eq!((report.message(), report.location().line()), ("no luck", 0));
    }
    assert_eq!(calls().len(), 0, "`resume_unwind` calls no hook");
    assert_located(&crash());
    assert_eq!(calls(), ["before: no luck"]);
}

#[test]
fn event_only_calls_the_hook_if_no_subscriber_takes_the_event() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    set_recording_hook("before");
    Runtime::builder().panics(Panics::EventOnly).install().unwrap();
    assert_located(&crash());
    assert_eq!(calls(), ["before: no luck"]);
    let records = Records::install("cordial::process=warn".parse().unwrap());
    assert_located(&crash());
    assert_eq!((calls().len(), records.of("crash").len()), (0, 1));
    let outside = std::thread::scope(|scope| scope.spawn(|| panic!("outside of processes")).join());
    assert!(outside.is_err());
    assert_eq!(calls(), ["before: outside of processes"]);
}

/// The process panics in a span that it has entered itself, and was spawned in another one.
#[test]
fn the_event_of_a_panic_is_in_the_span_in_which_it_happened() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    set_recording_hook("before");
    let records = Records::install("cordial::process=warn,diagnostics=info".parse().unwrap());
    let of_spawner = tracing::info_span!("spawner").entered();
    let task: Task<()> = Task::spawn(async {
        let _of_process = tracing::info_span!("import", file = "a.csv").entered();
        panic!("no luck")
    });
    drop(of_spawner);
    task.timeout(Timeout::Infinity).wait().unwrap_err();
    let crashes = records.of("crash");
    let spans: Vec<&str> = crashes[0].spans.iter().map(|(name, _)| *name).collect();
    assert_eq!(spans, ["import", "spawner"]);
}

//! `tracing` spans follow tasks, and a crash is either emitted as an event or printed by the panic hook.
//!
//! The subscriber and the hook are global to an OS process, so each case runs in an OS process of
//! its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cordial::{Exit, Runtime, Shutdown, Task, process, testing};
use tokio::sync::oneshot;
use tracing::span::{Attributes, Id};
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::harness::records::Records;
use crate::harness::subprocess;

/// Spawns in every way inside the span of a request. Each task emits events.
async fn serve_a_request() {
    async fn work(name: &'static str) {
        tracing::info!(target: "app", event = "app", name, "before the await");
        tokio::task::yield_now().await;
        tracing::info!(target: "app", event = "app", name, "after the await");
    }
    struct EmitsOnDrop;
    impl Drop for EmitsOnDrop {
        fn drop(&mut self) {
            tracing::info!(target: "app", event = "app", name = "destructor", "in a destructor");
        }
    }
    let entered = tracing::info_span!(target: "app", "request", id = 7).entered();
    let task = Task::spawn(async {
        work("task").await;
        Task::spawn(work("task in a task")).await.unwrap();
        Task::async_stream(0..2, |_| work("item")).collect().await
    });
    let (ended, end) = oneshot::channel::<()>();
    Task::start(async {
        work("started").await;
        drop(ended);
    });
    let (is_ready, ready) = oneshot::channel();
    let dropped = Task::spawn(async {
        let _guard = EmitsOnDrop;
        let _ = is_ready.send(());
        std::future::pending::<()>().await
    });
    drop(entered);
    // Awaited outside of the span.
    assert_eq!(task.await.unwrap(), [Ok(()), Ok(())]);
    assert!(end.await.is_err());
    ready.await.unwrap();
    assert_eq!(dropped.shutdown(Shutdown::default()).await, None);
    Task::spawn(work("no request")).await.unwrap();
}

/// With every filter, each event of a request carries the fields of its span.
#[test]
fn the_span_of_a_request_follows_its_tasks() {
    let filters =
        ["app=info", "app=info,cordial=error", "app=info,cordial::process=trace", "app=info,cordial=trace", "trace"];
    let Some(case) = subprocess::case() else {
        for filter in filters {
            for runtime in ["real", "simulated"] {
                assert_eq!(
                    subprocess::run(test_name!(), &format!("{runtime} {filter}")).reports(),
                    ["11 events"],
                    "{runtime}, {filter}"
                );
            }
        }
        return;
    };
    let (runtime, filter) = case.split_once(' ').unwrap();
    let has_own_spans = filter.ends_with("cordial=trace") || filter == "trace";
    let records = Records::install(filter.parse().unwrap());
    match runtime {
        "real" => Runtime::builder().workers(2).build().unwrap().block_on(serve_a_request()).unwrap(),
        _ => testing::run(serve_a_request()),
    }
    let (mut n_inside, mut n_outside) = (0, 0);
    for record in records.of("app") {
        let names: Vec<&str> = record.spans.iter().map(|(name, _)| *name).filter(|name| *name != "task").collect();
        if record.field("name") == Some("no request") {
            n_outside += 1;
            assert_eq!(names, [""; 0], "{record:?}");
        } else {
            n_inside += 1;
            assert_eq!(names, ["request"], "{record:?}");
            let (_, fields) = record.spans.iter().find(|(name, _)| *name == "request").unwrap();
            assert_eq!(fields.get("id").map(String::as_str), Some("7"), "{record:?}");
        }
        let own = record.spans.first().filter(|(name, _)| *name == "task");
        assert_eq!(own.is_some(), has_own_spans, "{record:?}");
        if let Some((_, fields)) = own {
            assert!(fields["pid"].starts_with('<') && fields["spawned_at"].contains("spans.rs:"), "{record:?}");
        }
    }
    assert_eq!(n_outside, 2);
    subprocess::report(format_args!("{n_inside} events"));
}

/// Starts a task that starts the next one, and so on, `n` times. The last one emits an event.
fn start_successors(n: usize, done: oneshot::Sender<()>) {
    Task::start(async move {
        if n > 0 {
            return start_successors(n - 1, done);
        }
        tracing::info!(target: "app", event = "last", "in the last task");
        let _entered = tracing::info_span!(target: "app", "inner").entered();
        Task::start(async move {
            tracing::info!(target: "app", event = "inside", "in a task that was spawned in a span of the last task");
            drop(done);
        });
    });
}

async fn start_successors_in_a_request(n: usize) {
    let (sender, done) = oneshot::channel();
    {
        let _request = tracing::info_span!(target: "app", "request", id = 7).entered();
        start_successors(n, sender);
    }
    done.await.unwrap_err();
}

#[test]
fn the_span_of_a_task_is_a_child_of_the_span_that_the_user_has_entered() {
    if subprocess::case().is_none() {
        let of_last = r#"["task", "request", "task"]"#;
        let of_inside = r#"["task", "inner", "task", "request", "task"]"#;
        assert_eq!(subprocess::run(test_name!(), "").reports(), [of_last, of_inside]);
        return;
    }
    let records = Records::install("trace".parse().unwrap());
    testing::run(start_successors_in_a_request(3));
    for event in ["last", "inside"] {
        let [record] = &records.of(event)[..] else { panic!("expected one event `{event}`") };
        let names: Vec<&str> = record.spans.iter().map(|(name, _)| *name).collect();
        subprocess::report(format_args!("{names:?}"));
    }
}

/// Counts spans.
#[derive(Clone, Default)]
struct Spans {
    n_open: Arc<AtomicUsize>,
    max_open: Arc<AtomicUsize>,
    n_following: Arc<AtomicUsize>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, _: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        let n_open = 1 + self.n_open.fetch_add(1, Ordering::SeqCst);
        self.max_open.fetch_max(n_open, Ordering::SeqCst);
    }

    fn on_follows_from(&self, _: &Id, _: &Id, _: Context<'_, S>) {
        self.n_following.fetch_add(1, Ordering::SeqCst);
    }

    fn on_close(&self, _: Id, _: Context<'_, S>) {
        self.n_open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Regression: each span was a child of the span of the task before. So no span was closed until the last task had ended, and
/// then each closed the span before it, all on one stack.
#[test]
fn a_chain_of_tasks_that_start_their_successors_keeps_few_spans_open() {
    const N: usize = 100_000;
    let Some(case) = subprocess::case() else {
        for case in ["real", "simulated"] {
            assert_eq!(subprocess::run(test_name!(), case).reports(), ["0 spans open"], "{case}");
        }
        return;
    };
    let spans = Spans::default();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(spans.clone())).unwrap();
    if case == "real" {
        let runtime = Runtime::builder().workers(2).build().unwrap();
        runtime.block_on(start_successors_in_a_request(N)).unwrap();
        drop(runtime);
        while spans.n_open.load(Ordering::SeqCst) > 0 {
            std::thread::yield_now();
        }
    } else {
        testing::run(start_successors_in_a_request(N));
    }
    // Besides the request and the span in the last task: a task, its spawner, and those that have ended but not yet closed.
    let max_open = spans.max_open.load(Ordering::SeqCst);
    assert!(max_open < 100, "{max_open} spans were open at once");
    assert!(spans.n_following.load(Ordering::SeqCst) >= N);
    subprocess::report(format_args!("{} spans open", spans.n_open.load(Ordering::SeqCst)));
}

/// An event of the library is emitted in the span of the process that it is about.
#[test]
fn a_crash_is_emitted_in_the_span_of_its_request() {
    if subprocess::case().is_none() {
        assert_eq!(subprocess::run(test_name!(), "").reports(), ["7"]);
        return;
    }
    let records = Records::install("app=info,cordial=error".parse().unwrap());
    testing::run(async {
        let entered = tracing::info_span!(target: "app", "request", id = 7).entered();
        let task: Task<()> = Task::spawn(async { panic!("no luck") });
        drop(entered);
        task.await.unwrap_err();
    });
    let [crash] = &records.of("crash")[..] else { panic!("expected one crash event") };
    assert_eq!((crash.target, crash.level, crash.spans.len()), ("cordial::process", Level::ERROR, 1));
    subprocess::report(&crash.spans[0].1["id"]);
}

/// With and without a subscriber that takes the event, the panic hook prints. A simulation prints only if it fails.
#[test]
fn a_crash_is_emitted_once_and_printed_once() {
    // The filter of the subscriber, and the number of crash events.
    let cases = [("none", 0), ("trace", 1), ("cordial=error", 1), ("app=trace", 0), ("cordial=off", 0)];
    let Some(case) = subprocess::case() else {
        for (filter, n_emitted) in cases {
            for how in ["body", "destructor", "simulated", "tokio task"] {
                let ran = subprocess::run(test_name!(), &format!("{filter}/{how}"));
                // A panic in a tokio task is not a crash of a process.
                let n_emitted = if how.starts_with("tokio") { 0 } else { n_emitted };
                let n_printed = ran.stderr.matches("no luck").count();
                assert_eq!(n_printed, usize::from(how != "simulated"), "{filter}, {how}: {}", ran.stderr);
                assert_eq!(ran.stderr.matches("panicked at").count(), n_printed, "{filter}, {how}: {}", ran.stderr);
                assert_eq!(ran.reports(), [format!("{n_emitted} crashes")], "{filter}, {how}");
            }
        }
        return;
    };
    struct Crashes;
    impl Drop for Crashes {
        fn drop(&mut self) {
            panic!("no luck");
        }
    }
    let (filter, how) = case.split_once('/').unwrap();
    let records = if filter == "none" { Records::default() } else { Records::install(filter.parse().unwrap()) };
    let body = async { panic!("no luck") };
    let crash = match how {
        "body" => Task::<()>::spawn(body).wait().unwrap_err(),
        "destructor" => Task::spawn(async { Crashes }).wait().map_or_else(
            |exit| exit,
            |crashes| {
                // The value belongs to the user. Another process drops it here.
                Task::spawn(async move { drop(crashes) }).wait().unwrap_err()
            },
        ),
        "simulated" => testing::run(async { Task::<()>::spawn(body).await.unwrap_err() }),
        _ => {
            assert!(Task::spawn(async { on_tokio(body).await }).wait().unwrap());
            Exit::Normal
        }
    };
    assert!(matches!(crash, Exit::Panic(_)) != how.starts_with("tokio"), "{crash}");
    subprocess::report(format_args!("{} crashes", records.of("crash").len()));
}

#[expect(clippy::disallowed_methods, reason = "a tokio task is not a process")]
async fn on_tokio(future: impl Future<Output = ()> + Send + 'static) -> bool {
    tokio::spawn(future).await.unwrap_err().is_panic()
}

/// The hook of the program is called outside of processes and inside, whether or not a subscriber takes the crash event.
#[test]
fn the_panic_hook_forwards_to_the_previous_hook() {
    let Some(case) = subprocess::case() else {
        let outside = "user hook: outside, on a plain thread";
        let inside = "user hook: inside a process";
        for case in ["without a subscriber", "with a subscriber"] {
            assert_eq!(subprocess::run(test_name!(), case).reports(), [outside, inside], "{case}");
        }
        return;
    };
    std::panic::set_hook(Box::new(|info| {
        subprocess::report(format_args!("user hook: {}", info.payload_as_str().unwrap()));
    }));
    if case == "with a subscriber" {
        Records::install("error".parse().unwrap());
    }
    Task::spawn(async {}).wait().unwrap();
    #[expect(clippy::disallowed_methods, reason = "a panic outside of processes is tested")]
    std::thread::spawn(|| panic!("outside, on a plain thread")).join().unwrap_err();
    Task::<()>::spawn(async { panic!("inside a process") }).wait().unwrap_err();
    // A checkpoint unwinds without calling the hook.
    Task::spawn(async {
        process::exit(process::current().unwrap(), Exit::Killed);
        cordial::checkpoint();
        unreachable!("the process was killed")
    })
    .wait()
    .map(|never: ()| never)
    .unwrap_err();
}

/// Regression: a panic without a hook call was reported with the location of a panic that another process had caught itself.
#[test]
#[expect(clippy::disallowed_methods, reason = "users catch panics too")]
fn a_panic_without_a_hook_call_has_no_location_of_another_panic() {
    testing::run(async {
        Task::spawn(async { std::panic::catch_unwind(|| panic!("caught")).unwrap_err() }).await.unwrap();
        let passed_on: Task<()> = Task::spawn(async { std::panic::resume_unwind(Box::new("passed on")) });
        let Err(Exit::Panic(report)) = passed_on.await else { panic!("expected a panic") };
        assert_eq!((report.message(), report.location().to_string().as_str()), ("passed on", "an unknown location"));
    });
}

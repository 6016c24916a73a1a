//! What a `tracing` subscriber and the panic hook see of processes: spans follow tasks, and a crash is told once.
//!
//! The subscriber and the hook belong to a whole program, so each case runs in one of its own.

use cordial::{Exit, Runtime, Shutdown, Task, process, testing};
use tracing::Level;

use crate::program;
use crate::records::Records;

/// Spawns in every way inside the span of a request, and tells from inside.
async fn serve_a_request() {
    async fn work(name: &'static str) {
        tracing::info!(target: "app", event = "app", name, "before the await");
        tokio::task::yield_now().await;
        tracing::info!(target: "app", event = "app", name, "after the await");
    }
    struct TellsItsDrop;
    impl Drop for TellsItsDrop {
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
    let (ended, end) = tokio::sync::oneshot::channel::<()>();
    Task::start(async {
        work("started").await;
        drop(ended);
    });
    let (is_ready, ready) = tokio::sync::oneshot::channel();
    let dropped = Task::spawn(async {
        let _tells = TellsItsDrop;
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

/// Whatever else is let through, every event of a request carries its fields.
#[test]
fn the_span_of_a_request_follows_its_tasks() {
    const NAME: &str = "spans::the_span_of_a_request_follows_its_tasks";
    let filters =
        ["app=info", "app=info,cordial=error", "app=info,cordial::process=trace", "app=info,cordial=trace", "trace"];
    let Some(part) = program::part() else {
        for filter in filters {
            for runtime in ["real", "simulated"] {
                assert_eq!(
                    program::run(NAME, &format!("{runtime} {filter}")).told(),
                    ["11 events"],
                    "{runtime}, {filter}"
                );
            }
        }
        return;
    };
    let (runtime, filter) = part.split_once(' ').unwrap();
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
    program::tell(format_args!("{n_inside} events"));
}

/// The events of the library itself stand in the span of whom they are about.
#[test]
fn the_crash_of_a_task_is_told_in_the_span_of_its_request() {
    const NAME: &str = "spans::the_crash_of_a_task_is_told_in_the_span_of_its_request";
    if program::part().is_none() {
        assert_eq!(program::run(NAME, "").told(), ["7"]);
        return;
    }
    let records = Records::install("app=info,cordial=error".parse().unwrap());
    testing::run(async {
        let entered = tracing::info_span!(target: "app", "request", id = 7).entered();
        let task: Task<()> = Task::spawn(async { panic!("no luck") });
        drop(entered);
        task.await.unwrap_err();
    });
    let [crash] = &records.of("crash")[..] else { panic!("one crash is told once") };
    assert_eq!((crash.target, crash.level, crash.spans.len()), ("cordial::process", Level::ERROR, 1));
    program::tell(&crash.spans[0].1["id"]);
}

/// A subscriber that takes the event, and what standard error says then.
#[test]
fn a_crash_is_told_once_by_the_subscriber_or_by_the_hook() {
    const NAME: &str = "spans::a_crash_is_told_once_by_the_subscriber_or_by_the_hook";
    // The filter of the subscriber, how often it is told, and whether it is printed.
    let cases = [
        ("none", 0, true),
        ("trace", 1, false),
        ("cordial=error", 1, false),
        ("app=trace", 0, true),
        ("cordial=off", 0, true),
    ];
    let Some(part) = program::part() else {
        for (filter, n_told, is_printed) in cases {
            for how in ["body", "destructor", "simulated", "tokio beside it"] {
                let ran = program::run(NAME, &format!("{filter}/{how}"));
                // A panic in a task of tokio's is none of ours: it is printed, and no crash.
                let (n_told, is_printed) = if how.starts_with("tokio") { (0, true) } else { (n_told, is_printed) };
                let n_printed = ran.stderr.matches("no luck").count();
                assert_eq!(n_printed, usize::from(is_printed), "{filter}, {how}: {}", ran.stderr);
                assert_eq!(ran.stderr.matches("panicked at").count(), n_printed, "{filter}, {how}: {}", ran.stderr);
                assert_eq!(ran.told(), [format!("{n_told} crashes")], "{filter}, {how}");
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
    let (filter, how) = part.split_once('/').unwrap();
    let records = if filter == "none" { Records::default() } else { Records::install(filter.parse().unwrap()) };
    let body = async { panic!("no luck") };
    let crash = match how {
        "body" => Task::<()>::spawn(body).wait().unwrap_err(),
        "destructor" => Task::spawn(async { Crashes }).wait().map_or_else(
            |exit| exit,
            |crashes| {
                // A value is the user's: it is dropped here by a process.
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
    program::tell(format_args!("{} crashes", records.of("crash").len()));
}

#[expect(clippy::disallowed_methods, reason = "a task of tokio's is no process, which is what this needs")]
async fn on_tokio(future: impl Future<Output = ()> + Send + 'static) -> bool {
    tokio::spawn(future).await.unwrap_err().is_panic()
}

/// The hook of the program is called as before: always outside of processes, and inside when nobody else tells.
#[test]
fn the_hook_forwards_to_the_one_that_it_replaced() {
    const NAME: &str = "spans::the_hook_forwards_to_the_one_that_it_replaced";
    let Some(part) = program::part() else {
        let outside = "the own hook: outside, on a plain thread";
        let inside = "the own hook: inside a process";
        assert_eq!(program::run(NAME, "without a subscriber").told(), [outside, inside]);
        assert_eq!(program::run(NAME, "with a subscriber").told(), [outside]);
        return;
    };
    std::panic::set_hook(Box::new(|info| {
        program::tell(format_args!("the own hook: {}", info.payload_as_str().unwrap()));
    }));
    if part == "with a subscriber" {
        Records::install("error".parse().unwrap());
    }
    Task::spawn(async {}).wait().unwrap();
    #[expect(clippy::disallowed_methods, reason = "what happens outside of processes is what is tested")]
    std::thread::spawn(|| panic!("outside, on a plain thread")).join().unwrap_err();
    Task::<()>::spawn(async { panic!("inside a process") }).wait().unwrap_err();
    // Not a panic: it unwinds without the hook.
    Task::spawn(async {
        process::exit(process::current().unwrap(), Exit::Killed);
        cordial::checkpoint();
        unreachable!("it was killed")
    })
    .wait()
    .map(|never: ()| never)
    .unwrap_err();
}

/// Regression: a panic that comes without the hook was told with the place of one that another process had caught itself.
#[test]
#[expect(clippy::disallowed_methods, reason = "users catch panics too")]
fn a_panic_that_a_process_catches_lends_its_place_to_no_other() {
    testing::run(async {
        Task::spawn(async { std::panic::catch_unwind(|| panic!("caught")).unwrap_err() }).await.unwrap();
        let passed_on: Task<()> = Task::spawn(async { std::panic::resume_unwind(Box::new("passed on")) });
        let Err(Exit::Panic(report)) = passed_on.await else { panic!("it has to crash") };
        assert_eq!((report.message(), report.location().to_string().as_str()), ("passed on", "an unknown place"));
    });
}

//! A label and a span that are set before the start: the first event has the label, and a crash in the first poll has both.

use cordial::{Exit, Task, TaskSupervisor, process, testing};
use futures::StreamExt;

use crate::harness::events;
use crate::harness::records::Records;
use crate::harness::subprocess;

#[test]
fn the_label_of_a_builder_is_there_from_the_start() {
    testing::run(async {
        let crash = async { panic!("no luck") };
        let Err(Exit::Panic(report)) = Task::builder().label("import").spawn(crash).await.map(|never: ()| never) else {
            panic!("expected a panic")
        };
        assert_eq!((report.label(), report.spawned_at().file()), (Some("import"), file!()));
        for pid in [
            Task::builder().label("import").start(std::future::pending::<()>()),
            Task::builder().label("import").start_link(std::future::pending::<()>()),
        ] {
            assert_eq!(process::info(pid).unwrap().label.as_deref(), Some("import"), "before its first poll");
        }
        let linked = Task::builder().label("import").spawn_link(async { 7 });
        assert_eq!(process::info(linked.pid()).unwrap().links, [process::current().unwrap()]);
        assert_eq!(linked.await, Ok(7));
        assert_eq!(Task::builder().spawn(async { process::info(process::current()?)?.label }).await, Ok(None));
    });
}

#[test]
fn a_crash_is_in_the_span_of_the_builder_and_the_start_has_its_label() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    let records = Records::install("cordial::process=trace,diagnostics=info".parse().unwrap());
    testing::run(async {
        let of_spawner = tracing::info_span!("spawner").entered();
        let span = tracing::info_span!("import", file = "a.csv");
        let pid = Task::builder().label("import").span(span).start(async { Err::<(), _>("no such file") });
        drop(of_spawner);
        assert!(process::monitor(pid).await.is_abnormal());
    });
    let crash = &records.of("crash")[0];
    assert_eq!((crash.field("label"), crash.spans[0].0), (Some("import"), "import"));
    let starts = records.of("start");
    assert_eq!(starts.iter().filter(|start| start.field("label") == Some("import")).count(), 1);
}

#[test]
fn items_that_time_out_or_are_retried_leave_events_with_their_index() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    let emitted = events::capture(|| {
        testing::run(async {
            let work = |n: u32| async move {
                match n {
                    0 => Ok(()),
                    1 => Err("busy"),
                    _ => std::future::pending().await,
                }
            };
            let retry = cordial::Retry::times(1);
            Task::async_stream(0..3, work).or_exit().retry(retry).collect().await
        });
    });
    let shown = |name: &str, fields: &[&str]| -> Vec<String> {
        let of = |event: &&events::Emitted| fields.iter().map(|field| event.field(field)).collect::<Vec<_>>().join(" ");
        events::named(&emitted, name).iter().map(of).collect()
    };
    assert_eq!(shown("item_timeout", &["index", "attempt", "limit_ms"]), ["2 1 5000", "2 2 5000"]);
    let failed = shown("item_failed", &["index", "attempt"]);
    assert_eq!(failed, ["1 2", "2 2"]);
    let retries = shown("item_retry", &["index", "attempt", "after_ms", "exit"]);
    assert_eq!(retries.len(), 2, "{retries:?}");
    assert_eq!(retries[0], "1 1 0 busy");
    assert!(retries[1].starts_with("2 1 0 took longer than its limit of 5s"), "{retries:?}");
}

#[test]
fn the_label_of_an_item_is_in_its_events_and_its_exit() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    let emitted = events::capture(|| {
        testing::run(async {
            let tasks = TaskSupervisor::start();
            let work = |page: &'static str| async move {
                let own = process::info(process::current().unwrap()).unwrap();
                assert_eq!(own.label.unwrap().strip_prefix("fetch "), Some(page));
                assert_ne!(page, "b", "no luck");
            };
            let label = |page: &&str| format!("fetch {page}");
            let pages = || futures::stream::iter(["a", "b"]);
            let of_all = [
                Task::async_stream(["a", "b"], work)
                    .label(label)
                    .map(|result| result.map_err(|failure| failure.to_string()))
                    .collect::<Vec<_>>()
                    .await,
                Task::async_stream_from(pages(), work)
                    .label(label)
                    .zip_input_on_exit()
                    .map(|result| result.map_err(|failure| failure.to_string()))
                    .collect::<Vec<_>>()
                    .await,
                tasks
                    .async_stream(["a", "b"], work)
                    .label(label)
                    .map(|result| result.map_err(|failure| failure.to_string()))
                    .collect::<Vec<_>>()
                    .await,
                tasks
                    .async_stream_nolink(["a", "b"], work)
                    .label(label)
                    .map(|result| result.map_err(|failure| failure.to_string()))
                    .collect::<Vec<_>>()
                    .await,
            ];
            for results in of_all {
                let (Ok(()), Err(failure)) = (&results[0], &results[1]) else { panic!("{results:?}") };
                assert!(failure.contains(" \"fetch b\", spawned at "), "{failure}");
            }
            let rows = futures::stream::iter([Ok("a"), Err(std::io::Error::other("no disk"))]);
            let label = |page: &Option<&str>| page.unwrap_or_default().to_owned();
            let own_label = |_| async { process::info(process::current()?)?.label };
            let rows = Task::try_async_stream_from(rows, own_label).label(label).collect().await;
            assert_eq!(rows[0], Ok(Some("a".into())));
        });
    });
    let crashes = events::named(&emitted, "crash");
    assert_eq!(crashes.len(), 4);
    assert!(crashes.iter().all(|crash| crash.field("label") == "fetch b"), "{crashes:?}");
    let failed = events::named(&emitted, "item_failed");
    let crashed: Vec<_> = crashes.iter().map(|crash| (crash.field("pid"), "1")).collect();
    assert_eq!(failed.iter().map(|event| (event.field("pid"), event.field("index"))).collect::<Vec<_>>(), crashed);
}

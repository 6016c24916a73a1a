//! Which events are emitted when a task exits, and how often.
//!
//! Restates "logging" of Elixir's `task_test.exs`. In Elixir a killed task logs nothing itself (T-207), since it runs no code. Here
//! the runtime emits a `crash` event of level WARN for it.

use std::future::pending;

use cordial::{Exit, Task, process, testing};
use tracing::Level;

use crate::harness::events::{self, Emitted};
use crate::harness::exit_kind::{ExitKind, error};
use crate::harness::seeds::SECOND;
use crate::harness::subprocess;

/// The events whose `label` field is `label`.
fn of<'a>(events: &'a [Emitted], label: &str) -> Vec<&'a Emitted> {
    events.iter().filter(|event| event.field("label") == label).collect()
}

// T-202, T-205
#[test]
fn a_crash_is_emitted_once_with_pid_label_spawn_location_exit_and_callers() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    let (tx, rx) = std::sync::mpsc::channel();
    let emitted = events::capture(|| {
        testing::run(async move {
            let root = process::current().unwrap();
            let middle = Task::spawn(async move {
                let own = process::current().unwrap();
                let spawned_at = line!() + 1;
                let task: Task<()> = Task::spawn(async {
                    process::set_label("importer");
                    panic!("no luck")
                });
                let pid = task.pid();
                let Err(Exit::Panic(report)) = task.await else { panic!("expected a panic") };
                assert_eq!(report.callers(), [own, root]);
                assert_eq!((report.pid(), report.label()), (pid, Some("importer")));
                assert_eq!(report.spawned_at().line(), spawned_at);
                let _ = tx.send((pid, own, root, report));
            });
            assert_eq!(middle.await, Ok(()));
        });
    });
    let (pid, own, root, report) = rx.recv().unwrap();
    let [crash] = of(&emitted, "importer")[..] else { panic!("exactly one: {emitted:?}") };
    assert_eq!((crash.name, crash.level, crash.field("event")), ("crash", Level::ERROR, "crash"));
    assert_eq!(crash.field("pid"), pid.to_string());
    assert_eq!(crash.field("spawned_at"), report.spawned_at().to_string());
    assert_eq!(crash.field("exit"), Exit::Panic(report).to_string());
    assert_eq!(crash.field("callers"), format!("{:?}", [own, root]));
    assert_eq!(events::named(&emitted, "crash").len(), 1, "all other processes exit normally: {emitted:?}");
}

fn check(kind: ExitKind, spawn: fn(ExitKind), expected: (&str, Level)) {
    let how = kind.clone();
    let emitted = events::capture(|| {
        testing::run(async move {
            // The linked exit must not end this process.
            let _exits = process::trap_exits();
            spawn(how);
            tokio::time::sleep(SECOND).await;
        });
    });
    let [event] = of(&emitted, "the task")[..] else { panic!("exactly one of {kind:?}: {emitted:?}") };
    assert_eq!((event.name, event.level), expected, "{kind:?}");
    let exit = match kind {
        ExitKind::Panics => "no luck".to_owned(),
        ExitKind::Returns => Exit::Normal.to_string(),
        ExitKind::Exits(exit) => exit.to_string(),
        ExitKind::Killed => Exit::Killed.to_string(),
        ExitKind::ShutdownRequest => Exit::Shutdown(None).to_string(),
    };
    assert!(event.field("exit").contains(&exit), "{event:?}");
    assert_eq!(event.field("callers").is_empty(), event.name == "stop");
}

/// Ways to spawn the task. Whether its result is read makes no difference for the events.
const WAYS: [fn(ExitKind); 4] = [
    |kind| {
        Task::start(labeled(kind));
    },
    |kind| {
        Task::start_link(labeled(kind));
    },
    |kind| {
        let task = Task::spawn(labeled(kind));
        Task::start(async { drop(task.await) });
    },
    |kind| {
        let mut task = Task::spawn(labeled(kind));
        Task::start(async move { drop(Task::yield_many(std::slice::from_mut(&mut task)).await) });
    },
];

async fn labeled(kind: ExitKind) {
    process::set_label("the task");
    kind.perform().await;
}

// T-202, T-207
#[test]
fn only_abnormal_exits_are_emitted_as_crashes_and_kills_have_the_level_warn() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    for (kind, spawn) in ExitKind::all().into_iter().flat_map(|kind| WAYS.map(|spawn| (kind.clone(), spawn))) {
        let expected = match &kind {
            ExitKind::Panics => ("crash", Level::ERROR),
            ExitKind::Killed => ("crash", Level::WARN),
            ExitKind::Exits(exit) if exit.is_abnormal() => ("crash", Level::ERROR),
            ExitKind::Returns | ExitKind::Exits(_) | ExitKind::ShutdownRequest => ("stop", Level::DEBUG),
        };
        check(kind, spawn, expected);
    }
}

#[test]
fn an_err_is_a_crash_of_a_started_task_and_a_value_of_a_task_with_a_handle() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    let emitted = events::capture(|| {
        testing::run(async {
            Task::start(async {
                process::set_label("started");
                Err::<(), _>("no disk")
            });
            let task = Task::spawn(async {
                process::set_label("with a handle");
                Err::<(), _>("no disk")
            });
            assert!(task.or_exit().await.is_err());
            tokio::time::sleep(SECOND).await;
        });
    });
    let [started] = of(&emitted, "started")[..] else { panic!("exactly one: {emitted:?}") };
    assert_eq!((started.name, started.field("exit")), ("crash", "no disk"));
    let [with_a_handle] = of(&emitted, "with a handle")[..] else { panic!("exactly one: {emitted:?}") };
    assert_eq!((with_a_handle.name, with_a_handle.field("exit")), ("stop", "ended normally"));
}

#[test]
fn the_event_of_a_crash_and_a_snapshot_show_the_texts_of_all_sources() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    #[derive(Debug)]
    struct NoConfig(std::io::Error);
    impl std::fmt::Display for NoConfig {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("no configuration")
        }
    }
    impl std::error::Error for NoConfig {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let emitted = events::capture(|| {
        testing::run(async {
            let exit = process::monitor(Task::start(async {
                process::set_label("reader");
                Err::<(), _>(NoConfig(std::io::Error::other("no disk")))
            }))
            .await;
            assert_eq!(exit.to_string(), "no configuration");
            let snapshot = process::snapshot();
            let kept = &snapshot.crashes[0].exit;
            assert_eq!((kept.to_string(), format!("{kept:#}")), (exit.to_string(), format!("{exit:#}")));
            assert!(kept.downcast_ref::<NoConfig>().is_none(), "no user value is kept");
            assert!(snapshot.to_string().ends_with(": no configuration: no disk"), "{snapshot}");
        });
    });
    let [crash] = of(&emitted, "reader")[..] else { panic!("exactly one: {emitted:?}") };
    assert_eq!((crash.name, crash.field("exit")), ("crash", "no configuration: no disk"));
}

// T-141
#[test]
fn an_owner_that_shuts_down_ends_its_tasks_and_no_crash_is_emitted() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    let emitted = events::capture(|| {
        testing::run(async {
            for exit in [Exit::Shutdown(None), Exit::Shutdown(Some("enough".into())), Exit::Normal] {
                let owner: Task<()> = Task::spawn(async {
                    let _linked = Task::spawn_link(pending::<()>());
                    let _owned = Task::spawn(pending::<()>());
                    Task::start_link(pending::<()>());
                    tokio::time::sleep(SECOND).await;
                    cordial::exit(exit).await
                });
                assert!(!owner.await.unwrap_err().is_abnormal());
            }
        });
    });
    assert!(events::named(&emitted, "crash").is_empty(), "{emitted:?}");
    assert_eq!(events::named(&emitted, "stop").len(), 1 + 3 * 4);
}

#[test]
fn a_crash_that_a_link_passes_on_is_emitted_once_per_process() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    let emitted = events::capture(|| {
        testing::run(async {
            let owner: Task<()> = Task::spawn(async {
                process::set_label("owner");
                let task = Task::spawn_link(async {
                    process::set_label("task");
                    cordial::exit(error("no disk")).await
                });
                let () = task.await.unwrap_or(());
                pending().await
            });
            assert_eq!(owner.await, Err(error("no disk")));
        });
    });
    for label in ["owner", "task"] {
        let [crash] = of(&emitted, label)[..] else { panic!("exactly one of the {label}: {emitted:?}") };
        assert_eq!((crash.name, crash.field("exit")), ("crash", "no disk"));
    }
    assert_eq!(events::named(&emitted, "crash").len(), 2);
}

// T-206
#[test]
fn an_event_has_the_latest_label() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    let emitted = events::capture(|| {
        testing::run(async {
            let task: Task<()> = Task::spawn(async {
                process::set_label("first");
                process::set_label("latest");
                panic!("no luck")
            });
            let exit = task.await.unwrap_err();
            assert!(exit.to_string().contains("\"latest\""), "{exit}");
        });
    });
    assert_eq!(of(&emitted, "latest").len(), 1);
}

#[test]
fn a_panic_outside_any_process_is_passed_to_the_previous_hook() {
    if subprocess::case().is_none() {
        let ran = subprocess::run(test_name!(), "");
        assert!(ran.status.success() && ran.stderr.matches("no luck").count() == 1, "{}", ran.stderr);
        return;
    }
    events::capture(|| {
        testing::run(async {});
        let outside = std::thread::scope(|scope| scope.spawn(|| panic!("no luck")).join());
        assert!(outside.is_err());
    });
}

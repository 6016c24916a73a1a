//! What is told of the end of a task, and how often.
//!
//! Restates "logging" of Elixir's `task_test.exs`. There a task that was killed tells nothing itself (T-207), since it runs no
//! code; neither does it here, and the runtime tells of it: a `crash` of level WARN. T-206 is about registered names, which do
//! not exist; the label is what stands in a record.

use std::future::pending;

use cordial::{Exit, Task, process, testing};
use tracing::Level;

use crate::ends::{End, error};
use crate::events::{self, Told};
use crate::orders::SECOND;
use crate::program;

/// What was told of the process that has this label.
fn of<'a>(told: &'a [Told], label: &str) -> Vec<&'a Told> {
    told.iter().filter(|told| told.field("label") == label).collect()
}

// T-202, T-205
#[test]
fn a_crash_is_told_once_with_pid_label_spawn_place_exit_and_callers() {
    if !events::is_alone(a_crash_is_told_once_with_pid_label_spawn_place_exit_and_callers) {
        return;
    }
    let (tx, rx) = std::sync::mpsc::channel();
    let told = events::during(|| {
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
    let [crash] = of(&told, "importer")[..] else { panic!("exactly one: {told:?}") };
    assert_eq!((crash.name, crash.level, crash.field("event")), ("crash", Level::ERROR, "crash"));
    assert_eq!(crash.field("pid"), pid.to_string());
    assert_eq!(crash.field("spawned_at"), report.spawned_at().to_string());
    assert_eq!(crash.field("exit"), Exit::Panic(report).to_string());
    assert_eq!(crash.field("callers"), format!("{:?}", [own, root]));
    assert_eq!(events::named(&told, "crash").len(), 1, "the others ended normally: {told:?}");
}

fn check(end: End, spawn: fn(End), expected: (&str, Level)) {
    let how = end.clone();
    let told = events::during(|| {
        testing::run(async move {
            // A link is told, and does not end this process.
            let _exits = process::trap_exits();
            spawn(how);
            tokio::time::sleep(SECOND).await;
        });
    });
    let [event] = of(&told, "the task")[..] else { panic!("exactly one of {end:?}: {told:?}") };
    assert_eq!((event.name, event.level), expected, "{end:?}");
    let exit = match end {
        End::Panics => "no luck".to_owned(),
        End::Returns => Exit::Normal.to_string(),
        End::Exits(exit) => exit.to_string(),
        End::Killed => Exit::Killed.to_string(),
        End::Asked => Exit::Shutdown(None).to_string(),
    };
    assert!(event.field("exit").contains(&exit), "{event:?}");
    assert_eq!(event.field("callers").is_empty(), event.name == "stop");
}

/// Whether anybody looks at the result makes no difference.
const WAYS: [fn(End); 4] = [
    |end| {
        Task::start(labeled(end));
    },
    |end| {
        Task::start_link(labeled(end));
    },
    |end| {
        let task = Task::spawn(labeled(end));
        Task::start(async { drop(task.await) });
    },
    |end| {
        let mut task = Task::spawn(labeled(end));
        Task::start(async move { drop(Task::yield_many(std::slice::from_mut(&mut task)).await) });
    },
];

async fn labeled(end: End) {
    process::set_label("the task");
    end.meet().await;
}

// T-202, T-207
#[test]
fn only_an_abnormal_end_is_told_as_a_crash_and_a_kill_as_a_warning() {
    if !events::is_alone(only_an_abnormal_end_is_told_as_a_crash_and_a_kill_as_a_warning) {
        return;
    }
    for (end, spawn) in End::each().into_iter().flat_map(|end| WAYS.map(|spawn| (end.clone(), spawn))) {
        let expected = match &end {
            End::Panics => ("crash", Level::ERROR),
            End::Killed => ("crash", Level::WARN),
            End::Exits(exit) if exit.is_abnormal() => ("crash", Level::ERROR),
            End::Returns | End::Exits(_) | End::Asked => ("stop", Level::DEBUG),
        };
        check(end, spawn, expected);
    }
}

#[test]
fn an_err_is_a_crash_of_a_started_task_and_a_value_of_one_with_a_handle() {
    if !events::is_alone(an_err_is_a_crash_of_a_started_task_and_a_value_of_one_with_a_handle) {
        return;
    }
    let told = events::during(|| {
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
    let [started] = of(&told, "started")[..] else { panic!("exactly one: {told:?}") };
    assert_eq!((started.name, started.field("exit")), ("crash", "no disk"));
    let [with_a_handle] = of(&told, "with a handle")[..] else { panic!("exactly one: {told:?}") };
    assert_eq!((with_a_handle.name, with_a_handle.field("exit")), ("stop", "ended normally"));
}

// T-141
#[test]
fn an_owner_that_shuts_down_takes_its_tasks_with_it_and_nothing_is_told_as_a_crash() {
    if !events::is_alone(an_owner_that_shuts_down_takes_its_tasks_with_it_and_nothing_is_told_as_a_crash) {
        return;
    }
    let told = events::during(|| {
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
    assert!(events::named(&told, "crash").is_empty(), "{told:?}");
    assert_eq!(events::named(&told, "stop").len(), 1 + 3 * 4);
}

#[test]
fn a_link_that_passes_a_crash_on_makes_one_crash_of_each_process() {
    if !events::is_alone(a_link_that_passes_a_crash_on_makes_one_crash_of_each_process) {
        return;
    }
    let told = events::during(|| {
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
        let [crash] = of(&told, label)[..] else { panic!("exactly one of the {label}: {told:?}") };
        assert_eq!((crash.name, crash.field("exit")), ("crash", "no disk"));
    }
    assert_eq!(events::named(&told, "crash").len(), 2);
}

#[test]
fn a_label_is_the_latest_one() {
    if !events::is_alone(a_label_is_the_latest_one) {
        return;
    }
    let told = events::during(|| {
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
    assert_eq!(of(&told, "latest").len(), 1);
}

/// Runs the test again in a program of its own, which has to succeed and to write "no luck" to standard error so often.
fn assert_printed(test: &str, times: usize) {
    let ran = program::run(&format!("crash_records::{test}"), "");
    assert!(ran.status.success() && ran.stderr.matches("no luck").count() == times, "{}", ran.stderr);
}

#[test]
fn without_a_subscriber_a_crash_is_printed_once() {
    if program::part().is_none() {
        return assert_printed("without_a_subscriber_a_crash_is_printed_once", 1);
    }
    let task: Task<()> = Task::spawn(async { panic!("no luck") });
    assert!(task.wait().is_err());
}

#[test]
fn with_a_subscriber_a_crash_is_told_to_it_alone() {
    if program::part().is_none() {
        return assert_printed("with_a_subscriber_a_crash_is_told_to_it_alone", 0);
    }
    let told = events::during(|| {
        testing::run(async {
            let task: Task<()> = Task::spawn(async { panic!("no luck") });
            assert!(task.await.is_err());
        });
    });
    assert_eq!(events::named(&told, "crash").len(), 1);
}

#[test]
fn a_panic_outside_any_process_is_left_to_the_hook_that_was_there() {
    if program::part().is_none() {
        return assert_printed("a_panic_outside_any_process_is_left_to_the_hook_that_was_there", 1);
    }
    events::during(|| {
        testing::run(async {});
        let outside = std::thread::scope(|scope| scope.spawn(|| panic!("no luck")).join());
        assert!(outside.is_err());
    });
}

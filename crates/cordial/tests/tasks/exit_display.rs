//! The text of an exit: what happened, where, which timeout, and what to do about it.

use std::error::Error;
use std::fmt;
use std::future::pending;
use std::time::Duration;

use cordial::{Exit, Refusal, Task, process};

use crate::harness::exit_kind::error;
use crate::harness::seeds::{SECOND, for_each_seed};

#[test]
fn a_panic_names_message_location_task_and_spawn_location() {
    for_each_seed(|| async {
        let task_line = line!() + 1;
        let task: Task<()> = Task::spawn(async {
            process::set_label("importer");
            let place = Box::pin(async { panic!("no luck: {}", 7) });
            place.await
        });
        let pid = task.pid();
        let exit = task.await.unwrap_err();
        let file = file!();
        let panic_line = task_line + 2;
        let text = exit.to_string();
        assert!(text.starts_with(&format!("panicked at {file}:{panic_line}:")), "{text}");
        assert!(text.contains(": no luck: 7 ("), "{text}");
        assert!(text.contains(&format!("(process {pid} \"importer\", spawned at {file}:{task_line}:")), "{text}");
        assert_eq!(format!("{exit:?}"), text);
    });
}

#[test]
fn a_timeout_names_the_duration_the_task_its_spawn_location_and_how_to_change_it() {
    for_each_seed(|| async {
        let line = line!() + 1;
        let task: Task<()> = Task::spawn(async {
            process::set_label("importer");
            pending().await
        });
        let pid = task.pid();
        let exit = task.timeout(Duration::from_millis(1500)).await.unwrap_err();
        let text = exit.to_string();
        assert!(text.starts_with("took longer than its limit of 1.5s "), "{text}");
        assert!(text.contains(&format!("(process {pid} \"importer\", spawned at {}:{line}:", file!())), "{text}");
        assert!(text.ends_with("give it another limit with `.timeout(..)`, or `Timeout::Infinity` for none"), "{text}");
    });
}

#[test]
fn timeouts_and_panics_are_recognized_and_nothing_else_is() {
    for_each_seed(|| async {
        let panicked = Task::spawn(async { panic!("no luck") }).await.map(|never: ()| never);
        let timed_out = Task::spawn(pending::<()>()).timeout(SECOND).await;
        let own_timeout = tokio::time::timeout(SECOND, pending::<()>()).await.unwrap_err();
        let own_timeout = Task::spawn(async { Err::<(), _>(own_timeout) }).or_exit().await;
        let killed = Task::spawn(async { cordial::exit(Exit::Killed).await }).await.map(|never: ()| never);
        let expected = [
            (panicked, (false, true)),
            (timed_out, (true, false)),
            (own_timeout, (false, false)),
            (killed, (false, false)),
        ];
        for (result, expected) in expected {
            let exit = result.unwrap_err();
            assert_eq!((exit.is_timeout(), exit.is_panic()), expected, "{exit}");
        }
    });
}

#[test]
fn a_timeout_of_await_many_says_how_many_tasks_were_pending() {
    for_each_seed(|| async {
        for (n, expected) in [(1, None), (2, Some(", and 1 more);")), (10, Some(", and 9 more);"))] {
            let tasks = (0..n).map(|_| Task::spawn(pending::<()>()));
            let text = Task::await_many(tasks).timeout(SECOND).await.unwrap_err().to_string();
            assert_eq!(text.contains(" more"), expected.is_some(), "{text}");
            assert!(text.contains(expected.unwrap_or(");")), "{text}");
        }
    });
}

#[test]
fn each_exit_is_one_line_that_can_follow_the_name_of_its_task() {
    for (exit, text) in [
        (Exit::Normal, "ended normally"),
        (Exit::Shutdown(None), "was shut down"),
        (Exit::Shutdown(Some("enough".into())), "was shut down: enough"),
        (Exit::Killed, "was killed"),
        (error("no disk"), "no disk"),
        (Exit::NoProcess, "there is no such process any more, or its result was already taken"),
    ] {
        assert_eq!((exit.to_string(), format!("{exit:?}")), (text.to_owned(), text.to_owned()));
    }
    for refusal in [
        Refusal::RuntimeStopped,
        Refusal::Forked,
        Refusal::TooManyProcesses,
        Refusal::SupervisorFull,
        Refusal::SupervisorStopped,
        Refusal::SupervisorRestarting,
        Refusal::ServerStopped,
        Refusal::PausedClock,
        Refusal::ThreadEnding,
    ] {
        let text = Exit::Refused(refusal).to_string();
        let starts = ["not started: ", "not handled: ", "not in this process: "];
        assert!(starts.iter().any(|start| text.starts_with(start)), "{text}");
        assert!(text.contains("; ") && !text.contains('\n'), "{text}");
    }
}

#[test]
fn an_error_keeps_its_text_and_its_source() {
    #[derive(Debug)]
    struct Misread(std::num::ParseIntError);
    impl fmt::Display for Misread {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the input has no number")
        }
    }
    impl Error for Misread {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }
    let boxed: Box<dyn Error + Send + Sync> = Box::new(Misread("x".parse::<u8>().unwrap_err()));
    let exit = Exit::from(boxed);
    assert_eq!(exit.to_string(), "the input has no number");
    assert_eq!(exit.source().unwrap().to_string(), "invalid digit found in string");
}

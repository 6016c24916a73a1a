//! Snapshots: when a process crashed, and a snapshot for each SIGUSR1.

use std::time::Duration;

use cordial::{Exit, Task, process, testing};

#[test]
fn a_snapshot_says_how_long_ago_a_process_crashed() {
    testing::run(async {
        let crashed = Task::start(async {
            process::set_label("importer");
            tokio::time::sleep(Duration::from_secs(2)).await;
            Err::<(), _>("no disk")
        });
        process::monitor(crashed).await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        let snapshot = process::snapshot();
        let crash = &snapshot.crashes[0];
        assert_eq!((crash.age, crash.ago), (Duration::from_secs(2), Duration::from_secs(30)));
        let text = snapshot.to_string();
        assert!(text.ends_with(&format!("crashed 30.0s ago, 2.0s old: importer {crashed}: no disk")), "{text}");
    });
}

#[test]
fn texts_of_the_program_do_not_imitate_lines_of_a_snapshot() {
    testing::run(async {
        let forged = "\nforged <9.9.9>, 3.0s old\u{1b}[31m";
        process::set_label(format!("label{forged}"));
        process::set_details(move || vec![format!("detail{forged}")]);
        let crashed = Task::start(async move { Err::<(), _>(format!("message{forged}")) });
        process::monitor(crashed).await;
        let text = process::snapshot().to_string();
        for part in ["label\\nforged", "detail\\nforged", "message\n  | forged"] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(!text.contains("\nforged") && !text.contains('\u{1b}'), "{text}");
    });
}

#[test]
fn the_details_of_a_process_may_be_read_from_a_snapshot() {
    testing::run(async {
        let own = process::current().unwrap();
        process::set_details(move || {
            let n_processes = process::snapshot().processes.len();
            vec![format!("processes: {n_processes}, lines: {}", process::info(own).unwrap().details.len())]
        });
        for _ in 0..2 {
            assert_eq!(process::info(own).unwrap().details, ["processes: 1, lines: 0"]);
            assert_eq!(process::snapshot().processes[0].details, ["processes: 1, lines: 0"]);
        }
    });
}

#[test]
fn a_simulation_has_no_signals() {
    testing::run(async {
        #[cfg(unix)]
        assert!(process::snapshot_on_sigusr1().is_err());
    });
}

#[cfg(unix)]
#[test]
fn each_sigusr1_prints_a_snapshot_and_the_process_ends_with_the_program() {
    use crate::harness::subprocess;

    if subprocess::case().is_some() {
        let ended = cordial::run(async {
            process::set_label("root of the test");
            process::snapshot_on_sigusr1()?;
            // Created before the report: from here on, a request does not end this process.
            let requested = cordial::shutdown_requested();
            subprocess::report("ready");
            requested.await;
            Ok::<(), Exit>(())
        });
        return ended.unwrap().unwrap();
    }
    let mut program = subprocess::start(test_name!(), "");
    program.wait_for("ready");
    for _ in 0..2 {
        program.send(rustix::process::Signal::USR1);
        program.wait_for_stderr("root of the test <");
        program.wait_for_stderr("snapshot on SIGUSR1 <");
    }
    program.send(rustix::process::Signal::TERM);
    let ran = program.finish();
    assert!(ran.status.success(), "{}", ran.stderr);
    assert!(ran.stderr.starts_with("2 processes, "), "{}", ran.stderr);
}

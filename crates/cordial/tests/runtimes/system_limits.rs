//! No program hangs or aborts because the system refuses it threads or files.

use std::io::Write;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use cordial::process::ThreadLimit;
use cordial::{BuildError, Exit, Runtime, Task};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::time::Instant;

use crate::harness::records::Records;
use crate::harness::{attempts, other_user, subprocess};

/// Sets a limit of this program. It can be raised again.
fn set_limit(resource: Resource, limit: u64) {
    let maximum = getrlimit(resource).maximum;
    setrlimit(resource, Rlimit { current: Some(limit), maximum }).unwrap();
}

/// The threads of this program.
fn n_threads() -> u64 {
    std::fs::read_dir("/proc/self/task").unwrap().count() as u64
}

/// Waits until this program has no more than `n` threads.
fn until_threads(n: u64) {
    while n_threads() > n {
        std::thread::yield_now();
    }
}

/// The open files of this program.
fn n_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Uses a runtime that was built, and shuts it down.
fn use_up(runtime: &Runtime) {
    assert_eq!(runtime.block_on(async { Task::spawn(async { 6 * 7 }).await }), Ok(Ok(42)));
    assert!(runtime.shutdown(Duration::from_secs(60)).is_clean());
}

/// The number of threads that a runtime with this many workers needs.
const fn needed(workers: usize) -> usize {
    2 * workers + 2
}

#[test]
fn a_refused_thread_is_an_error_with_the_number_that_was_granted_and_the_limit() {
    if subprocess::case().is_none() {
        let test = test_name!();
        // The system may count a thread that has ended for longer than a start waits, if that thread gets no processor.
        return attempts::one_succeeds(|| {
            let Some(command) = other_user::command() else { return };
            let reports = subprocess::run_by(command, test, "").reports();
            assert_eq!(reports.last().map(String::as_str), Some("all numbers"));
        });
    }
    let existing = n_threads();
    let (mut n_refused, mut refusing) = (0, Duration::ZERO);
    for workers in [1, 2, 4] {
        for spare in 0..=needed(workers) + 3 {
            let max = existing + spare as u64;
            set_limit(Resource::Nproc, max);
            // The second attempt sees whether the first one has left anything.
            for _ in 0..2 {
                let began = Instant::now();
                let built = Runtime::builder().workers(workers).build();
                if built.is_err() {
                    n_refused += 1;
                    refusing += began.elapsed();
                }
                match built {
                    Ok(runtime) => {
                        assert!(spare >= needed(workers), "{workers} workers, {spare} threads: built");
                        use_up(&runtime);
                    }
                    Err(BuildError::ThreadsRefused { needed: all, granted, limit, .. }) => {
                        let expected = (needed(workers), spare, Some(ThreadLimit::User { max }));
                        assert_eq!((all, granted, limit), expected, "{workers} workers, {spare} threads");
                    }
                    Err(error) => panic!("{workers} workers, {spare} threads: {error}"),
                }
                until_threads(existing);
            }
        }
    }
    // A busy machine may delay single ones.
    assert!(refusing < n_refused * Duration::from_secs(1), "{n_refused} refusals took {refusing:?}");
    subprocess::report("all numbers");
}

#[test]
fn a_program_whose_default_runtime_gets_too_few_threads_says_so() {
    let Some(case) = subprocess::case() else {
        let workers = std::thread::available_parallelism().unwrap().get();
        for spare in [0, 1, 2, workers, workers + 1, workers + 2, workers + 3, needed(workers)] {
            for (entry, status) in [("main", 1), ("run", 2), ("spawn", 101)] {
                let test = test_name!();
                attempts::one_succeeds(|| {
                    let Some(command) = other_user::command() else { return };
                    let ran = subprocess::run_by(command, test, &format!("{entry} {spare}"));
                    if spare >= needed(workers) {
                        assert_eq!((ran.status.code(), &*ran.stderr), (Some(0), ""), "{entry} {spare}");
                        return;
                    }
                    let text = format!("the operating system started {spare} of the {} threads", needed(workers));
                    assert!(ran.stderr.contains(&text), "{entry} {spare}: {}", ran.stderr);
                    assert_eq!(ran.status.code(), Some(status), "{entry} {spare}: {}", ran.stderr);
                    assert_eq!(ran.stderr.contains("panicked"), entry == "spawn", "{}", ran.stderr);
                });
            }
        }
        return;
    };
    let (entry, spare) = case.split_once(' ').unwrap();
    set_limit(Resource::Nproc, n_threads() + spare.parse::<u64>().unwrap());
    let program = async { assert_eq!(Task::spawn(async { 6 * 7 }).await, Ok(42)) };
    match entry {
        "main" => subprocess::exit_with(cordial::main(program)),
        "run" => match cordial::run(program) {
            Ok(()) => std::process::exit(0),
            Err(Exit::Error(error)) => {
                writeln!(std::io::stderr(), "{error}").unwrap();
                std::process::exit(if error.is::<BuildError>() { 2 } else { 3 });
            }
            Err(exit) => panic!("{exit}"),
        },
        _ => {
            Task::start(program);
            std::process::exit(0);
        }
    }
}

#[test]
fn a_runtime_that_gets_too_few_files_is_an_error() {
    if subprocess::case().is_none() {
        assert_eq!(subprocess::run(test_name!(), "").reports(), ["refused, then built"]);
        return;
    }
    let mut history = Vec::new();
    // The first runtime of a program opens two files for signals, which stay open.
    let (existing, threads) = (n_files() + 2, n_threads());
    use_up(&Runtime::builder().workers(1).build().unwrap());
    let until_closed = || {
        while n_files() > existing || n_threads() > threads {
            std::thread::yield_now();
        }
    };
    until_closed();
    for files in 4..=64 {
        set_limit(Resource::Nofile, files);
        let outcome = match Runtime::builder().workers(2).build() {
            Ok(runtime) => {
                use_up(&runtime);
                "built"
            }
            Err(BuildError::System(error)) => {
                assert!(error.to_string().contains("Too many open files"), "{error}");
                "refused"
            }
            Err(error) => panic!("{files} files: {error}"),
        };
        // tokio closes its files a moment after the shutdown.
        set_limit(Resource::Nofile, 1000);
        until_closed();
        if history.last() != Some(&outcome) {
            history.push(outcome);
        }
    }
    subprocess::report(history.join(", then "));
}

#[test]
fn a_program_that_gets_no_files_for_its_signal_handlers_says_so() {
    if subprocess::case().is_none() {
        assert_eq!(subprocess::run(test_name!(), "").reports(), ["refused", "run"]);
        return;
    }
    let runtime = Runtime::builder().workers(1).build().unwrap();
    set_limit(Resource::Nofile, 0);
    let text = runtime.run(async {}).unwrap_err().to_string();
    set_limit(Resource::Nofile, 1000);
    assert!(text.starts_with("the handlers of SIGINT and SIGTERM cannot be installed: Too many open files"), "{text}");
    subprocess::report("refused");
    assert_eq!(runtime.run(async { 7 }), Ok(7));
    subprocess::report("run");
}

#[test]
fn refused_stand_ins_are_reported_by_one_event() {
    if subprocess::case().is_none() {
        let test = test_name!();
        // A thread that ends makes room for a stand-in. On a busy machine, a poll may be reported before the limit is set, by such a thread.
        return attempts::one_succeeds(|| {
            let Some(command) = other_user::command() else { return };
            let ran = subprocess::run_by(command, test, "");
            assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
            assert_eq!(ran.reports(), ["one event"]);
        });
    }
    let records = Records::install("cordial::process=warn".parse().unwrap());
    let runtime = Arc::new(Runtime::builder().workers(2).build().unwrap());
    set_limit(Resource::Nproc, n_threads());
    for round in 1..=20 {
        // Both workers are in long polls while another task waits.
        let n_before = runtime.statistics().long_polls;
        let (began, has_begun) = mpsc::channel();
        let blocks = || {
            let (counters, records, began) = (runtime.clone(), records.clone(), began.clone());
            async move {
                began.send(()).unwrap();
                while counters.statistics().long_polls < n_before + 2 || records.of("threads_refused").is_empty() {
                    std::thread::yield_now();
                }
            }
        };
        let (first, second) = (blocks(), blocks());
        let started = runtime.block_on(async { [Task::start(first), Task::start(second)] });
        assert_eq!(started.map(|pids| pids.len()), Ok(2));
        (0..2).for_each(|_| has_begun.recv().unwrap());
        assert_eq!(runtime.block_on(async { 7 }), Ok(7), "round {round}");
    }
    let refused = records.of("threads_refused");
    assert_eq!(refused.len(), 1);
    assert!(refused[0].field("limit").unwrap().contains("ulimit -u"), "{:?}", refused[0].field("limit"));
    assert_eq!(records.of("threads_exhausted").len(), 0, "`max_threads` was not reached");
    subprocess::report("one event");
}

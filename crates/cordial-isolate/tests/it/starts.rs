//! Workers that do not start, or end before their first call.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cordial::{Exit, LostCause, Task};
use cordial_isolate::{Pool, PoolError, WorkerActivity};
use rustix::process::{Pid, Resource, Rlimit, Signal, getpid, getpriority_process, kill_process, setrlimit};
use tokio::time::Instant;

use crate::bad_input::{ALONE, alone, alone_after};
use crate::functions::*;
use crate::processes::{is_running, until_gone};
use crate::roles::{has_namespaces, skip, skip_without_namespaces};
use crate::waits::{LONG, run, until, until_some};

/// The variable that a worker has.
const WORKER: &str = "CORDIAL_ISOLATE_WORKER";

/// Kills each worker as soon as it is ready, until this many more attempts to start one have failed.
async fn kill_idle_workers(pool: &Pool, attempts: u64) {
    let (limit, started) = (pool.statistics().failed_starts + attempts, Instant::now());
    while pool.statistics().failed_starts < limit {
        assert!(started.elapsed() < LONG, "the starts do not fail: {:?}", pool.statistics());
        let workers = pool.statistics().workers;
        for worker in workers.iter().filter(|worker| worker.activity == WorkerActivity::Idle) {
            let _ = kill_process(Pid::from_raw(worker.os_pid).expect("a worker has a pid"), Signal::KILL);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Checks that a pool has given up with these words. Returns after how many attempts.
fn assert_given_up(exit: &Exit, words: &str) -> u32 {
    let text = exit.to_string();
    let Some(PoolError::GaveUp { attempts, .. }) = exit.downcast_ref() else { panic!("{text}") };
    let sentence = format!("{attempts} attempts in a row to start a worker have failed");
    assert!(text.contains(&sentence) && text.contains(words), "{text}");
    *attempts
}

#[test]
fn starts_that_fail_slowly_and_overlap_are_given_up() {
    // In a process of its own: a child that another test forks has the script open for writing until it calls `exec`.
    if let Some(output) = alone(None) {
        return assert!(output.status.success(), "{output:?}");
    }
    cordial_isolate::test_main(functions());
    let folder = std::env::temp_dir().join(format!("cordial-isolate-starts-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (program, broken) = (folder.join("program"), folder.join("broken"));
    let own = std::env::current_exe().unwrap();
    let test = std::thread::current().name().unwrap().to_owned();
    // Four of them start at once, and each fails while others are starting.
    let script = format!(
        "#!/bin/sh\nif [ -e {broken:?} ]; then sleep 0.$(( $$ % 5 + 1 )); echo no luck >&2; exit 3; fi\nexec {own:?} {test} --exact --nocapture\n"
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    run(async move {
        let pool = Pool::builder().workers(4).program(&program).start().unwrap();
        assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
        fs::write(&broken, "").unwrap();
        // The workers that had started end one after the other.
        let exit = loop {
            match pool.call(ABORT, ()).timeout(LONG).await {
                Err(Exit::Lost(_)) => {}
                Err(exit) => break exit,
                Ok(()) => unreachable!("it aborts"),
            }
        };
        // More than ten if this task had to wait for a core while a worker that had started was still ready.
        assert!(assert_given_up(&exit, "no luck") >= 10, "{exit}");
        until("the end of all workers", || pool.statistics().workers.is_empty()).await;
    })
    .unwrap();
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn workers_that_end_before_their_first_call_are_given_up() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        let exit = loop {
            kill_idle_workers(&pool, 10).await;
            // A worker that was idle for a second before it was killed has started well. On a busy machine that may happen.
            if let Err(exit) = pool.call(SQUARE, 3).timeout(LONG).await {
                break exit;
            }
        };
        let words = "it was ready, and has ended before its first call: killed by SIGKILL";
        assert_eq!(assert_given_up(&exit, words), 10);
    })
    .unwrap();
}

#[test]
fn a_program_with_a_relative_path_is_found_also_from_another_working_directory() {
    // In a process of its own, because it changes the working directory.
    if let Some(output) = alone(None) {
        return assert!(output.status.success(), "{output:?}");
    }
    cordial_isolate::test_main(functions());
    let folder = std::env::temp_dir().join(format!("cordial-isolate-relative-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let own = std::env::current_exe().unwrap();
    let test = std::thread::current().name().unwrap().to_owned();
    fs::write(folder.join("program"), format!("#!/bin/sh\nexec {own:?} {test} --exact --nocapture\n")).unwrap();
    fs::set_permissions(folder.join("program"), fs::Permissions::from_mode(0o755)).unwrap();
    std::env::set_current_dir(&folder).unwrap();
    run(async {
        let pool = Pool::builder().workers(1).recycle_after(1).program("./program").start().unwrap();
        std::env::set_current_dir("/").unwrap();
        for n in 0..3 {
            assert_eq!(pool.call(SQUARE, n).timeout(LONG).await, Ok(n * n));
        }
        assert_eq!(pool.statistics().failed_starts, 0);
    })
    .unwrap();
    fs::remove_dir_all(&folder).unwrap();
}

/// The system does not wait for more descriptors than a process may open.
#[test]
fn a_program_that_lowers_its_limit_of_open_files_keeps_its_workers() {
    cordial_isolate::test_main(functions());
    if let Some(output) = alone(None) {
        return assert!(output.status.success(), "{output:?}");
    }
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        // Takes the limit from its worker too, which needs as many.
        assert_eq!(pool.call(FORBID_FILES, ()).timeout(LONG).await, Ok(()));
        assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
        setrlimit(Resource::Nofile, Rlimit { current: Some(0), maximum: Some(0) }).unwrap();
        assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
        let exit = pool.call(SPIN, ()).timeout(Duration::from_millis(20)).await.unwrap_err();
        assert!(exit.is_timeout(), "{exit}");
        pool.stop().await;
        assert_eq!(pool.statistics().started, 1);
    })
    .unwrap();
}

#[test]
fn a_start_that_takes_too_long_says_so() {
    if std::env::var_os(WORKER).is_some() {
        std::thread::sleep(Duration::from_secs(1000));
    }
    if let Some(output) = alone(None) {
        return assert!(output.status.success(), "{output:?}");
    }
    cordial_isolate::test_main(functions());
    let error = Pool::builder().workers(2).start_timeout(Duration::from_millis(100)).start().unwrap_err();
    assert!(error.to_string().contains("it was not ready within 100ms"), "{error}");
}

#[test]
fn a_program_that_ignores_sigchld_is_told_why_it_has_no_reason() {
    cordial_isolate::test_main(functions());
    if let Some(output) = alone_after("set -- env --ignore-signal=CHLD \"$@\"") {
        return assert!(output.status.success(), "{output:?}");
    }
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        let first = pool.call(OS_PID, ()).timeout(LONG).await.unwrap();
        match pool.call(ABORT, ()).timeout(LONG).await {
            Err(Exit::Lost(lost)) => {
                assert!(matches!(lost.cause(), LostCause::ConnectionLost { .. }), "{lost}");
                assert!(lost.to_string().contains("because this program ignores SIGCHLD"), "{lost}");
            }
            other => panic!("expected a loss, not {other:?}"),
        }
        assert_ne!(pool.call(OS_PID, ()).timeout(LONG).await.unwrap(), first);
        pool.stop().await;
    })
    .unwrap();
}

/// The kernel has reaped the worker then, and may give its number to another process.
#[cfg(target_os = "linux")]
#[expect(clippy::zombie_processes, reason = "the program ignores SIGCHLD, so the kernel reaps its children")]
#[test]
fn a_process_with_the_number_of_a_worker_that_was_reaped_gets_no_signal() {
    use std::os::unix::process::CommandExt;

    let is_outer = std::env::var_os(ALONE).is_none();
    if is_outer && !has_namespaces(&["--pid", "--fork", "--mount-proc", "true"]) {
        return skip_without_namespaces();
    }
    cordial_isolate::test_main(functions());
    if let Some(output) = alone_after("set -- unshare --pid --fork --mount-proc env --ignore-signal=CHLD \"$@\"") {
        return assert!(output.status.success(), "{output:?}");
    }
    run(async {
        let pool = Pool::builder().workers(1).grace(Duration::ZERO).start().unwrap();
        let worker = pool.call(OS_PID, ()).timeout(LONG).await.unwrap();
        Task::start(pool.call(BLOCK, ()));
        until_running(&pool).await;
        // The worker ends at once, and its group 100 ms later.
        let stop = Task::spawn(async move { pool.stop().await });
        let take_number = || {
            fs::write("/proc/sys/kernel/ns_last_pid", (worker - 1).to_string()).unwrap();
            let mut other = Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
            if other.id() == worker {
                return Some(Some(other));
            }
            other.kill().unwrap();
            fs::exists(format!("/proc/self/task/{worker}")).unwrap().then_some(None)
        };
        let other = until_some("a process with the number of the worker", take_number).await;
        stop.timeout(LONG).await.unwrap();
        let Some(other) = other else { return skip("a thread of the program has got the number of the worker") };
        assert!(is_running(other.id()));
        kill_process(Pid::from_child(&other), Signal::KILL).unwrap();
    })
    .unwrap();
}

#[test]
fn a_program_that_ignores_sigchld_leaves_no_process() {
    cordial_isolate::test_main(functions());
    if let Some(output) = alone_after("set -- env --ignore-signal=CHLD \"$@\"") {
        return assert!(output.status.success(), "{output:?}");
    }
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        let left = pool.call(GRANDCHILD, ()).timeout(LONG).await.unwrap();
        pool.call(ABORT, ()).timeout(LONG).await.unwrap_err();
        until_gone(&[left]);
        let left = pool.call(GRANDCHILD, ()).timeout(LONG).await.unwrap();
        spinning(&pool).await.timeout(Duration::from_millis(1)).await.unwrap_err();
        until_gone(&[left]);
        pool.stop().await;
    })
    .unwrap();
}

#[test]
fn more_workers_than_the_system_allows_are_a_sentence() {
    cordial_isolate::test_main(functions());
    if let Some(output) = alone_after("ulimit -n 64") {
        return assert!(output.status.success(), "{output:?}");
    }
    let error = Pool::builder().workers(20).start().unwrap_err();
    let sentence =
        "20 workers are more than this process may have: the limit of open files (`ulimit -n`) leaves room for 8";
    assert!(error.to_string().contains(sentence), "{error}");
    // The program takes the descriptors that the check has counted as free.
    let taken: Vec<_> = std::iter::from_fn(|| fs::File::open("/dev/null").ok()).collect();
    let error = Pool::builder().workers(1).start().unwrap_err();
    assert!(error.to_string().contains("Too many open files"), "{error}");
    assert!(error.to_string().contains("raise the limit of open files (`ulimit -n`)"), "{error}");
    drop(taken);
    run(async {
        let pool = Pool::builder().workers(8).start().unwrap();
        assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
    })
    .unwrap();
}

/// The system limits the processes of other users only.
#[test]
fn root_has_more_workers_than_its_limit_of_processes() {
    cordial_isolate::test_main(functions());
    let script = ["--nproc=1", "sh", "-c", "sleep 0 & wait"];
    let is_exempt = || Command::new("prlimit").args(script).status().is_ok_and(|status| status.success());
    if !rustix::process::geteuid().is_root() || !is_exempt() {
        return skip("this test needs root, and a system that does not limit its processes");
    }
    if let Some(output) = alone_after("set -- prlimit --nproc=1 \"$@\"") {
        return assert!(output.status.success(), "{output:?}");
    }
    run(async {
        let pool = Pool::builder().workers(2).start().unwrap();
        assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
    })
    .unwrap();
}

#[test]
fn a_function_may_have_a_pool_of_its_own() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        assert_eq!(pool.call(NESTED, 12).timeout(LONG).await, Ok(144));
    })
    .unwrap();
}

#[test]
fn two_functions_of_one_name_are_refused_with_both_places() {
    let twice = async { cordial_isolate::Functions::new().add_blocking(SQUARE, |n| n).add_blocking(SQUARE, |n| n) };
    let Err(Exit::Panic(report)) = run(twice) else { panic!("expected a panic") };
    let text = report.message();
    assert!(text.contains("\"square\"") && text.matches("starts.rs:").count() == 2, "{text}");
}

#[test]
fn a_main_without_init_does_not_run_again() {
    if let Some(output) = alone(None) {
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(text.matches("main runs").count(), 1, "{text}");
        return assert!(output.status.success(), "{output:?}");
    }
    #[expect(clippy::print_stdout, reason = "the outer process counts it")]
    {
        println!("main runs");
    }
    assert_eq!(Pool::builder().workers(2).start().unwrap_err(), PoolError::NotInitialized);
}

/// The runtime raises the nice value of a thread whose poll takes long, beside more of them than there are processors.
#[cfg(target_os = "linux")]
#[test]
fn workers_do_not_inherit_the_raised_nice_value_of_a_long_poll() {
    cordial_isolate::test_main(functions());
    // In a process of its own: other tests would keep its threads waiting.
    if let Some(output) = alone(None) {
        return assert!(output.status.success(), "{output:?}");
    }
    let nice = |process| getpriority_process(process).unwrap();
    let usual = nice(Some(getpid()));
    run(async move {
        let is_over = Arc::new(AtomicBool::new(false));
        let spin = |is_over: Arc<AtomicBool>| async move {
            while !is_over.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        };
        let n_processors = std::thread::available_parallelism().unwrap().get();
        let spins: Vec<_> = (0..=n_processors).map(|_| Task::spawn(spin(is_over.clone()))).collect();
        let started = Task::spawn(async move {
            // Computes as well.
            while nice(None) == usual {
                std::hint::spin_loop();
            }
            let mut seen: Vec<(i32, i32)> = Vec::new();
            // On a busy machine, the thread that is to start the thread of the pool may get no core in time.
            while seen.len() < 10 && seen.last().is_none_or(|(_, of_worker)| *of_worker != usual) {
                let pool = Pool::builder().workers(1).start().unwrap();
                seen.push((nice(None), nice(Pid::from_raw(pool.statistics().workers[0].os_pid))));
            }
            seen
        });
        // Tasks that wait let the runtime start threads.
        let waiting = Task::spawn(async {
            loop {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        let seen = started.timeout(LONG).await.unwrap();
        is_over.store(true, Ordering::Relaxed);
        let is_right = seen.iter().any(|(raised, of_worker)| *raised > usual && *of_worker == usual);
        assert!(is_right, "{usual}, {seen:?}");
        drop((spins, waiting));
    })
    .unwrap();
}

//! Calls whose worker process is gone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cordial::{Exit, Lost, LostCause, Retry, Shutdown, StreamTimeout};
use cordial_isolate::Pool;
use rustix::process::{Pid, Signal, kill_process, setpriority_process};

use crate::functions::*;
use crate::out_of_memory::without_oom_kills;
use crate::processes::until_gone;
use crate::waits::{LONG, run, until};

/// The report of a call that is lost.
async fn lost(task: cordial::Task<impl Send + std::fmt::Debug>) -> std::sync::Arc<Lost> {
    match task.timeout(LONG).await {
        Err(Exit::Lost(lost)) => lost,
        other => panic!("expected `Exit::Lost`, not {other:?}"),
    }
}

#[test]
fn each_death_has_its_cause() {
    cordial_isolate::test_main(functions());
    run(async {
        let memory = 64 << 20;
        // So much that no call reaches this limit before it ends in its own way, also on a slow machine.
        let pool = Pool::builder().workers(2).memory(memory).cpu_time(LONG).start().unwrap();
        let cpu_time = Duration::from_millis(300);
        let impatient = Pool::builder().workers(1).memory(memory).cpu_time(cpu_time).start().unwrap();
        assert_eq!(*lost(pool.call(ABORT, ())).await.cause(), LostCause::signal(6));
        assert_eq!(*lost(pool.call(SEGV, ())).await.cause(), LostCause::signal(11));
        let overflow = lost(pool.call(OVERFLOW, 0)).await;
        assert_eq!(*overflow.cause(), LostCause::signal(6));
        assert!(overflow.stderr().iter().any(|line| line.contains("overflowed its stack")), "{overflow:#}");
        assert_eq!(*lost(pool.call(EXIT, 0)).await.cause(), LostCause::ExitCode(0));
        assert_eq!(*lost(pool.call(EXIT, 7)).await.cause(), LostCause::ExitCode(7));
        assert_eq!(*lost(pool.call(ALLOCATE, 65 << 20)).await.cause(), LostCause::MemoryLimit { limit: memory });
        assert_eq!(*lost(impatient.call(SPIN, ())).await.cause(), LostCause::CpuLimit { limit: cpu_time });
        assert_eq!(pool.call(ALLOCATE, 32 << 20).timeout(LONG).await, Ok(32 << 20), "the limit leaves room");
        let words = lost(pool.call(WORDS, "decoding a.png".to_owned())).await;
        assert_eq!(words.stderr(), ["decoding a.png"]);
        assert_eq!(words.function(), Some("words"));
        assert!(words.spawned_at().unwrap().file().ends_with("losses.rs"));
        assert!(format!("{words:#}").contains("standard error ended with:\ndecoding a.png"));
        assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
        pool.stop().await;
        assert_eq!(pool.statistics().workers.len(), 0);
    })
    .unwrap();
}

#[test]
fn a_function_that_has_closed_the_socket_of_its_worker_has_lost_its_connection() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        for reused in [ReusedFor::Nothing, ReusedFor::File, ReusedFor::Socket] {
            let lost = lost(pool.call(CLOSE_SOCKET, reused)).await;
            assert!(lost.stderr().is_empty(), "{lost:#}");
            assert!(lost.to_string().contains("its connection is lost: the worker has closed its socket"), "{lost:#}");
            assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
        }
    })
    .unwrap();
}

/// A failed allocation aborts the worker, which writes a backtrace first, and may exceed its limit of processor time meanwhile.
#[test]
fn an_abort_for_lack_of_memory_that_takes_too_long_is_the_limit_of_memory() {
    cordial_isolate::test_main(functions());
    run(async {
        // A slow machine may need much of this time until the words are written.
        let (memory, limit) = (64 << 20, Duration::from_secs(1));
        let pool = Pool::builder().workers(1).memory(memory).cpu_time(limit).start().unwrap();
        let spin = |words: &str| pool.call(WORDS_AND_SPIN, words.to_owned());
        let lost_to = lost(spin("memory allocation of 7 bytes failed")).await;
        assert_eq!(*lost_to.cause(), LostCause::MemoryLimit { limit: memory });
        assert_eq!(*lost(spin("mmap: Cannot allocate memory")).await.cause(), LostCause::CpuLimit { limit });
    })
    .unwrap();
}

/// A program with `panic = "abort"` and `RUST_BACKTRACE=1` writes the message of a panic and then its backtrace.
#[test]
fn a_message_of_a_panic_is_kept_before_a_long_backtrace() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        let head = "thread 'x' (7) panicked at src/main.rs:1:2:\nno luck\nstack backtrace:\n";
        for n_frames in [0, 16, 17, 18, 19, 20, 50] {
            let frames: Vec<String> = (0..n_frames).map(|n| format!("  {n}: frame")).collect();
            let lost = lost(pool.call(WORDS, format!("earlier\n{head}{}", frames.join("\n")))).await;
            let lines = lost.stderr();
            assert!(lines.len() <= 20, "{lines:?}");
            let message = lines.iter().position(|line| line == "no luck").expect("the message is there");
            assert!(lines[message - 1].contains("panicked at src/main.rs"), "{lines:?}");
            if let Some(frame) = frames.last() {
                assert_eq!(lines.last(), Some(frame));
            }
        }
    })
    .unwrap();
}

#[test]
fn the_report_of_an_item_of_a_stream_says_which_attempt_was_lost() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        for (n_retries, attempt) in [(0, 1), (2, 3)] {
            let items = pool.async_stream(ABORT, [()]).retry(Retry::times(n_retries)).timeout(LONG);
            match items.collect().await.as_slice() {
                [Err(Exit::Lost(lost))] => assert_eq!(lost.attempt(), attempt),
                other => panic!("expected a loss, not {other:?}"),
            }
        }
    })
    .unwrap();
}

#[test]
fn a_long_line_is_cut_between_characters() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        for character in ['x', 'é', '€', '😀'] {
            let text = format!("x{}", character.to_string().repeat(10_000));
            let lost = lost(pool.call(WORDS, text.clone())).await;
            assert_eq!(lost.stderr().concat(), text);
            let lengths: Vec<usize> = lost.stderr().iter().map(String::len).collect();
            let (last, full) = lengths.split_last().unwrap();
            assert!(full.iter().all(|length| (4093..=4096).contains(length)) && *last <= 4096, "{lengths:?}");
        }
    })
    .unwrap();
}

#[test]
fn a_timeout_kills_whatever_the_call_does() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        for _ in 0..3 {
            let exit = pool.call(SPIN, ()).timeout(Duration::from_millis(50)).await.unwrap_err();
            assert!(exit.is_timeout(), "{exit}");
        }
        assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9), "another worker took its place");
        let spins = pool.async_stream(SPIN, [(), ()]).timeout(Duration::from_millis(50));
        let results = spins.on_timeout(StreamTimeout::KillTask).collect().await;
        assert!(results.iter().all(|result| matches!(result, Err(Exit::Timeout(_)))), "{results:?}");
        assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
    })
    .unwrap();
}

#[test]
fn a_call_that_does_not_end_in_time_is_counted_as_killed() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        let task = spinning(&pool).await;
        assert!(task.timeout(Duration::from_millis(1)).await.unwrap_err().is_timeout());
        assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
        until("the count of the call", || pool.statistics().killed > 0).await;
        assert_eq!((pool.statistics().killed, pool.statistics().lost), (1, 0));
    })
    .unwrap();
}

#[test]
fn a_kill_needs_no_cooperation() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        for _ in 0..20 {
            let os_pid = pool.call(OS_PID, ()).timeout(LONG).await.unwrap();
            let task = pool.call(SPIN, ());
            until_running(&pool).await;
            assert_killed(task.shutdown(Shutdown::BrutalKill).await);
            until("the end of the worker", || std::fs::metadata(format!("/proc/{os_pid}")).is_err()).await;
        }
    })
    .unwrap();
}

/// Between the end of its socket and its exit status, a process may wait for a core.
#[test]
fn a_worker_that_takes_long_to_die_has_the_cause_of_its_death() {
    cordial_isolate::test_main(functions());
    let _guard = without_oom_kills();
    let is_over = AtomicBool::new(false);
    let causes = std::thread::scope(|scope| {
        for _ in 0..2 * std::thread::available_parallelism().unwrap().get() {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let causes = run(async {
            let pool = Pool::builder().workers(1).start().unwrap();
            let mut causes = Vec::new();
            for _ in 0..10 {
                let task = pool.call(TO_KILL, ());
                let worker = worker_of_call(&pool).await;
                for thread in std::fs::read_dir(format!("/proc/{}/task", worker.as_raw_nonzero())).unwrap().flatten() {
                    let thread = thread.file_name().to_string_lossy().parse().ok().and_then(Pid::from_raw);
                    let _ = setpriority_process(thread, 19);
                }
                kill_process(worker, Signal::KILL).unwrap();
                causes.push(lost(task).await.cause().clone());
            }
            causes
        });
        is_over.store(true, Ordering::Relaxed);
        causes
    });
    assert_eq!(causes.unwrap(), vec![LostCause::signal(9); 10]);
}

#[test]
fn a_call_that_has_opted_in_has_the_grace_time() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).grace(LONG).start().unwrap();
        let (task, opted_in) = graceful(&pool).await;
        std::fs::remove_file(opted_in).unwrap();
        assert_eq!(task.shutdown(2 * LONG).await, Some(Ok("saved".to_owned())));
        assert_eq!(pool.statistics().started, 1, "it was not killed");
    })
    .unwrap();
}

#[test]
fn a_call_that_has_not_opted_in_ends_at_its_next_await_or_checkpoint_and_its_worker_lives_on() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        for function in [WAIT_FOR_EVER, CHECKPOINT] {
            // On a busy machine, the 100 ms that such a call has may pass before it gets a core.
            let mut was_killed = true;
            for _ in 0..100 {
                let worker = pool.call(OS_PID, ()).timeout(LONG).await.unwrap();
                let task = pool.call(function, ());
                until_running(&pool).await;
                assert_eq!(task.shutdown(LONG).await, None);
                was_killed = pool.call(OS_PID, ()).timeout(LONG).await.unwrap() != worker;
                if !was_killed {
                    break;
                }
            }
            assert!(!was_killed, "{function:?} was killed each time");
        }
    })
    .unwrap();
}

#[test]
fn what_a_worker_starts_ends_with_it() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        let grandchild = pool.call(GRANDCHILD, ()).timeout(LONG).await.unwrap();
        assert!(std::fs::metadata(format!("/proc/{grandchild}")).is_ok());
        lost(pool.call(ABORT, ())).await;
        until_gone(&[grandchild]);
    })
    .unwrap();
}

#[test]
fn much_output_holds_nothing_up() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(2).start().unwrap();
        for function in [PRINT, PRINT_LINES] {
            let print = pool.call(function, 100_000_000).timeout(Duration::from_secs(600));
            assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
            print.await.unwrap();
        }
        assert_eq!(pool.call(SQUARE, 4).timeout(LONG).await, Ok(16));
    })
    .unwrap();
}

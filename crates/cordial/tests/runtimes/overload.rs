//! Programs with far more computing and blocking tasks than threads. Unrelated tasks are still polled. The number of threads stays
//! within its limit, and returns to the number of workers.
#![expect(
    clippy::disallowed_methods,
    reason = "the real scheduler is tested, with the clock and the threads of the system"
)]

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cordial::{Runtime, Statistics, Task, Timeout};

use crate::harness::{attempts, subprocess, threads};

const MS: Duration = Duration::from_millis(1);

fn n_workers() -> usize {
    threads::names().iter().filter(|name| name.starts_with("cordial-worker")).count()
}

/// Spins for this duration.
fn compute(how_long: Duration) {
    let until = Instant::now() + how_long;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

/// Counts how many calls are running at the same time.
#[derive(Clone, Default)]
struct Concurrency(Arc<[AtomicUsize; 2]>);

impl Concurrency {
    fn with<R>(&self, body: impl FnOnce() -> R) -> R {
        let [now, max] = &*self.0;
        max.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let result = body();
        now.fetch_sub(1, Ordering::SeqCst);
        result
    }

    fn max(&self) -> usize {
        self.0[1].load(Ordering::SeqCst)
    }
}

type Calls = Vec<Box<dyn FnOnce() + Send>>;

/// Calls that block inside a poll: in a sleep, on a socket, or on a pipe.
fn blocking(n: usize, concurrency: &Concurrency) -> Calls {
    const LONG: Duration = Duration::from_millis(50);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut sender = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let socket = Arc::new(listener.accept().unwrap().0);
    let (file, mut writer) = std::io::pipe().unwrap();
    let file = Arc::new(file);
    // One byte for each reader.
    let n_readers = n.div_ceil(3);
    std::thread::spawn(move || {
        for _ in 0..n_readers {
            std::thread::sleep(MS);
            sender.write_all(b"1").unwrap();
            writer.write_all(b"1").unwrap();
        }
        std::thread::sleep(Duration::MAX);
    });
    let kinds = (0..n).map(|number| -> Box<dyn FnOnce() + Send> {
        let (concurrency, socket, file) = (concurrency.clone(), socket.clone(), file.clone());
        match number % 3 {
            0 => Box::new(move || concurrency.with(|| std::thread::sleep(LONG))),
            1 => Box::new(move || concurrency.with(|| (&*socket).read_exact(&mut [0]).unwrap())),
            _ => Box::new(move || concurrency.with(|| (&*file).read_exact(&mut [0]).unwrap())),
        }
    });
    kinds.collect()
}

/// Runs each of the calls as a task. Meanwhile, another task repeatedly sleeps for a millisecond.
/// Returns the longest time that such a sleep took.
fn max_delay_beside(runtime: &Runtime, calls: Calls) -> Duration {
    let is_over = Arc::new(AtomicBool::new(false));
    let is_over_too = is_over.clone();
    let unrelated = async move {
        let mut late = Duration::ZERO;
        while !is_over_too.load(Ordering::SeqCst) {
            let started = Instant::now();
            tokio::time::sleep(MS).await;
            late = late.max(started.elapsed());
        }
        late
    };
    let everything = async move {
        let unrelated = Task::spawn(unrelated).timeout(Timeout::Infinity);
        let tasks: Vec<_> = calls.into_iter().map(|call| Task::spawn(async move { call() })).collect();
        Task::await_many(tasks).timeout(Timeout::Infinity).await.unwrap();
        is_over.store(true, Ordering::SeqCst);
        unrelated.await.unwrap()
    };
    runtime.block_on(everything).unwrap()
}

fn computing(n: usize, how_long: Duration, concurrency: &Concurrency) -> Calls {
    let work = |_| -> Box<dyn FnOnce() + Send> {
        let concurrency = concurrency.clone();
        Box::new(move || concurrency.with(|| compute(how_long)))
    };
    (0..n).map(work).collect()
}

#[test]
fn a_thousand_blocking_and_a_thousand_computing_tasks_respect_max_threads_and_leave_no_stand_in() {
    const CAP: usize = 400;
    if subprocess::case().is_none() {
        let test = test_name!();
        // On a busy machine, the unrelated task may be late because its thread gets no processor.
        return attempts::one_succeeds(|| {
            assert_eq!(
                subprocess::run(test, "").reports(),
                ["8 computed", "1000 blocked", "1000 computed", "stand-ins exited"]
            );
        });
    }
    let runtime = Runtime::builder().workers(2).max_threads(CAP).build().unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let counted = scope.spawn(|| {
            let mut n_most = 0;
            while !is_over.load(Ordering::SeqCst) {
                let Statistics { workers, stand_ins, .. } = runtime.statistics();
                n_most = n_most.max(workers + stand_ins);
                std::thread::sleep(MS);
            }
            n_most
        });
        // With only two threads, the unrelated task would be delayed by half of the total time. In
        // the third case all tasks wait in the same queue as the unrelated task, so its delay is
        // not checked.
        let counters = [(); 3].map(|()| Concurrency::default());
        let kinds = [
            ("8 computed", computing(8, 1000 * MS, &counters[0]), Some(2000 * MS)),
            ("1000 blocked", blocking(1000, &counters[1]), Some(4000 * MS)),
            ("1000 computed", computing(1000, 10 * MS, &counters[2]), None),
        ];
        for (concurrency, (what, calls, may_be_late)) in counters.iter().zip(kinds) {
            let late = max_delay_beside(&runtime, calls);
            assert!((3..=CAP).contains(&concurrency.max()), "{what}: {} at once", concurrency.max());
            assert!(may_be_late.is_none_or(|bound| late < bound), "{what}: late by {late:?}");
            subprocess::report(what);
        }
        is_over.store(true, Ordering::SeqCst);
        let n_most = counted.join().unwrap();
        assert!((3..=CAP).contains(&n_most), "{n_most} threads");
    });
    let (ended, before) = (Instant::now(), runtime.statistics());
    while n_workers() > 2 {
        std::thread::sleep(10 * MS);
    }
    // Idle stand-ins exit after 10 s, and a busy machine delays that.
    assert!(ended.elapsed() < Duration::from_secs(30), "{:?}", ended.elapsed());
    let after = runtime.statistics();
    assert_eq!((after.workers, after.stand_ins, after.deprioritized), (2, 0, 0));
    assert!(after.polls >= before.polls && after.polls >= 2000, "{} polls, then {}", before.polls, after.polls);
    subprocess::report("stand-ins exited");
}

/// The test stops the program with SIGSTOP, as a debugger does. A suspended machine has the same
/// effect.
#[test]
fn a_program_that_is_stopped_and_continued_starts_no_threads() {
    const STOPS: usize = 2;
    /// Longer than the threshold of a long poll, which in turn is longer than most machines delay a thread.
    const STOP: Duration = Duration::from_millis(600);
    if subprocess::case().is_none() {
        let test = test_name!();
        // A thread that gets no processor for `STOP / 2` is in a long poll.
        return attempts::one_succeeds(|| {
            let mut subprocess = subprocess::start(test, "");
            subprocess.wait_for("at work");
            for _ in 0..STOPS {
                subprocess.send(rustix::process::Signal::STOP);
                std::thread::sleep(STOP);
                subprocess.send(rustix::process::Signal::CONT);
                subprocess.wait_for("resumed");
            }
            assert_eq!(subprocess.finish().reports(), ["no more threads than before"]);
        });
    }
    let runtime = Runtime::builder().workers(4).stall_after(STOP / 2).build().unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let (spinning, others) = (is_over.clone(), is_over.clone());
    let tasks = runtime
        .block_on(async move {
            let spinning = [spinning.clone(), spinning]
                .map(|is_over| Task::spawn(async move { while !is_over.load(Ordering::SeqCst) {} }));
            // All threads are always busy, and more tasks are queued.
            let short = (0..64).map(|_| {
                let is_over = others.clone();
                Task::spawn(async move {
                    while !is_over.load(Ordering::SeqCst) {
                        compute(MS);
                        tokio::task::yield_now().await;
                    }
                })
            });
            let short: Vec<_> = short.collect();
            Some((spinning, short))
        })
        .unwrap();
    let numbers = || (runtime.statistics().stand_ins, runtime.statistics().long_polls, n_workers());
    // The two spinning tasks have stand-ins, and their long polls were emitted.
    let before = (2, 2, 6);
    while numbers() != before {
        let (_, n_long_polls, _) = numbers();
        assert!(n_long_polls <= 2, "{n_long_polls} long polls: a thread got no processor");
        std::thread::sleep(MS);
    }
    // Set before the report, after which the test stops the program.
    let mut last = Instant::now();
    subprocess::report("at work");
    for _ in 0..STOPS {
        while last.elapsed() < STOP / 2 {
            last = Instant::now();
            std::thread::sleep(MS);
        }
        // Gives the sysmon thread time for several samples.
        std::thread::sleep(STOP / 2);
        last = Instant::now();
        subprocess::report("resumed");
    }
    assert_eq!(numbers(), before);
    subprocess::report("no more threads than before");
    is_over.store(true, Ordering::SeqCst);
    drop(tasks);
}

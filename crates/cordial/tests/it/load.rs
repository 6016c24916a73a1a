//! Programs with far more to compute and to block on than there are threads: others go on, the number of threads stays
//! within bounds, and goes back.
#![expect(
    clippy::disallowed_methods,
    reason = "the real scheduler is the subject, and the system's clock and threads with it"
)]

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cordial::{Runtime, Statistics, Task, Timeout};

use crate::{program, threads};

const MS: Duration = Duration::from_millis(1);

fn n_workers() -> usize {
    threads::names().iter().filter(|name| name.starts_with("cordial-worker")).count()
}

/// Computes for so long, in one poll.
fn compute(how_long: Duration) {
    let until = Instant::now() + how_long;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

/// Counts who is in it at one moment.
#[derive(Clone, Default)]
struct Crowd(Arc<[AtomicUsize; 2]>);

impl Crowd {
    fn with<R>(&self, body: impl FnOnce() -> R) -> R {
        let [now, most] = &*self.0;
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let result = body();
        now.fetch_sub(1, Ordering::SeqCst);
        result
    }

    fn most(&self) -> usize {
        self.0[1].load(Ordering::SeqCst)
    }
}

type Works = Vec<Box<dyn FnOnce() + Send>>;

/// What blocks in a poll: a sleep, a socket, a file.
fn blocking(n: usize, crowd: &Crowd) -> Works {
    const LONG: Duration = Duration::from_millis(50);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut sender = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let socket = Arc::new(listener.accept().unwrap().0);
    let (file, mut writer) = std::io::pipe().unwrap();
    let file = Arc::new(file);
    // One byte for each of those that read.
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
        let (crowd, socket, file) = (crowd.clone(), socket.clone(), file.clone());
        match number % 3 {
            0 => Box::new(move || crowd.with(|| std::thread::sleep(LONG))),
            1 => Box::new(move || crowd.with(|| (&*socket).read_exact(&mut [0]).unwrap())),
            _ => Box::new(move || crowd.with(|| (&*file).read_exact(&mut [0]).unwrap())),
        }
    });
    kinds.collect()
}

/// Runs all of these as tasks. A task beside them sleeps for a millisecond, again and again: by how much it was late at
/// most.
fn beside(runtime: &Runtime, works: Works) -> Duration {
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
        let tasks: Vec<_> = works.into_iter().map(|work| Task::spawn(async move { work() })).collect();
        Task::await_many(tasks).timeout(Timeout::Infinity).await.unwrap();
        is_over.store(true, Ordering::SeqCst);
        unrelated.await.unwrap()
    };
    runtime.block_on(everything).unwrap()
}

fn computing(n: usize, how_long: Duration, crowd: &Crowd) -> Works {
    let work = |_| -> Box<dyn FnOnce() + Send> {
        let crowd = crowd.clone();
        Box::new(move || crowd.with(|| compute(how_long)))
    };
    (0..n).map(work).collect()
}

#[test]
fn a_thousand_tasks_that_block_and_a_thousand_that_compute_stay_under_the_cap_and_leave_no_thread() {
    const NAME: &str =
        "load::a_thousand_tasks_that_block_and_a_thousand_that_compute_stay_under_the_cap_and_leave_no_thread";
    const CAP: usize = 400;
    if program::part().is_none() {
        assert_eq!(program::run(NAME, "").told(), ["8 computed", "1000 blocked", "1000 computed", "gone"]);
        return;
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
        // With two threads and no more, the task beside them would be late by half of the sum: for the third, in which
        // all wait in one line with it, only that everything ends is asked.
        let crowds = [(); 3].map(|()| Crowd::default());
        let kinds = [
            ("8 computed", computing(8, 1000 * MS, &crowds[0]), Some(2000 * MS)),
            ("1000 blocked", blocking(1000, &crowds[1]), Some(4000 * MS)),
            ("1000 computed", computing(1000, 10 * MS, &crowds[2]), None),
        ];
        for (crowd, (what, works, may_be_late)) in crowds.iter().zip(kinds) {
            let late = beside(&runtime, works);
            assert!((3..=CAP).contains(&crowd.most()), "{what}: {} at once", crowd.most());
            assert!(may_be_late.is_none_or(|bound| late < bound), "{what}: late by {late:?}");
            program::tell(what);
        }
        is_over.store(true, Ordering::SeqCst);
        let n_most = counted.join().unwrap();
        assert!((3..=CAP).contains(&n_most), "{n_most} threads");
    });
    let (ended, before) = (Instant::now(), runtime.statistics());
    while n_workers() > 2 {
        std::thread::sleep(10 * MS);
    }
    // They rest for 10 s.
    assert!(ended.elapsed() < Duration::from_secs(12), "{:?}", ended.elapsed());
    let after = runtime.statistics();
    assert_eq!((after.workers, after.stand_ins, after.deprioritized), (2, 0, 0));
    assert!(after.polls >= before.polls && after.polls >= 2000, "{} polls, then {}", before.polls, after.polls);
    program::tell("gone");
}

/// A debugger stops a program by the same signal; a suspended machine looks the same from inside.
#[test]
fn a_program_that_was_stopped_and_goes_on_brings_no_flood_of_threads() {
    const NAME: &str = "load::a_program_that_was_stopped_and_goes_on_brings_no_flood_of_threads";
    const STOPS: usize = 2;
    /// Longer than the watch bears with a poll, which is longer than a busy machine keeps a thread waiting.
    const STOP: Duration = Duration::from_millis(600);
    if program::part().is_none() {
        let mut program = program::start(NAME, "");
        program.wait_for("at work");
        for _ in 0..STOPS {
            program.send(rustix::process::Signal::STOP);
            std::thread::sleep(STOP);
            program.send(rustix::process::Signal::CONT);
            program.wait_for("goes on");
        }
        assert_eq!(program.finish().told(), ["no more threads than before"]);
        return;
    }
    let runtime = Runtime::builder().workers(4).stall_after(STOP / 2).build().unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let (spinning, others) = (is_over.clone(), is_over.clone());
    let tasks = runtime
        .block_on(async move {
            let spinning = [spinning.clone(), spinning]
                .map(|is_over| Task::spawn(async move { while !is_over.load(Ordering::SeqCst) {} }));
            // All threads have something in hand at any moment, and more waits.
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
    // Those that compute for ever have stand-ins, and were told of.
    let before = (2, 2, 6);
    while numbers() != before {
        std::thread::sleep(MS);
    }
    // Before the test hears of it and stops the program.
    let mut last = Instant::now();
    program::tell("at work");
    for _ in 0..STOPS {
        while last.elapsed() < STOP / 2 {
            last = Instant::now();
            std::thread::sleep(MS);
        }
        // The watch has its time to look.
        std::thread::sleep(STOP / 2);
        last = Instant::now();
        program::tell("goes on");
    }
    assert_eq!(numbers(), before);
    program::tell("no more threads than before");
    is_over.store(true, Ordering::SeqCst);
    drop(tasks);
}

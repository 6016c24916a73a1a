//! A parallel stream among code that misbehaves: clones, conversions, destructors and wakers that panic, sources that lie,
//! handles that are forgotten, and options without any sense. Nothing is left behind, and nothing hangs.

use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use cordial::process::{self, ProcessState};
use cordial::{Backoff, Exit, Pid, Retry, Runtime, StreamTimeout, Task, Timeout};
use futures::{FutureExt, Stream, StreamExt};
use tokio::time::{Instant, sleep};

use crate::orders::{SECOND, in_every_order};
use crate::probe::Probe;

const MS: Duration = Duration::from_millis(1);

/// Where a panic comes from that a user would not think of.
#[derive(Clone, Copy, Debug, PartialEq)]
enum From {
    Clone,
    Conversion,
    InputDrop,
    ResultDrop,
}

/// An input that is counted, and panics if it is told to.
struct Input(u32, From, #[expect(dead_code, reason = "counts")] crate::probe::Guard, Probe);

impl Input {
    fn new(n: u32, from: From, probe: &Probe) -> Input {
        Input(n, from, probe.guard(), probe.clone())
    }
}

impl Clone for Input {
    fn clone(&self) -> Input {
        assert!(self.0 != 5 || self.1 != From::Clone, "no luck");
        Input::new(self.0, self.1, &self.3)
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        // Two panics in one unwind would abort the program.
        assert!(self.0 != 5 || self.1 != From::InputDrop || std::thread::panicking(), "no luck");
    }
}

/// An error whose conversion panics.
struct Inconvertible;

impl std::convert::From<Inconvertible> for Box<dyn std::error::Error + Send + Sync> {
    fn from(_: Inconvertible) -> Self {
        panic!("no luck")
    }
}

/// A value that panics when it is dropped.
struct Heavy(bool);

impl Drop for Heavy {
    fn drop(&mut self) {
        assert!(!self.0 || std::thread::panicking(), "no luck");
    }
}

#[test]
fn a_panic_in_a_clone_a_conversion_or_a_destructor_takes_the_consumer_and_leaves_nothing_behind() {
    for from in [From::Clone, From::Conversion, From::InputDrop, From::ResultDrop] {
        in_every_order(move || async move {
            let (probe, n_made) = (Probe::default(), Arc::new(AtomicUsize::new(0)));
            let (of_items, count) = (probe.clone(), n_made.clone());
            let consumer = Task::spawn(async move {
                let of_inputs = of_items.clone();
                let inputs = (0..).map(move |n| Input::new(n, from, &of_inputs));
                let work = move |input: Input| {
                    count.fetch_add(1, Ordering::SeqCst);
                    let guard = of_items.guard();
                    // Dropped here, in the consumer: inside the item a panic would be the item's.
                    let n = input.0;
                    drop(input);
                    async move {
                        let _guard = guard;
                        match n {
                            1 => pending().await,
                            5 if from == From::Conversion => Err(Inconvertible),
                            _ => Ok(Heavy(n == 5 && from == From::ResultDrop)),
                        }
                    }
                };
                let stream = Task::async_stream(inputs, work).or_exit().max_concurrency(3).retry(Retry::times(1));
                stream.unordered().for_each(async |_| ()).await;
            });
            let Err(Exit::Panic(report)) = consumer.await else { panic!("{from:?} has to panic") };
            assert_eq!(report.message(), "no luck", "{from:?}");
            sleep(MS).await;
            // Inputs, their copies and items; each is counted where it is made, so all that counts is that none is left.
            assert_eq!(probe.n_alive(), 0, "{from:?}, after {} attempts", n_made.load(Ordering::SeqCst));
        });
    }
}

#[test]
fn a_future_that_panics_in_its_destructor_is_one_failure() {
    in_every_order(|| async {
        let work = |n: u32| {
            let heavy = Heavy(n == 1);
            async move {
                let _heavy = heavy;
                if n == 1 {
                    sleep(SECOND).await
                }
                n
            }
        };
        let results = Task::async_stream(0..3, work).timeout(2 * SECOND).collect().await;
        assert!(matches!(&results[..], [Ok(0), Err(Exit::Panic(_)), Ok(2)]), "{results:?}");
        // It is ended by its limit, and panics then.
        let results = Task::async_stream(0..3, work).timeout(SECOND / 2).collect().await;
        assert!(matches!(&results[..], [Ok(0), Err(_), Ok(2)]), "{results:?}");
    });
}

/// A waker that may be cloned and dropped so often before it panics.
struct Hostile(AtomicUsize);

impl Wake for Hostile {
    fn wake(self: Arc<Hostile>) {
        assert!(self.0.fetch_sub(1, Ordering::SeqCst) > 1, "a waker that panics");
    }
}

#[test]
fn a_waker_that_panics_when_an_item_ends_keeps_no_result_back() {
    in_every_order(|| async {
        let mut stream = Task::async_stream(1..=4u32, |n| sleep(n * MS)).max_concurrency(4);
        let hostile = Waker::from(Arc::new(Hostile(AtomicUsize::new(1))));
        assert!(stream.poll_next_unpin(&mut Context::from_waker(&hostile)).is_pending());
        sleep(2 * MS).await;
        assert_eq!(stream.collect().await, vec![Ok(()); 4]);
    });
}

#[test]
fn wakers_that_are_left_behind_are_not_woken() {
    in_every_order(|| async {
        let mut stream = Task::async_stream(1..=2u32, |n| sleep(n * MS)).max_concurrency(4);
        let (first, second) = (Arc::new(Hostile(AtomicUsize::new(99))), Arc::new(Hostile(AtomicUsize::new(99))));
        for waker in [&first, &second] {
            let waker = Waker::from(waker.clone());
            assert!(stream.poll_next_unpin(&mut Context::from_waker(&waker)).is_pending());
        }
        assert_eq!(Arc::strong_count(&first), 1, "it is not kept");
        sleep(5 * MS).await;
        assert_eq!((first.0.load(Ordering::SeqCst), second.0.load(Ordering::SeqCst)), (99, 98), "once, whatever ends");
        assert_eq!(stream.collect().await, vec![Ok(()); 2]);
    });
}

#[test]
fn in_a_select_no_result_is_lost() {
    in_every_order(|| async {
        let mut stream = Task::async_stream(0..50u32, |n| async move {
            sleep(n % 5 * 7 * MS).await;
            n
        });
        stream = stream.max_concurrency(6);
        let mut ticks = tokio::time::interval(2 * MS);
        let (mut seen, mut n_ticks) = (Vec::new(), 0);
        loop {
            tokio::select! {
                result = stream.next() => match result {
                    Some(result) => seen.push(result.unwrap()),
                    None => break,
                },
                _ = ticks.tick() => n_ticks += 1,
            }
        }
        assert_eq!(seen, (0..50).collect::<Vec<_>>());
        assert!(n_ticks > 10);
    });
}

/// Yields after each poll, and drops the stream after so many.
#[test]
fn dropped_after_any_poll_it_leaves_nothing_behind() {
    for n_polls in 0..60 {
        in_every_order(move || async move {
            let probe = Probe::default();
            let guards = probe.clone();
            let work = move |n: u32| {
                let guard = guards.guard();
                async move {
                    let _guard = guard;
                    sleep(n % 4 * MS).await;
                    match n % 5 {
                        1 => Err("busy"),
                        2 => pending().await,
                        3 => panic!("no luck"),
                        _ => Ok(n),
                    }
                }
            };
            let held = probe.guard();
            let inputs = (0u32..).inspect(move |_| _ = &held);
            let retry = Retry::times(1).backoff(Backoff::exponential(MS, 2 * MS));
            let stream = Task::async_stream(inputs, work).or_exit();
            let stream = stream.timeout(3 * MS).retry(retry).max_concurrency(1 + n_polls % 4).max_ahead(n_polls % 3);
            let progress = stream.progress();
            let mut stream = if n_polls % 2 == 0 { stream } else { stream.unordered() };
            for _ in 0..n_polls {
                if stream.next().now_or_never().is_none() {
                    sleep(MS).await;
                }
            }
            let n_running = progress.running();
            drop(stream);
            sleep(MS).await;
            assert_eq!((probe.n_alive(), progress.running(), progress.given_up()), (0, 0, n_running));
        });
    }
}

#[test]
fn a_stream_that_is_forgotten_runs_what_it_started_to_its_limit_and_starts_nothing_more() {
    in_every_order(|| async {
        let (probe, n_started) = (Probe::default(), Arc::new(AtomicUsize::new(0)));
        let (guards, count) = (probe.clone(), n_started.clone());
        let mut stream = Task::async_stream(0u32.., move |n| {
            count.fetch_add(1, Ordering::SeqCst);
            let guard = guards.guard();
            async move {
                let _guard = guard;
                if n > 0 {
                    pending().await
                }
            }
        });
        stream = stream.max_concurrency(3).timeout(SECOND);
        assert_eq!(stream.next().await, Some(Ok(())));
        let n_before = n_started.load(Ordering::SeqCst);
        std::mem::forget(stream);
        sleep(10 * SECOND).await;
        assert_eq!((probe.n_alive(), n_started.load(Ordering::SeqCst)), (0, n_before));
    });
}

#[test]
fn options_without_bounds_are_taken_at_their_word() {
    in_every_order(|| async {
        let most = usize::MAX;
        for (n, max_ahead) in [(most, None), (most, Some(most)), (1, Some(most)), (most, Some(0)), (most / 4 + 1, None)]
        {
            let stream = Task::async_stream(0..100, |n| async move { n }).max_concurrency(n);
            let stream = if let Some(max_ahead) = max_ahead { stream.max_ahead(max_ahead) } else { stream };
            let retry = Retry::times(most).backoff(Backoff::exponential(Duration::MAX, Duration::MAX));
            let stream = stream.timeout(Duration::MAX).retry(retry);
            assert_eq!(stream.collect().await, (0..100).map(Ok).collect::<Vec<_>>());
        }
        let unordered =
            Task::async_stream(0..100, |n| async move { n }).unordered().max_concurrency(most).max_ahead(most);
        assert_eq!(unordered.count().await, 100);
    });
}

/// A source of three that claims what it likes.
struct Liar(u32, (usize, Option<usize>));

impl Stream for Liar {
    type Item = u32;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<u32>> {
        self.0 += 1;
        Poll::Ready((self.0 <= 3).then_some(self.0))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.1
    }
}

#[test]
fn a_source_that_lies_about_its_length_is_not_believed() {
    for hint in [(0, Some(0)), (usize::MAX, Some(usize::MAX)), (usize::MAX, None), (9, Some(2))] {
        in_every_order(move || async move {
            let mut stream = Task::async_stream_from(Liar(0, hint), |n| async move { n }).max_concurrency(2);
            assert_eq!(stream.size_hint(), hint);
            assert_eq!(stream.next().await, Some(Ok(1)));
            let upper = stream.size_hint().1;
            assert!(hint.1 != Some(usize::MAX) || upper.is_none_or(|upper| upper >= 2), "{upper:?}");
            assert_eq!(stream.collect().await, [Ok(2), Ok(3)]);
        });
    }
}

#[test]
fn it_promises_no_more_than_it_may_give() {
    in_every_order(|| async {
        let work = |n: u32| async move {
            if n == 1 {
                pending().await
            }
        };
        let stream = Task::async_stream(0..10, work).on_timeout(StreamTimeout::EndStream).max_concurrency(2);
        let mut stream = stream.max_ahead(1);
        assert_eq!(stream.size_hint(), (0, Some(10)));
        assert_eq!(stream.next().await, Some(Ok(())));
        let (lower, upper) = stream.size_hint();
        assert!(lower <= 1, "one more, the timeout, is all there is: {lower}");
        assert_eq!(upper, Some(9));
        assert!(matches!(stream.next().await, Some(Err(Exit::Timeout(_)))));
        assert_eq!((stream.size_hint().0, stream.next().await), (0, None));
    });
}

/// In input order an older item may still run when a younger one ends the stream: after a failed attempt it has a new limit.
#[test]
fn a_timeout_that_ends_an_ordered_stream_comes_after_what_is_older_and_done() {
    in_every_order(|| async {
        let probe = Probe::default();
        let (guards, mut n_of_1) = (probe.clone(), 0);
        let work = move |n: u32| {
            n_of_1 += u32::from(n == 1);
            let (guard, is_first) = (guards.guard(), n_of_1 == 1);
            async move {
                let _guard = guard;
                match n {
                    1 if is_first => {
                        sleep(SECOND).await;
                        Err("once")
                    }
                    1 | 3 => pending().await,
                    _ => Ok(n),
                }
            }
        };
        let stream = Task::async_stream(0.., work).or_exit().max_concurrency(4).max_ahead(9).timeout(2 * SECOND);
        let retry = Retry::times(1).when(|exit| !matches!(exit, Exit::Timeout(_)));
        let stream = stream.retry(retry).on_timeout(StreamTimeout::EndStream);
        let (progress, begun) = (stream.progress(), Instant::now());
        let results = stream.collect().await;
        assert!(matches!(results[..], [Ok(0), Ok(2), Err(Exit::Timeout(_))]), "{results:?}");
        assert_eq!(begun.elapsed(), 2 * SECOND);
        sleep(MS).await;
        assert_eq!((probe.n_alive(), progress.running(), progress.failed()), (0, 0, 1));
    });
}

/// Two runtimes: the items belong to the one that polled first.
#[test]
fn consumed_on_two_runtimes_its_items_stay_on_the_first() {
    let [first, second] = [(); 2].map(|()| Runtime::builder().workers(1).build().unwrap());
    let work = |n: u32| async move {
        tokio::task::yield_now().await;
        (n, process::current().unwrap())
    };
    let started = first.block_on(async move {
        let mut stream = Task::async_stream(0..6, work).max_concurrency(2);
        let own = process::current().unwrap();
        (stream.next().await.unwrap().unwrap(), own, stream)
    });
    let ((n, _), owner, stream) = started.unwrap();
    assert_eq!(n, 0);
    let rest = second.block_on(async move { stream.collect().await }).unwrap();
    let numbers: Vec<u32> = rest.iter().map(|result| result.as_ref().unwrap().0).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    // A pid begins with the number of its runtime.
    let runtime_of = |pid: Pid| pid.to_string().split('.').next().map(str::to_owned);
    assert!(rest.iter().all(|result| runtime_of(result.as_ref().unwrap().1) == runtime_of(owner)));
}

/// An item that blocks its worker in each of its attempts, until it is let go.
struct Stuck {
    tell: mpsc::Sender<(Pid, mpsc::Sender<()>)>,
}

impl Stuck {
    fn new() -> (Stuck, mpsc::Receiver<(Pid, mpsc::Sender<()>)>) {
        let (tell, told) = mpsc::channel();
        (Stuck { tell }, told)
    }

    fn attempt(&self) -> impl Future<Output = ()> + Send + use<> {
        let tell = self.tell.clone();
        async move {
            let (release, released) = mpsc::channel();
            tell.send((process::current().unwrap(), release)).unwrap();
            let _ = released.recv();
            // A value would count, as long as nobody has looked.
            pending().await
        }
    }
}

#[test]
fn an_abandoned_item_may_be_tried_again_and_its_slot_is_its_own() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let (stuck, told) = Stuck::new();
    let (results, counts) = runtime
        .block_on(async move {
            let stream = Task::async_stream(0..2u32, move |n| {
                let attempt = (n == 0).then(|| stuck.attempt());
                async move {
                    if let Some(attempt) = attempt {
                        attempt.await;
                    }
                }
            });
            let stream = stream.max_concurrency(1).timeout(10 * MS).retry(Retry::times(2));
            let progress = stream.progress();
            let results = stream.collect().await;
            (results, (progress.abandoned(), progress.retried(), progress.failed(), progress.running()))
        })
        .unwrap();
    assert!(matches!(results[..], [Err(Exit::Timeout(_)), Ok(())]), "{results:?}");
    assert_eq!(counts, (3, 2, 1, 0));
    assert_eq!(told.try_iter().count(), 3, "and they are let go");
}

#[test]
fn an_abandoned_item_ends_the_stream_if_a_timeout_does() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let (stuck, told) = Stuck::new();
    let stream = async move {
        let stream = Task::async_stream(0..2, move |_| stuck.attempt());
        stream.max_concurrency(1).timeout(10 * MS).on_timeout(StreamTimeout::EndStream).collect().await
    };
    let results = runtime.block_on(stream).unwrap();
    assert!(matches!(results[..], [Err(Exit::Timeout(_))]), "{results:?}");
    drop(told);
}

/// Both rings of a slot, that it was abandoned and that its poll returned after all, are there when the consumer looks.
#[test]
fn an_end_after_the_item_was_abandoned_cuts_no_wait_short() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let (stuck, told) = Stuck::new();
    let n_more = runtime.block_on(async move {
        let hour = Duration::from_secs(3600);
        let retry = Retry::times(1).backoff(Backoff::exponential(hour, hour));
        let mut stream = Task::async_stream([()], move |()| stuck.attempt()).timeout(10 * MS).retry(retry);
        assert!(stream.next().now_or_never().is_none());
        let (pid, release) = told.recv().unwrap();
        // In the way of its own consumer: nobody looks meanwhile.
        while process::info(pid).is_some_and(|info| info.state != ProcessState::Abandoned) {
            std::thread::yield_now();
        }
        let end = process::monitor(pid);
        drop(release);
        end.await;
        let progress = stream.progress();
        while progress.retried() == 0 {
            assert!(stream.next().now_or_never().is_none());
            tokio::task::yield_now().await;
        }
        for _ in 0..100 {
            assert!(stream.next().now_or_never().is_none());
            tokio::task::yield_now().await;
        }
        told.try_iter().count()
    });
    assert_eq!(n_more, Ok(0), "the next attempt is an hour away");
}

/// An async source that finds its item ended, and has nothing more for now: the end is not overlooked.
#[test]
fn an_item_that_ends_during_the_pull_is_delivered() {
    struct Slow(Option<mpsc::Receiver<Pid>>, bool);

    impl Stream for Slow {
        type Item = ();

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<()>> {
            if !std::mem::replace(&mut self.1, true) {
                return Poll::Ready(Some(()));
            }
            if let Some(pid) = self.0.take().map(|pids| pids.recv().unwrap()) {
                while process::info(pid).is_some() {
                    std::thread::yield_now();
                }
                // It is gone; let its handle be told.
                (0..100).for_each(|_| std::thread::yield_now());
            }
            Poll::Pending
        }
    }

    let runtime = Runtime::builder().workers(2).build().unwrap();
    for _ in 0..50 {
        let (tell, told) = mpsc::channel();
        let first = runtime.block_on(async move {
            let work = move |()| {
                let tell = tell.clone();
                async move { tell.send(process::current().unwrap()).unwrap() }
            };
            let stream = Task::async_stream_from(Slow(Some(told), false), work).max_concurrency(2);
            stream.timeout(Timeout::Infinity).next().await
        });
        assert_eq!(first, Ok(Some(Ok(()))));
    }
}

/// Never started, as its runtime is gone: a retry without a wait and without end must not keep the consumer in one poll.
#[test]
fn retries_of_what_cannot_start_let_the_consumer_go() {
    let gone = Runtime::builder().workers(1).build().unwrap();
    let stream = gone.block_on(async {
        let mut stream = Task::async_stream(0.., |_: u32| pending::<()>()).max_concurrency(1);
        stream = stream.retry(Retry::times(usize::MAX));
        assert!(stream.next().now_or_never().is_none());
        stream
    });
    let mut stream = stream.unwrap();
    assert!(gone.shutdown(SECOND).is_clean());
    for _ in 0..10 {
        assert!(stream.next().now_or_never().is_none());
    }
}

/// A panic of the stream is one of the poll: who catches it may go on with everything else.
#[test]
fn a_panic_in_a_clone_that_is_caught_ends_the_stream() {
    in_every_order(|| async {
        let probe = Probe::default();
        let of_inputs = probe.clone();
        let inputs = (5..).map(move |n| Input::new(n, From::Clone, &of_inputs));
        let mut stream = Task::async_stream(inputs, |input: Input| async move { input.0 }).zip_input_on_exit();
        assert!(AssertUnwindSafe(stream.next()).catch_unwind().await.is_err());
        assert!(stream.next().await.is_none() && stream.size_hint() == (0, Some(0)));
        sleep(MS).await;
        assert_eq!(probe.n_alive(), 0);
    });
}

/// Its first poll does not return, so it cannot end itself: it is killed, and a checkpoint may tell it so.
#[test]
fn without_time_to_lose_a_first_poll_may_be_ended_at_a_checkpoint() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let (results, end) = runtime
        .block_on(async {
            let (tell, told) = mpsc::channel();
            let stream = Task::async_stream([()], move |()| {
                let tell = tell.clone();
                async move {
                    tell.send(process::current().unwrap()).unwrap();
                    loop {
                        cordial::checkpoint();
                    }
                }
            });
            let results: Vec<Result<(), Exit>> = stream.timeout(Duration::ZERO).collect().await;
            (results, process::monitor(told.recv().unwrap()).await)
        })
        .unwrap();
    assert!(matches!(results[..], [Err(Exit::Timeout(_))]), "{results:?}");
    assert!(matches!(end, Exit::Killed | Exit::NoProcess), "{end}");
}

/// The process of an item has ended when its value goes: what the destructor does, it does in nobody's name.
#[test]
fn a_value_that_nobody_wants_is_dropped_outside_of_its_process() {
    struct Nosy(Arc<AtomicUsize>);

    impl Drop for Nosy {
        fn drop(&mut self) {
            let is_ghost = process::current().is_some_and(|own| process::info(own).is_none());
            self.0.fetch_add(if is_ghost { 1000 } else { 1 }, Ordering::SeqCst);
        }
    }

    in_every_order(|| async {
        let (n_dropped, probe) = (Arc::new(AtomicUsize::new(0)), Probe::default());
        let (count, guards) = (n_dropped.clone(), probe.clone());
        let work = move |()| {
            let (nosy, guard) = (Nosy(count.clone()), guards.guard());
            async move {
                let _exits = process::trap_exits();
                let _guard = guard;
                sleep(MS).await;
                nosy
            }
        };
        let mut stream = Task::async_stream([(); 3], work).max_concurrency(3);
        assert!(stream.next().now_or_never().is_none());
        tokio::task::yield_now().await;
        sleep(MS / 2).await;
        drop(stream);
        sleep(SECOND).await;
        assert_eq!((n_dropped.load(Ordering::SeqCst), probe.n_alive()), (3, 0));
    });
}

/// What comes late is for nobody, so nobody keeps it: a consumer that is away would hold one for each attempt that was abandoned.
#[test]
fn what_an_abandoned_attempt_gives_after_all_is_dropped_at_once() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let held = runtime.block_on(async {
        let (probe, (tell, told)) = (Probe::default(), mpsc::channel());
        let guards = probe.clone();
        let work = move |n: u32| {
            let (tell, guards) = (tell.clone(), guards.clone());
            async move {
                let (release, released) = mpsc::channel::<()>();
                tell.send((process::current().unwrap(), release)).unwrap();
                let _ = released.recv();
                (n, guards.guard())
            }
        };
        let mut stream = Task::async_stream(0..4, work).max_concurrency(1).max_ahead(0).timeout(10 * MS);
        for _ in 0..3 {
            assert!(matches!(stream.next().await, Some(Err(Exit::Timeout(_)))));
        }
        let hostages: Vec<_> = told.try_iter().collect();
        assert_eq!(hostages.len(), 3);
        for (pid, release) in hostages {
            let end = process::monitor(pid);
            drop(release);
            end.await;
        }
        // Each has been told of; its value goes a moment later.
        let begun = Instant::now();
        while probe.drops() < 3 && begun.elapsed() < SECOND {
            sleep(MS).await;
        }
        let held = probe.n_alive();
        drop(stream);
        held
    });
    assert_eq!(held, Ok(0), "the stream was not polled meanwhile");
}

#[test]
fn the_waker_of_a_consumer_goes_with_the_stream_even_if_an_item_is_stuck() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let (stuck, told) = Stuck::new();
    let n_holders = runtime.block_on(async move {
        let mut stream = Task::async_stream([()], move |()| stuck.attempt());
        let waker = Arc::new(Hostile(AtomicUsize::new(99)));
        assert!(stream.poll_next_unpin(&mut Context::from_waker(&Waker::from(waker.clone()))).is_pending());
        let _stuck = told.recv().unwrap();
        drop(stream);
        Arc::strong_count(&waker)
    });
    assert_eq!(n_holders, Ok(1));
}

/// A waker that panics when the last of it goes.
struct Brittle;

impl Wake for Brittle {
    fn wake(self: Arc<Brittle>) {}
}

impl Drop for Brittle {
    fn drop(&mut self) {
        panic!("a waker that panics when it is dropped");
    }
}

#[test]
fn a_waker_that_panics_when_it_is_dropped_ends_no_stream() {
    in_every_order(|| async {
        let work = |n: u32| sleep(n * MS);
        for n_polls in [1, 2, 3] {
            let mut stream = Task::async_stream(1..=4, work).max_concurrency(4);
            for _ in 0..n_polls {
                let brittle = std::mem::ManuallyDrop::new(Waker::from(Arc::new(Brittle)));
                let polled = stream.poll_next_unpin(&mut Context::from_waker(&brittle));
                assert!(polled.is_pending());
                // The stream has the last of them.
                drop(std::mem::ManuallyDrop::into_inner(brittle));
            }
            if n_polls == 1 {
                drop(stream);
                continue;
            }
            sleep(2 * MS).await;
            assert_eq!(stream.collect().await, vec![Ok(()); 4]);
        }
    });
}

/// Items on a runtime that is shut down while some run, some are stuck and some wait for a worker: each is answered.
#[test]
fn a_consumer_elsewhere_hears_of_every_item_of_a_runtime_that_is_shut_down() {
    for n_workers in [1, 2, 8] {
        let [here, there] = [n_workers, 1].map(|n| Runtime::builder().workers(n).build().unwrap());
        let probe = Probe::default();
        let (guards, (stuck, told)) = (probe.clone(), Stuck::new());
        let started = here.block_on(async move {
            let work = move |n: u32| {
                let (attempt, guard) = ((n == 0).then(|| stuck.attempt()), guards.guard());
                async move {
                    if let Some(attempt) = attempt {
                        attempt.await;
                    }
                    match n % 3 {
                        0 => pending().await,
                        1 => tokio::task::yield_now().await,
                        _ => {}
                    }
                    guard
                }
            };
            let mut stream = Task::async_stream(0..12, work).unordered().max_concurrency(6).timeout(Timeout::Infinity);
            assert!(stream.next().now_or_never().is_none_or(|first| first.is_some()));
            stream
        });
        let stream = started.unwrap();
        let progress = stream.progress();
        let (_, release) = told.recv().unwrap();
        let n_seen = std::thread::scope(|scope| {
            let consumer = scope.spawn(move || there.block_on(async move { stream.collect().await.len() }));
            let report = here.shutdown(Duration::ZERO);
            drop(release);
            drop(report);
            consumer.join().unwrap().unwrap()
        });
        assert!(n_seen == 12 || n_seen == 11, "{n_seen}");
        assert_eq!((progress.running(), progress.given_up(), progress.succeeded() + progress.failed()), (0, 0, 12));
        assert_eq!(probe.n_alive(), 0);
    }
}

/// It comes behind what is ready on its thread, but not behind what becomes ready for ever.
#[test]
fn a_consumer_among_thousands_of_ready_tasks_has_its_turn() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let per_task = runtime.block_on(async {
        let n_turns = Arc::new(AtomicUsize::new(0));
        let crowd: Vec<_> = (0..1000)
            .map(|_| {
                let n_turns = n_turns.clone();
                Task::spawn(async move {
                    loop {
                        n_turns.fetch_add(1, Ordering::Relaxed);
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        let n_done = Task::async_stream(0..20, |n| async move { n }).max_concurrency(1).count().await;
        assert_eq!(n_done, 20);
        drop::<Vec<Task<()>>>(crowd);
        n_turns.load(Ordering::Relaxed) / 1000
    });
    let per_task = per_task.unwrap();
    assert!(per_task <= 100, "twenty results took {per_task} turns of everybody else");
}

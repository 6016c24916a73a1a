//! A parallel stream among code that panics: clones, conversions, destructors. Nothing is left behind, and nothing hangs.

use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cordial::{Exit, Retry, Task};
use futures::{FutureExt, Stream, StreamExt};
use tokio::time::sleep;

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

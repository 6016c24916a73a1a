//! Panics in user code that a parallel stream calls: clones, conversions, destructors. Nothing is left behind, and nothing hangs.

use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cordial::{Exit, Retry, Task};
use futures::{FutureExt, Stream, StreamExt};
use tokio::time::sleep;

use crate::harness::probe::Probe;
use crate::harness::seeds::{SECOND, for_each_seed};

const MS: Duration = Duration::from_millis(1);

/// The code that panics.
#[derive(Clone, Copy, Debug, PartialEq)]
enum PanicSite {
    Clone,
    Conversion,
    InputDrop,
    ResultDrop,
}

/// A counted input. Number 5 panics at the given site.
struct Input(u32, PanicSite, #[expect(dead_code, reason = "counts")] crate::harness::probe::Guard, Probe);

impl Input {
    fn new(n: u32, site: PanicSite, probe: &Probe) -> Input {
        Input(n, site, probe.guard(), probe.clone())
    }
}

impl Clone for Input {
    fn clone(&self) -> Input {
        assert!(self.0 != 5 || self.1 != PanicSite::Clone, "no luck");
        Input::new(self.0, self.1, &self.3)
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        // A second panic while unwinding would abort the program.
        assert!(self.0 != 5 || self.1 != PanicSite::InputDrop || std::thread::panicking(), "no luck");
    }
}

/// An error whose conversion panics.
struct Inconvertible;

impl From<Inconvertible> for Box<dyn std::error::Error + Send + Sync> {
    fn from(_: Inconvertible) -> Self {
        panic!("no luck")
    }
}

/// A value that panics when it is dropped, if the flag is set.
struct PanicsOnDrop(bool);

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        assert!(!self.0 || std::thread::panicking(), "no luck");
    }
}

#[test]
fn a_panic_in_a_clone_a_conversion_or_a_destructor_ends_the_consumer_and_leaves_nothing_behind() {
    for site in [PanicSite::Clone, PanicSite::Conversion, PanicSite::InputDrop, PanicSite::ResultDrop] {
        for_each_seed(move || async move {
            let (probe, n_made) = (Probe::default(), Arc::new(AtomicUsize::new(0)));
            let (of_items, count) = (probe.clone(), n_made.clone());
            let consumer = Task::spawn(async move {
                let of_inputs = of_items.clone();
                let inputs = (0..).map(move |n| Input::new(n, site, &of_inputs));
                let work = move |input: Input| {
                    count.fetch_add(1, Ordering::SeqCst);
                    let guard = of_items.guard();
                    // Dropped here, in the consumer. Inside the item, the panic would be the exit of the item.
                    let n = input.0;
                    drop(input);
                    async move {
                        let _guard = guard;
                        match n {
                            1 => pending().await,
                            5 if site == PanicSite::Conversion => Err(Inconvertible),
                            _ => Ok(PanicsOnDrop(n == 5 && site == PanicSite::ResultDrop)),
                        }
                    }
                };
                let stream = Task::async_stream(inputs, work).or_exit().max_concurrency(3).retry(Retry::times(1));
                stream.unordered().for_each(async |_| ()).await;
            });
            let Err(Exit::Panic(report)) = consumer.await else { panic!("{site:?} must panic") };
            assert_eq!(report.message(), "no luck", "{site:?}");
            sleep(MS).await;
            // Inputs, their clones and the items are all counted by one probe.
            assert_eq!(probe.n_alive(), 0, "{site:?}, after {} attempts", n_made.load(Ordering::SeqCst));
        });
    }
}

#[test]
fn a_future_that_panics_in_its_destructor_is_one_failure() {
    for_each_seed(|| async {
        let work = |n: u32| {
            let value = PanicsOnDrop(n == 1);
            async move {
                let _value = value;
                if n == 1 {
                    sleep(SECOND).await
                }
                n
            }
        };
        let results = Task::async_stream(0..3, work).timeout(2 * SECOND).collect().await;
        assert!(matches!(&results[..], [Ok(0), Err(Exit::Panic(_)), Ok(2)]), "{results:?}");
        // The item is ended by its timeout, and its destructor panics then.
        let results = Task::async_stream(0..3, work).timeout(SECOND / 2).collect().await;
        assert!(matches!(&results[..], [Ok(0), Err(_), Ok(2)]), "{results:?}");
    });
}

/// A panic of the stream unwinds out of its poll. A consumer that catches the panic can continue.
#[test]
fn a_caught_panic_in_a_clone_ends_the_stream() {
    for_each_seed(|| async {
        let probe = Probe::default();
        let of_inputs = probe.clone();
        let inputs = (5..).map(move |n| Input::new(n, PanicSite::Clone, &of_inputs));
        let mut stream = Task::async_stream(inputs, |input: Input| async move { input.0 }).zip_input_on_exit();
        assert!(AssertUnwindSafe(stream.next()).catch_unwind().await.is_err());
        assert!(stream.next().await.is_none() && stream.size_hint() == (0, Some(0)));
        sleep(MS).await;
        assert_eq!(probe.n_alive(), 0);
    });
}

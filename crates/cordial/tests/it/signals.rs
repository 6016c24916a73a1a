//! Which signal does what: the table in `process/mod.rs`, row by row and column by column.
//!
//! `cases.md` 4.23: L-005, L-006; `elixir.md` 1.0.

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cordial::process::{self, ProcessState};
use cordial::{Exit, Pid, Task, testing};
use futures::StreamExt;
use tokio::sync::oneshot;

/// Longer than anything here takes, on a clock that is virtual.
const SETTLED: Duration = Duration::from_secs(3600);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Receiver {
    Plain,
    AskedToBeTold,
    Trapping,
}

use Receiver::{AskedToBeTold, Plain, Trapping};

#[derive(Clone, Debug)]
enum Signal {
    Sent(Exit),
    SentByItself(Exit),
    SentFromOutside(Exit),
    PeerEnded(Exit),
    /// The exit of the peer is the consequence of a kill that was sent to it.
    PeerWasKilled,
}

use Signal::{PeerEnded, PeerWasKilled, Sent, SentByItself, SentFromOutside};

/// What a receiver shows of a signal.
#[derive(Clone, Debug, PartialEq)]
enum Effect {
    Ignored,
    Ends(Exit),
    /// It lives, and knows that it was asked.
    Told,
    /// It lives, and its `Exits` gave this.
    Value(By, Exit),
    /// Both.
    ToldAndValue(By, Exit),
}

use Effect::{Ends, Ignored, Told, ToldAndValue, Value};

#[derive(Clone, Copy, Debug, PartialEq)]
enum By {
    TheSender,
    Itself,
}

use By::{Itself, TheSender};

fn shutdown() -> Exit {
    Exit::Shutdown(None)
}

fn shutdown_because() -> Exit {
    Exit::Shutdown(Some("enough".into()))
}

fn error() -> Exit {
    Exit::from(std::io::Error::other("the disk is gone"))
}

/// A receiver of each kind gets the signal, each in a simulation of its own.
fn check(signal: &Signal, expected: [(Receiver, Effect); 3]) {
    for (receiver, expected) in expected {
        let (given, of) = (signal.clone(), signal.clone());
        let effect = testing::run(async move { observe(given, receiver).await });
        assert_eq!(effect, expected, "{of:?} to a receiver that is {receiver:?}");
    }
}

async fn observe(signal: Signal, receiver: Receiver) -> Effect {
    let values: Arc<Mutex<Vec<(Pid, Exit)>>> = Arc::default();
    let (is_ready, ready) = oneshot::channel();
    let pid = Task::start(receive(receiver, signal.clone(), is_ready, values.clone()));
    let mut end = process::monitor(pid);
    ready.await.unwrap();
    let sender = match signal {
        Sent(reason) => Some(Task::start(async move { process::exit(pid, reason) })),
        SentByItself(_) => None,
        // A task of tokio's is no process.
        SentFromOutside(reason) => {
            spawn_outside(async move { process::exit(pid, reason) });
            None
        }
        PeerEnded(exit) => Some(Task::start(async move {
            process::link(pid);
            cordial::exit(exit).await
        })),
        PeerWasKilled => {
            let (is_linked, linked) = oneshot::channel();
            let peer = Task::start(async move {
                process::link(pid);
                let _ = is_linked.send(());
                std::future::pending::<()>().await
            });
            linked.await.unwrap();
            process::exit(peer, Exit::Killed);
            Some(peer)
        }
    };
    let ended = tokio::time::timeout(SETTLED, &mut end).await.ok();
    let values = values.lock().unwrap().clone();
    if let Some(exit) = ended {
        assert_eq!(values, [], "it has ended, so nothing was a value");
        return Ends(exit);
    }
    let was_told = process::info(pid).unwrap().state == ProcessState::Asked;
    process::exit(pid, Exit::Killed);
    match &values[..] {
        [] if was_told => Told,
        [] => Ignored,
        [(from, exit)] => {
            let from = if *from == pid { Itself } else { TheSender };
            assert!(from == Itself || sender == Some(values[0].0), "a stranger's pid came with the value");
            if was_told { ToldAndValue(from, exit.clone()) } else { Value(from, exit.clone()) }
        }
        several => panic!("one signal was told {} times: {several:?}", several.len()),
    }
}

#[expect(clippy::disallowed_methods, reason = "what is tested here comes from outside")]
fn spawn_outside(future: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(future));
}

async fn receive(
    receiver: Receiver,
    signal: Signal,
    is_ready: oneshot::Sender<()>,
    values: Arc<Mutex<Vec<(Pid, Exit)>>>,
) {
    let mut exits = (receiver == Trapping).then(process::trap_exits);
    let mut request = pin!(cordial::shutdown_requested());
    if receiver == AskedToBeTold {
        assert!(futures::poll!(&mut request).is_pending());
    }
    if let SentByItself(reason) = signal {
        process::exit(process::current().unwrap(), reason);
    }
    let _ = is_ready.send(());
    let Some(exits) = &mut exits else { return std::future::pending().await };
    while let Some(value) = exits.next().await {
        values.lock().unwrap().push(value);
    }
}

#[test]
fn a_kill_that_is_sent_ends_everybody() {
    for signal in [Sent(Exit::Killed), SentByItself(Exit::Killed), SentFromOutside(Exit::Killed)] {
        check(&signal, [Plain, AskedToBeTold, Trapping].map(|receiver| (receiver, Ends(Exit::Killed))));
    }
}

#[test]
fn a_request_to_shut_down_ends_only_who_did_not_ask_to_be_told() {
    for reason in [shutdown, shutdown_because] {
        for (signal, from) in
            [(Sent(reason()), TheSender), (SentByItself(reason()), Itself), (SentFromOutside(reason()), Itself)]
        {
            check(&signal, [(Plain, Ends(reason())), (AskedToBeTold, Told), (Trapping, ToldAndValue(from, reason()))]);
        }
    }
}

#[test]
fn a_normal_exit_that_is_sent_ends_only_the_sender_itself() {
    let ignored = |from| [(Plain, Ignored), (AskedToBeTold, Ignored), (Trapping, Value(from, Exit::Normal))];
    check(&Sent(Exit::Normal), ignored(TheSender));
    check(&SentFromOutside(Exit::Normal), ignored(Itself));
    let ends = Ends(Exit::Normal);
    check(
        &SentByItself(Exit::Normal),
        [(Plain, ends.clone()), (AskedToBeTold, ends), (Trapping, Value(Itself, Exit::Normal))],
    );
}

#[test]
fn any_other_exit_that_is_sent_ends_who_does_not_trap() {
    for reason in [error(), Exit::NoProcess] {
        for (signal, from) in [
            (Sent(reason.clone()), TheSender),
            (SentByItself(reason.clone()), Itself),
            (SentFromOutside(reason.clone()), Itself),
        ] {
            let ends = Ends(reason.clone());
            check(&signal, [(Plain, ends.clone()), (AskedToBeTold, ends), (Trapping, Value(from, reason.clone()))]);
        }
    }
}

#[test]
fn the_normal_end_of_a_linked_process_is_only_told() {
    check(
        &PeerEnded(Exit::Normal),
        [(Plain, Ignored), (AskedToBeTold, Ignored), (Trapping, Value(TheSender, Exit::Normal))],
    );
}

/// Only who traps survives it: an exit that comes over a link is no request, and `Killed` is one like any other.
#[test]
fn any_other_end_of_a_linked_process_ends_who_does_not_trap() {
    let signals = [shutdown(), shutdown_because(), error(), Exit::NoProcess, Exit::Killed]
        .map(|exit| (PeerEnded(exit.clone()), exit))
        .into_iter()
        .chain([(PeerWasKilled, Exit::Killed)]);
    for (signal, exit) in signals {
        let ends = Ends(exit.clone());
        check(&signal, [(Plain, ends.clone()), (AskedToBeTold, ends), (Trapping, Value(TheSender, exit))]);
    }
}

#[test]
fn the_first_signal_that_ends_a_process_decides_its_exit() {
    testing::run(async {
        let task = Task::spawn(std::future::pending::<()>());
        process::exit(task.pid(), Exit::Normal); // ignored
        process::exit(task.pid(), shutdown_because());
        process::exit(task.pid(), error());
        process::exit(task.pid(), Exit::Killed);
        assert_eq!(task.await, Err(shutdown_because()));
    });
}

#[test]
fn a_crash_while_ending_goes_before_the_exit_that_was_sent() {
    struct Crashes;
    impl Drop for Crashes {
        fn drop(&mut self) {
            panic!("no luck");
        }
    }
    testing::run(async {
        let task = Task::spawn(async {
            let _crashes = Crashes;
            std::future::pending::<()>().await
        });
        tokio::task::yield_now().await;
        process::exit(task.pid(), Exit::Killed);
        let Err(Exit::Panic(report)) = task.await else { panic!("the crash was lost") };
        assert_eq!(report.message(), "no luck");
    });
}

#[test]
fn a_signal_to_nobody_is_ignored() {
    testing::run(async {
        let completed = Task::completed(());
        process::exit(completed.pid(), Exit::Killed);
        let dead = Task::start(async {});
        assert_eq!(process::monitor(dead).await, Exit::Normal);
        process::exit(dead, Exit::Killed);
        assert_eq!(process::monitor(dead).await, Exit::NoProcess);
    });
}

#[test]
fn a_process_may_end_itself_with_any_exit_even_if_it_traps() {
    for exit in [Exit::Normal, shutdown(), shutdown_because(), Exit::Killed, error(), Exit::NoProcess] {
        let expected = exit.clone();
        testing::run(async move {
            let pid = Task::start(async move {
                let _exits = process::trap_exits();
                cordial::exit(exit).await
            });
            assert_eq!(process::monitor(pid).await, expected);
        });
    }
}

/// An error that looks at a process when it is dropped, as user code may.
#[derive(Debug)]
struct LooksAround {
    at: Pid,
    n_looked: Arc<AtomicUsize>,
}

impl fmt::Display for LooksAround {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it looks around")
    }
}

impl std::error::Error for LooksAround {}

impl Drop for LooksAround {
    fn drop(&mut self) {
        let _ = process::info(self.at);
        self.n_looked.fetch_add(1, Ordering::SeqCst);
    }
}

/// Regression: the error was dropped under the lock of the receiver, and its destructor waited for that lock for ever.
#[test]
fn an_exit_that_nobody_takes_is_dropped_outside_of_every_lock() {
    let n_looked: Arc<AtomicUsize> = Arc::default();
    let counter = n_looked.clone();
    testing::run(async move {
        let looks = move |at| Exit::Error(Arc::new(LooksAround { at, n_looked: counter.clone() }));
        let task = Task::spawn(std::future::pending::<()>());
        process::exit(task.pid(), error());
        process::exit(task.pid(), looks(task.pid()));
        assert_eq!(task.await, Err(error()), "it was ending already");

        let look = looks.clone();
        let ends_twice = Task::spawn(async move {
            let own = process::current().unwrap();
            process::exit(own, error());
            cordial::exit(look(own)).await
        });
        assert_eq!(ends_twice.await.map(|never: ()| never), Err(error()), "it was ending by itself");

        let dead = Task::start(async {});
        assert_eq!(process::monitor(dead).await, Exit::Normal);
        process::exit(dead, looks(dead));
    });
    assert_eq!(n_looked.load(Ordering::SeqCst), 3);
}

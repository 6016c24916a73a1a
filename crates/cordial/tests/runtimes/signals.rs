//! The effect of each signal: the table in `process/mod.rs`, row by row and column by column.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cordial::process::{self, ProcessState};
use cordial::{Exit, Pid, Task, testing};
use futures::StreamExt;
use tokio::sync::oneshot;

/// Longer than anything here takes, on the virtual clock.
const SETTLED: Duration = Duration::from_secs(3600);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Receiver {
    Plain,
    OptedIn,
    Trapping,
}

use Receiver::{OptedIn, Plain, Trapping};

#[derive(Clone, Debug)]
enum Signal {
    Sent(Exit),
    SentByItself(Exit),
    SentFromOutside(Exit),
    PeerEnded(Exit),
    /// The peer was killed, and its exit arrives over the link.
    PeerWasKilled,
}

use Signal::{PeerEnded, PeerWasKilled, Sent, SentByItself, SentFromOutside};

/// The observed effect of a signal.
#[derive(Clone, Debug, PartialEq)]
enum Effect {
    Ignored,
    Ends(Exit),
    /// The receiver continues to run, and `is_shutdown_requested` is true.
    Requested,
    /// The receiver continues to run, and its `Exits` stream returned this.
    Value(Origin, Exit),
    /// The effects of `Requested` and `Value` together.
    RequestedAndValue(Origin, Exit),
}

use Effect::{Ends, Ignored, Requested, RequestedAndValue, Value};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Origin {
    TheSender,
    Itself,
}

use Origin::{Itself, TheSender};

fn shutdown() -> Exit {
    Exit::Shutdown(None)
}

fn shutdown_because() -> Exit {
    Exit::Shutdown(Some("enough".into()))
}

fn error() -> Exit {
    Exit::from(std::io::Error::other("the disk is gone"))
}

/// Sends the signal to a receiver of each kind, each in a simulation of its own.
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
        // A tokio task is not a process.
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
        assert_eq!(values, [], "a signal that ends the receiver is not trapped");
        return Ends(exit);
    }
    let is_requested = process::info(pid).unwrap().state == ProcessState::ShutdownRequested;
    process::exit(pid, Exit::Killed);
    match &values[..] {
        [] if is_requested => Requested,
        [] => Ignored,
        [(from, exit)] => {
            let from = if *from == pid { Itself } else { TheSender };
            assert!(from == Itself || sender == Some(values[0].0), "the trapped exit has the pid of another process");
            if is_requested { RequestedAndValue(from, exit.clone()) } else { Value(from, exit.clone()) }
        }
        several => panic!("one signal was trapped {} times: {several:?}", several.len()),
    }
}

#[expect(clippy::disallowed_methods, reason = "the signal has to come from outside of any process")]
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
    if receiver == OptedIn {
        assert!(futures::poll!(cordial::shutdown_requested()).is_pending());
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

// L-005
#[test]
fn a_sent_kill_ends_every_receiver() {
    for signal in [Sent(Exit::Killed), SentByItself(Exit::Killed), SentFromOutside(Exit::Killed)] {
        check(&signal, [Plain, OptedIn, Trapping].map(|receiver| (receiver, Ends(Exit::Killed))));
    }
}

#[test]
fn a_shutdown_request_ends_only_receivers_that_did_not_opt_in() {
    for reason in [shutdown, shutdown_because] {
        for (signal, from) in
            [(Sent(reason()), TheSender), (SentByItself(reason()), Itself), (SentFromOutside(reason()), Itself)]
        {
            check(
                &signal,
                [(Plain, Ends(reason())), (OptedIn, Requested), (Trapping, RequestedAndValue(from, reason()))],
            );
        }
    }
}

// L-006
#[test]
fn a_sent_normal_exit_ends_only_its_own_sender() {
    let ignored = |from| [(Plain, Ignored), (OptedIn, Ignored), (Trapping, Value(from, Exit::Normal))];
    check(&Sent(Exit::Normal), ignored(TheSender));
    check(&SentFromOutside(Exit::Normal), ignored(Itself));
    let ends = Ends(Exit::Normal);
    check(
        &SentByItself(Exit::Normal),
        [(Plain, ends.clone()), (OptedIn, ends), (Trapping, Value(Itself, Exit::Normal))],
    );
}

#[test]
fn any_other_sent_exit_ends_receivers_that_do_not_trap() {
    for reason in [error(), Exit::NoProcess] {
        for (signal, from) in [
            (Sent(reason.clone()), TheSender),
            (SentByItself(reason.clone()), Itself),
            (SentFromOutside(reason.clone()), Itself),
        ] {
            let ends = Ends(reason.clone());
            check(&signal, [(Plain, ends.clone()), (OptedIn, ends), (Trapping, Value(from, reason.clone()))]);
        }
    }
}

#[test]
fn the_normal_exit_of_a_linked_process_can_only_be_trapped() {
    check(&PeerEnded(Exit::Normal), [(Plain, Ignored), (OptedIn, Ignored), (Trapping, Value(TheSender, Exit::Normal))]);
}

/// Only a trapping process survives: an exit over a link is not a request, and a `Killed` over a link can be trapped.
#[test]
fn any_other_exit_of_a_linked_process_ends_receivers_that_do_not_trap() {
    let signals = [shutdown(), shutdown_because(), error(), Exit::NoProcess, Exit::Killed]
        .map(|exit| (PeerEnded(exit.clone()), exit))
        .into_iter()
        .chain([(PeerWasKilled, Exit::Killed)]);
    for (signal, exit) in signals {
        let ends = Ends(exit.clone());
        check(&signal, [(Plain, ends.clone()), (OptedIn, ends), (Trapping, Value(TheSender, exit))]);
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
fn a_panic_in_a_destructor_replaces_the_exit_that_was_sent() {
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
fn a_signal_to_an_unknown_pid_is_ignored() {
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

/// An error whose destructor reads the info of a process, as user code may.
#[derive(Debug)]
struct ReadsInfoOnDrop {
    pid: Pid,
    n_drops: Arc<AtomicUsize>,
}

impl fmt::Display for ReadsInfoOnDrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("reads info on drop")
    }
}

impl std::error::Error for ReadsInfoOnDrop {}

impl Drop for ReadsInfoOnDrop {
    fn drop(&mut self) {
        let _ = process::info(self.pid);
        self.n_drops.fetch_add(1, Ordering::SeqCst);
    }
}

/// Regression: the error was dropped under the lock of the receiver, and its destructor deadlocked on that lock.
#[test]
fn an_unused_exit_is_dropped_outside_of_every_lock() {
    let n_drops: Arc<AtomicUsize> = Arc::default();
    let counter = n_drops.clone();
    testing::run(async move {
        let exit_for = move |pid| Exit::Error(Arc::new(ReadsInfoOnDrop { pid, n_drops: counter.clone() }));
        let task = Task::spawn(std::future::pending::<()>());
        process::exit(task.pid(), error());
        process::exit(task.pid(), exit_for(task.pid()));
        assert_eq!(task.await, Err(error()), "the first signal decides");

        let own_exit = exit_for.clone();
        let ends_twice = Task::spawn(async move {
            let own = process::current().unwrap();
            process::exit(own, error());
            cordial::exit(own_exit(own)).await
        });
        assert_eq!(ends_twice.await.map(|never: ()| never), Err(error()), "the first signal decides");

        let dead = Task::start(async {});
        assert_eq!(process::monitor(dead).await, Exit::Normal);
        process::exit(dead, exit_for(dead));
    });
    assert_eq!(n_drops.load(Ordering::SeqCst), 3);
}

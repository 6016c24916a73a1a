//! How a server stops.

use std::future::{pending, ready};
use std::sync::mpsc;

use cordial::server::{Context, Handle, Server, ServerRef};
use cordial::{
    Backoff, ChildSpec, Exit, Pid, Restart, Shutdown, Strategy, Supervisor, Task, TaskSupervisor, process, testing,
};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::harness::children::{Log, settle};
use crate::harness::limited;
use crate::work::{Crash, SECOND, Say, Slow, With, Worker, is_stopped};

#[test]
fn a_stop_finishes_the_message_in_hand_and_refuses_the_others() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::start(&log);
        server.cast(Slow(1, "in-hand")).await.unwrap();
        settle().await;
        let begun = Instant::now();
        let (report, queued, cast) =
            tokio::join!(server.stop(), server.call(Say("queued")), server.cast(Say("queued")));
        assert!(report.is_clean(), "{report}");
        assert!(begun.elapsed() <= SECOND);
        assert!(is_stopped(&queued) && cast.is_ok(), "{queued:?}, {cast:?}");
        assert_eq!(server.ended().await, Exit::Normal);
        assert_eq!(log.take(), "started in-hand stopping: ended normally");
        assert!(server.stop().await.is_clean());
    });
}

#[test]
fn a_stop_between_two_processes_refuses_what_waits() {
    for (seed, n_yields) in (0..20).flat_map(|seed| (0..20).map(move |n| (seed, n))) {
        testing::run_seeded(seed, async move {
            let server = Worker::builder(&Log::default()).restart(Restart::Permanent).start();
            server.cast(Crash("first")).await.unwrap();
            server.cast(Crash("second")).await.unwrap();
            let stop = async {
                for _ in 0..n_yields {
                    tokio::task::yield_now().await;
                }
                server.stop().await
            };
            let (waits, _) = tokio::join!(server.call(Say("four")), stop);
            // Never the crash of a message of another sender: a server that stops has not failed.
            assert!(waits == Ok(4) || is_stopped(&waits), "{waits:?} after {n_yields}");
        });
    }
}

#[test]
fn a_request_to_shut_down_stops_a_server() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::start(&log);
        settle().await;
        process::exit(server.pid(), Exit::Shutdown(None));
        assert_eq!(server.ended().await, Exit::Shutdown(None));
        assert_eq!(log.take(), "started stopping: was shut down");
    });
}

#[test]
fn a_kill_runs_no_stopping_and_is_the_answer_of_all_that_wait() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::start(&log);
        let (in_hand, queued, ()) = tokio::join!(server.call(Slow(1, "never")), server.call(Say("never")), async {
            settle().await;
            process::exit(server.pid(), Exit::Killed);
        });
        assert_eq!((in_hand, queued), (Err(Exit::Killed), Err(Exit::Killed)));
        assert_eq!(log.take(), "started");
    });
}

#[test]
fn the_process_of_a_server_that_is_killed_while_it_computes_handles_no_further_message() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::builder(&log).restart(Restart::Permanent).start();
        settle().await;
        let killed = With(|ctx: &mut Context<Worker>| {
            process::exit(ctx.pid(), Exit::Killed);
            std::future::ready("computed")
        });
        let (killed, queued, last) = tokio::join!(server.call(killed), server.call(Say("a")), server.call(Say("bb")));
        assert_eq!((killed, queued, last), (Ok("computed"), Ok(1), Ok(2)));
        assert_eq!(log.take(), "started started a bb");
    });
}

#[test]
fn a_server_stops_with_the_process_that_has_started_it() {
    testing::run(async {
        let log = Log::default();
        let of_owner = log.clone();
        let owner = async move {
            let server = Worker::start(&of_owner);
            settle().await;
            server
        };
        let server = Task::spawn(owner).await.unwrap();
        let unlinked = Log::default();
        let of_owner = unlinked.clone();
        let other = Task::spawn(async move { Worker::builder(&of_owner).unlinked().start() }).await.unwrap();
        server.ended().await;
        assert_eq!(log.take(), "started stopping: was shut down");
        assert_eq!(other.call(Say("lives")).await, Ok(5));
    });
}

/// Hangs in `stopping`, and in the handler of [`Hang`].
struct Hangs;
struct Hang;

impl Server for Hangs {
    async fn stopping(&mut self, _: &Exit) {
        pending().await
    }
}

impl Handle<Hang> for Hangs {
    type Reply = ();
    async fn handle(&mut self, _: Hang, _: &mut Context<Self>) {
        pending().await
    }
}

#[test]
fn a_stop_kills_a_server_whose_grace_time_is_over_and_reports_it() {
    testing::run(async {
        let start = || ServerRef::builder(|| Hangs).label("hangs").shutdown(2 * SECOND).start();
        let in_stopping = start();
        settle().await;
        let begun = Instant::now();
        let report = in_stopping.stop().await;
        assert_eq!(begun.elapsed(), 2 * SECOND);
        assert_eq!(report.killed[0].label.as_deref(), Some("hangs"));
        let in_handler = start();
        in_handler.cast(Hang).await.unwrap();
        settle().await;
        let begun = Instant::now();
        let report = in_handler.stop().await;
        assert_eq!(begun.elapsed(), 2 * SECOND);
        assert_eq!(report.killed[0].label.as_deref(), Some("hangs"));
        assert_eq!(in_handler.ended().await, Exit::Killed);
    });
}

#[test]
fn a_server_that_ends_by_itself_has_its_grace_time_too() {
    testing::run(async {
        struct Stops;
        impl Server for Stops {
            async fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), Exit> {
                ctx.stop(Exit::from("enough"));
                Ok(())
            }

            async fn stopping(&mut self, _: &Exit) {
                pending().await
            }
        }
        let begun = Instant::now();
        let server = ServerRef::builder(|| Stops).shutdown(Shutdown::After(3 * SECOND)).start();
        assert_eq!(server.ended().await.to_string(), "enough");
        assert_eq!(begun.elapsed(), 3 * SECOND);
    });
}

/// Starts a server, stops its supervisor while its handler is stuck in a poll, and returns the server with its abandoned process. That
/// process ends when the sender is dropped.
async fn abandoned() -> (ServerRef<Worker>, Pid, mpsc::Sender<()>) {
    let (log, tasks) = (Log::default(), TaskSupervisor::start());
    let (server, spec) = ChildSpec::server("worker", move || Worker { log: log.clone() });
    let stuck = tasks.start_child_with(spec.shutdown(Shutdown::BrutalKill)).unwrap();
    let (release, blocked) = mpsc::channel::<()>();
    let (entered, has_entered) = oneshot::channel();
    let block = With(move |_: &mut Context<Worker>| {
        entered.send(()).unwrap();
        let _ = blocked.recv();
        ready(())
    });
    server.cast(block).await.unwrap();
    has_entered.await.unwrap();
    assert_eq!(tasks.stop().await.abandoned.len(), 1);
    (server, stuck, release)
}

#[test]
fn the_late_end_of_an_abandoned_process_does_not_answer_the_messages_of_the_next_one() {
    let runtime = limited::runtime(2);
    let test = async {
        let (server, stuck, release) = abandoned().await;
        let child = server.child_spec().shutdown(Shutdown::Infinity);
        let tree = Supervisor::builder(Strategy::OneForOne).child(child).start().await.unwrap();
        let (finish, finished) = oneshot::channel::<()>();
        let (entered, has_entered) = oneshot::channel();
        let in_hand = With(move |_: &mut Context<Worker>| async move {
            entered.send(()).unwrap();
            finished.await.unwrap();
        });
        server.cast(in_hand).await.unwrap();
        has_entered.await.unwrap();
        let mut waits = server.call(Say("waits"));
        assert!(futures::poll!(&mut waits).is_pending());
        let mut stop = Box::pin(server.stop());
        assert!(futures::poll!(&mut stop).is_pending());
        let end = process::monitor(stuck);
        drop(release);
        end.await;
        assert!(futures::poll!(&mut waits).is_pending(), "the message belongs to the process that runs");
        finish.send(()).unwrap();
        assert!(stop.await.is_clean());
        assert!(is_stopped(&waits.await));
        tree.stop().await;
    };
    runtime.block_on(test).unwrap();
}

#[test]
fn the_late_end_of_an_abandoned_process_does_not_close_the_mailbox_of_a_server_that_waits_for_its_restart() {
    let runtime = limited::runtime(2);
    let test = async {
        let (server, stuck, release) = abandoned().await;
        let child =
            server.child_spec().restart(Restart::Permanent).backoff(Backoff::exponential(3600 * SECOND, 3600 * SECOND));
        let tree = Supervisor::builder(Strategy::OneForOne).child(child).start().await.unwrap();
        assert!(server.call(Crash("boom")).await.unwrap_err().is_panic());
        let end = process::monitor(stuck);
        drop(release);
        end.await;
        server.try_cast(Say("is for the next process")).unwrap();
        assert!(server.ended().await.is_panic(), "the exit of the last process is that of the later one");
        tree.stop().await;
    };
    runtime.block_on(test).unwrap();
}

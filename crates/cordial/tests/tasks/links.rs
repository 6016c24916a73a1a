//! Links: symmetric connections that pass exits on. `trap_exits.rs` has the tests of processes that trap exits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cordial::{Exit, Pid, Runtime, Task, process, testing};
use futures::StreamExt;
use tokio::sync::oneshot;

use crate::harness::exit_kind::error;

/// Longer than anything here takes, on the virtual clock.
const SETTLED: Duration = Duration::from_secs(3600);

async fn is_alive_when_settled(pid: Pid) -> bool {
    tokio::time::sleep(SETTLED).await;
    process::info(pid).is_some()
}

/// Starts a process that is linked to `peers` when this returns, and then waits forever.
async fn linked_to(peers: impl IntoIterator<Item = Pid> + Send + 'static) -> Pid {
    let (is_linked, linked) = oneshot::channel();
    let pid = Task::start(async move {
        peers.into_iter().for_each(process::link);
        let _ = is_linked.send(());
        std::future::pending::<()>().await
    });
    linked.await.unwrap();
    pid
}

fn waiting() -> Pid {
    Task::start(std::future::pending::<()>())
}

// L-001, L-002: whichever of the two processes created the link
#[test]
fn an_exit_of_one_side_ends_the_other_side_unless_it_is_normal() {
    for exit in [Exit::Normal, Exit::Shutdown(None), Exit::Killed, error("no luck")] {
        testing::run(async move {
            // Each block returns a monitor of a peer, which is created before the other side exits.
            let linked_by_the_exiting_side = {
                let peer = waiting();
                let exit = exit.clone();
                Task::start(async move {
                    process::link(peer);
                    cordial::exit(exit).await
                });
                process::monitor(peer)
            };
            let linked_by_the_remaining_side = {
                let (go, gate) = oneshot::channel::<()>();
                let exit = exit.clone();
                let exiting = Task::start(async move {
                    let _ = gate.await;
                    cordial::exit(exit).await
                });
                let end = process::monitor(linked_to([exiting]).await);
                go.send(()).unwrap();
                end
            };
            let linked_at_spawn = {
                let (tx, rx) = oneshot::channel();
                let exit = exit.clone();
                Task::start(async move {
                    let _ = tx.send(process::monitor(Task::start_link(std::future::pending::<()>())));
                    cordial::exit(exit).await
                });
                rx.await.unwrap()
            };
            let expected = (exit != Exit::Normal).then_some(exit);
            for end in [linked_by_the_exiting_side, linked_by_the_remaining_side, linked_at_spawn] {
                assert_eq!(tokio::time::timeout(SETTLED, end).await.ok(), expected);
            }
        });
    }
}

// L-001: every process of the chain exits with the same panic
#[test]
fn a_crash_ends_every_process_of_a_chain_of_links() {
    testing::run(async {
        let (go, gate) = oneshot::channel::<()>();
        let a = Task::start(async move {
            let _ = gate.await;
            panic!("no luck");
        });
        let b = linked_to([a]).await;
        let c = linked_to([b]).await;
        let ends = [a, b, c].map(process::monitor);
        go.send(()).unwrap();
        for (end, of) in ends.into_iter().zip(["a", "b", "c"]) {
            let Exit::Panic(report) = end.await else { panic!("{of} did not end with the panic") };
            assert_eq!((report.message(), report.pid()), ("no luck", a), "{of}");
        }
    });
}

// L-004
#[test]
fn a_process_that_traps_exits_stops_the_propagation() {
    testing::run(async {
        let (go, gate) = oneshot::channel::<()>();
        let a = Task::start(async move {
            let _ = gate.await;
            panic!("no luck");
        });
        let (traps, is_trapping) = oneshot::channel();
        let b = Task::spawn(async move {
            let mut exits = process::trap_exits();
            process::link(a);
            let _ = traps.send(());
            exits.next().await.unwrap().0
        });
        is_trapping.await.unwrap();
        let c = linked_to([b.pid()]).await;
        go.send(()).unwrap();
        assert_eq!(b.await, Ok(a));
        assert!(is_alive_when_settled(c).await);
    });
}

#[test]
fn links_are_symmetric_and_not_counted() {
    testing::run(async {
        let a = waiting();
        let b = linked_to([a, a]).await;
        assert_eq!((process::info(a).unwrap().links, process::info(b).unwrap().links), (vec![b], vec![a]));
        // A second link, from the other side.
        let (links, is_linked) = oneshot::channel();
        let c = Task::spawn(async move {
            process::link(b);
            let _ = links.send(());
            cordial::shutdown_requested().await;
            process::unlink(b);
        });
        is_linked.await.unwrap();
        assert_eq!(process::info(b).unwrap().links, [a, c.pid()]);
        assert_eq!(c.shutdown(SETTLED).await, Some(Ok(())));
        assert_eq!(process::info(b).unwrap().links, [a], "one `unlink` is enough");
    });
}

#[test]
fn a_link_to_oneself_does_nothing() {
    testing::run(async {
        let own = process::current().unwrap();
        process::link(own);
        assert_eq!(process::info(own).unwrap().links, []);
        process::unlink(own);
        let task = Task::spawn(async {
            process::link(process::current().unwrap());
            cordial::exit(error("no luck")).await
        });
        assert_eq!(task.await.map(|never: ()| never), Err(error("no luck")));
    });
}

#[test]
fn link_and_unlink_do_nothing_outside_a_process() {
    testing::run(async {
        let own = process::current().unwrap();
        let unlinked = Task::spawn(std::future::pending::<()>());
        let linked = Task::spawn_link(std::future::pending::<()>());
        let pids = [unlinked.pid(), linked.pid()];
        tokio_spawn(async move {
            process::link(pids[0]);
            process::unlink(pids[1]);
        })
        .await;
        assert_eq!(pids.map(|pid| process::info(pid).unwrap().links), [vec![], vec![own]]);
    });
}

#[expect(clippy::disallowed_methods, reason = "a tokio task is not a process")]
async fn tokio_spawn(future: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(future).await.unwrap();
}

/// A link to a pid without a process acts as if that process exited now with `NoProcess`.
#[test]
fn a_link_to_an_unknown_pid_acts_as_if_the_process_exited_now() {
    let elsewhere = Runtime::builder().workers(1).build().unwrap();
    let (tx, rx) = std::sync::mpsc::channel();
    elsewhere.block_on(async move { tx.send(Task::start(std::future::pending::<()>())).unwrap() }).unwrap();
    let of_another_runtime = rx.recv().unwrap();
    testing::run(async move {
        let dead = Task::start(async {});
        assert_eq!(process::monitor(dead).await, Exit::Normal);
        let unknown = Task::completed(()).pid();
        for absent in [dead, unknown, of_another_runtime] {
            let task = Task::spawn(async move {
                process::link(absent);
                std::future::pending::<()>().await
            });
            assert_eq!(task.await, Err(Exit::NoProcess), "{absent}");
            let traps = Task::spawn(async move {
                let mut exits = process::trap_exits();
                process::link(absent);
                exits.next().await
            });
            assert_eq!(traps.await, Ok(Some((absent, Exit::NoProcess))));
        }
    });
    assert!(elsewhere.block_on(async move { process::info(of_another_runtime).is_some() }).unwrap());
    assert!(elsewhere.snapshot().processes.iter().all(|process| process.links.is_empty()));
}

#[test]
fn after_an_unlink_by_either_side_an_exit_is_not_passed_on() {
    testing::run(async {
        let a = waiting();
        let b = linked_to([a]).await;
        let c = Task::start(async move {
            process::link(b);
            process::unlink(b);
            process::unlink(b); // the link is already removed
            std::future::pending::<()>().await
        });
        tokio::task::yield_now().await;
        process::exit(b, error("no luck"));
        assert_eq!(process::monitor(a).await, error("no luck"));
        assert!(is_alive_when_settled(c).await);
    });
}

// L-013
#[test]
fn a_signal_after_an_unlink_is_delivered_even_if_the_sender_exits() {
    testing::run(async {
        let (tx, rx) = oneshot::channel::<Pid>();
        let mut receiver = Task::spawn(async move {
            let mut exits = process::trap_exits();
            process::link(rx.await.unwrap());
            (exits.next().await, exits.next().await)
        });
        let pid = receiver.pid();
        let sender = Task::start(async move {
            // On the virtual clock, the receiver has run and is linked now.
            tokio::time::sleep(Duration::from_secs(1)).await;
            process::unlink(pid);
            process::exit(pid, error("sent"));
            cordial::exit(error("not delivered")).await
        });
        tx.send(sender).unwrap();
        assert_eq!(process::monitor(sender).await, error("not delivered"));
        assert_eq!(receiver.yield_for(SETTLED).await, None, "the receiver gets one exit, and no second one");
        process::exit(pid, Exit::Normal);
        let own = process::current().unwrap();
        assert_eq!(receiver.await, Ok((Some((sender, error("sent"))), Some((own, Exit::Normal)))));
    });
}

/// Two linked processes exit at the same time, each with an exit of its own. A third process is linked to both and monitors both.
///
/// ```text
///   a ═════ b       c receives each exit exactly once, and it is the exit that the monitors return
///    ╚═ c ═╝        a and b cannot both exit with the exit of the other
/// ```
#[test]
fn concurrent_exits_are_each_delivered_exactly_once() {
    const ROUNDS: usize = 10_000;
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let at_the_start = Arc::new(AtomicUsize::new(0));
    runtime
        .block_on(async move {
            let mut exits = process::trap_exits();
            for round in 1..=ROUNDS {
                let (links, is_linked) = oneshot::channel::<Pid>();
                let (go_a, go_b) = (oneshot::channel::<()>(), oneshot::channel::<()>());
                let b = racer(go_b.1, None, at_the_start.clone(), round, "b");
                let a = racer(go_a.1, Some((b, links)), at_the_start.clone(), round, "a");
                assert_eq!(is_linked.await, Ok(b), "round {round}: a and b are linked");
                process::link(a);
                process::link(b);
                let [a_end, b_end, again_a, again_b] = [a, b, a, b].map(process::monitor);
                go_a.0.send(()).unwrap();
                go_b.0.send(()).unwrap();
                let ends = futures::future::join4(a_end, b_end, again_a, again_b);
                let (a_end, b_end, again_a, again_b) = within_a_minute(ends).await;
                assert_eq!((&a_end, &b_end), (&again_a, &again_b), "round {round}: the monitors disagree");
                let mut trapped =
                    [within_a_minute(exits.next()).await, within_a_minute(exits.next()).await].map(Option::unwrap);
                trapped.sort_by_key(|(from, _)| *from != a);
                assert_eq!(trapped, [(a, a_end.clone()), (b, b_end.clone())], "round {round}");
                let crossed = (a_end, b_end) == (error("b"), error("a"));
                assert!(!crossed, "round {round}: each process has the exit of the other");
            }
            assert!(futures::poll!(exits.next()).is_pending(), "an exit was delivered twice");
        })
        .unwrap();
}

/// Starts a process that links itself to the process in `link`, if there is one, waits for `go`, spins until both
/// racers are there, and fails with `name`.
fn racer(
    go: oneshot::Receiver<()>,
    link: Option<(Pid, oneshot::Sender<Pid>)>,
    at_the_start: Arc<AtomicUsize>,
    round: usize,
    name: &'static str,
) -> Pid {
    Task::start(async move {
        if let Some((other, linked)) = link {
            process::link(other);
            let _ = linked.send(other);
        }
        let _ = go.await;
        at_the_start.fetch_add(1, Ordering::SeqCst);
        while at_the_start.load(Ordering::SeqCst) < 2 * round {
            std::thread::yield_now();
        }
        Err::<(), _>(name)
    })
}

/// Fails if the future hangs, so that the test does not hang.
async fn within_a_minute<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("a monitor hangs, or an exit was lost")
}

/// A link that is created while the other side exits is either complete or acts like a link to no process. It is never lost.
#[test]
fn a_link_created_while_the_other_side_exits_always_ends_its_creator() {
    const ROUNDS: usize = 10_000;
    let runtime = Runtime::builder().workers(2).build().unwrap();
    runtime
        .block_on(async {
            for round in 1..=ROUNDS {
                let exiting = Task::start(async { Err::<(), _>("gone") });
                let linked = Task::spawn(async move {
                    process::link(exiting);
                    std::future::pending::<()>().await
                });
                match linked.timeout(Duration::from_secs(60)).await {
                    Err(Exit::NoProcess) => {}
                    Err(exit) if exit == error("gone") => {}
                    other => panic!("round {round}: {other:?}"),
                }
            }
        })
        .unwrap();
}

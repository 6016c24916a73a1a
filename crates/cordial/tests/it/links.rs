//! Links: symmetric ties, by which ends travel.
//!
//! `cases.md` 4.23: L-001, L-002, L-004, L-013. What a process that traps sees of them is in `traps.rs`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cordial::process::{self, Monitor};
use cordial::{Exit, Pid, Runtime, Task, testing};
use futures::StreamExt;
use tokio::sync::oneshot;

/// Longer than anything here takes, on a clock that is virtual.
const SETTLED: Duration = Duration::from_secs(3600);

fn error(text: &str) -> Exit {
    Exit::from(io::Error::other(text.to_owned()))
}

async fn is_alive_when_settled(pid: Pid) -> bool {
    tokio::time::sleep(SETTLED).await;
    process::info(pid).is_some()
}

/// A process that is linked to `peers` when this returns, and waits.
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

/// L-001, L-002: whichever of the two made the link.
#[test]
fn an_exit_of_one_side_ends_the_other_unless_it_is_normal() {
    for exit in [Exit::Normal, Exit::Shutdown(None), Exit::Killed, error("no luck")] {
        let both = exit.clone();
        testing::run(async move {
            let made_by_the_one_that_ends = {
                let stays = waiting();
                let ends = exit.clone();
                Task::start(async move {
                    process::link(stays);
                    cordial::exit(ends).await
                });
                stays
            };
            let made_by_the_one_that_stays = {
                let (go, gone) = oneshot::channel::<()>();
                let ends = exit.clone();
                let peer = Task::start(async move {
                    let _ = gone.await;
                    cordial::exit(ends).await
                });
                let stays = linked_to([peer]).await;
                go.send(()).unwrap();
                stays
            };
            let made_with_the_spawn = {
                let (tell, told) = oneshot::channel();
                let ends = exit.clone();
                Task::start(async move {
                    let _ = tell.send(Task::start_link(std::future::pending::<()>()));
                    cordial::exit(ends).await
                });
                told.await.unwrap()
            };
            for stays in [made_by_the_one_that_ends, made_by_the_one_that_stays, made_with_the_spawn] {
                let expected = (both != Exit::Normal).then_some(both.clone());
                let end = process::monitor(stays);
                // One that has ended already answers `NoProcess`, so the state is asked first.
                if expected.is_none() {
                    assert!(is_alive_when_settled(stays).await, "{both} ended the other side");
                } else {
                    let ended = tokio::time::timeout(SETTLED, end).await.expect("the other side lives on");
                    assert!(ended == both || ended == Exit::NoProcess, "{both} arrived as {ended}");
                }
            }
        });
    }
}

/// L-001: a panic arrives as the same panic, and everybody on the chain ends with it.
#[test]
fn a_crash_runs_along_a_chain_of_links() {
    testing::run(async {
        let (go, gone) = oneshot::channel::<()>();
        let a = Task::start(async move {
            let _ = gone.await;
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

/// L-004.
#[test]
fn a_process_that_traps_ends_the_chain() {
    testing::run(async {
        let (go, gone) = oneshot::channel::<()>();
        let a = Task::start(async move {
            let _ = gone.await;
            panic!("no luck");
        });
        let (tell, told) = oneshot::channel();
        let b = Task::spawn(async move {
            let mut exits = process::trap_exits();
            process::link(a);
            let _ = tell.send(());
            exits.next().await.unwrap().0
        });
        told.await.unwrap();
        let c = linked_to([b.pid()]).await;
        go.send(()).unwrap();
        assert_eq!(b.await, Ok(a));
        assert!(is_alive_when_settled(c).await);
    });
}

#[test]
fn linking_twice_is_linking_once_and_both_sides_know_it() {
    testing::run(async {
        let a = waiting();
        let b = linked_to([a, a]).await;
        assert_eq!((process::info(a).unwrap().links, process::info(b).unwrap().links), (vec![b], vec![a]));
        // From the other side too.
        let (tell, told) = oneshot::channel();
        let c = Task::spawn(async move {
            process::link(b);
            let _ = tell.send(());
            cordial::shutdown_requested().await;
            process::unlink(b);
        });
        told.await.unwrap();
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
fn outside_a_process_there_is_nobody_to_link() {
    testing::run(async {
        let task = Task::spawn(std::future::pending::<()>());
        let pid = task.pid();
        tokio_spawn(async move {
            process::link(pid);
            process::unlink(pid);
        })
        .await;
        assert_eq!(process::info(pid).unwrap().links, []);
    });
}

#[expect(clippy::disallowed_methods, reason = "a task of tokio's is no process, which is what this needs")]
async fn tokio_spawn(future: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(future).await.unwrap();
}

/// Who is linked to somebody that is not there ends as if that one ended now.
#[test]
fn a_link_to_nobody_acts_as_if_it_ended_now() {
    let elsewhere = Runtime::builder().workers(1).build().unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    elsewhere.block_on(async move { tell.send(Task::start(std::future::pending::<()>())).unwrap() }).unwrap();
    let of_another_runtime = told.recv().unwrap();
    testing::run(async move {
        let dead = Task::start(async {});
        assert_eq!(process::monitor(dead).await, Exit::Normal);
        let unknown = Task::completed(()).pid();
        for nobody in [dead, unknown, of_another_runtime] {
            let task = Task::spawn(async move {
                process::link(nobody);
                std::future::pending::<()>().await
            });
            assert_eq!(task.await, Err(Exit::NoProcess), "{nobody}");
            let traps = Task::spawn(async move {
                let mut exits = process::trap_exits();
                process::link(nobody);
                exits.next().await
            });
            assert_eq!(traps.await, Ok(Some((nobody, Exit::NoProcess))));
        }
    });
    assert!(elsewhere.block_on(async move { process::info(of_another_runtime).is_some() }).unwrap());
    assert!(elsewhere.snapshot().processes.iter().all(|process| process.links.is_empty()));
}

#[test]
fn an_unlink_before_the_end_keeps_it_away_from_whichever_side_unlinks() {
    testing::run(async {
        let a = waiting();
        let b = linked_to([a]).await;
        let c = Task::start(async move {
            process::link(b);
            process::unlink(b);
            process::unlink(b); // absent by now
            std::future::pending::<()>().await
        });
        tokio::task::yield_now().await;
        process::exit(b, error("no luck"));
        assert_eq!(process::monitor(a).await, error("no luck"));
        assert!(is_alive_when_settled(c).await);
    });
}

/// L-013: what is sent after an `unlink` arrives whatever becomes of the link and of its sender.
#[test]
fn a_signal_after_an_unlink_is_delivered_even_if_the_sender_ends() {
    testing::run(async {
        let (tell, told) = oneshot::channel::<Pid>();
        let mut receiver = Task::spawn(async move {
            let mut exits = process::trap_exits();
            process::link(told.await.unwrap());
            (exits.next().await, exits.next().await)
        });
        let pid = receiver.pid();
        let sender = Task::start(async move {
            // Linked by now, since the other one has nothing else to do.
            tokio::time::sleep(Duration::from_secs(1)).await;
            process::unlink(pid);
            process::exit(pid, error("sent"));
            cordial::exit(error("not delivered")).await
        });
        tell.send(sender).unwrap();
        assert_eq!(process::monitor(sender).await, error("not delivered"));
        assert_eq!(receiver.yield_for(SETTLED).await, None, "one value came, and no second one");
        process::exit(pid, Exit::Normal);
        let own = process::current().unwrap();
        assert_eq!(receiver.await, Ok((Some((sender, error("sent"))), Some((own, Exit::Normal)))));
    });
}

/// Two that are linked end at one moment, each with an exit of its own; a third is linked to both, and others watch.
///
/// ```text
///   a ═════ b       each end arrives at c exactly once, and is the one that the monitors saw
///    ╚═ c ═╝        a and b cannot both end with the exit of the other
/// ```
#[test]
fn ends_that_race_are_each_delivered_exactly_once() {
    const ROUNDS: usize = 10_000;
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let at_the_start = Arc::new(AtomicUsize::new(0));
    runtime
        .block_on(async move {
            let mut exits = process::trap_exits();
            for round in 1..=ROUNDS {
                let (tell, told) = oneshot::channel::<Pid>();
                let (go, gone) = (oneshot::channel::<()>(), oneshot::channel::<()>());
                let b = racer(gone.1, None, at_the_start.clone(), round, "b");
                let a = racer(go.1, Some((b, tell)), at_the_start.clone(), round, "a");
                assert_eq!(told.await, Ok(b), "round {round}: they are linked");
                process::link(a);
                process::link(b);
                let ends: [Monitor; 4] = [a, b, a, b].map(process::monitor);
                go.0.send(()).unwrap();
                gone.0.send(()).unwrap();
                let [a_end, b_end, again_a, again_b] = within_a_minute(futures::future::join_all(ends)).await;
                assert_eq!((&a_end, &b_end), (&again_a, &again_b), "round {round}: monitors agree");
                let mut told = [within_a_minute_one(exits.next()).await, within_a_minute_one(exits.next()).await]
                    .map(Option::unwrap);
                told.sort_by_key(|(from, _)| *from != a);
                assert_eq!(told, [(a, a_end.clone()), (b, b_end.clone())], "round {round}");
                let crossed = (a_end, b_end) == (error("b"), error("a"));
                assert!(!crossed, "round {round}: each ended by the end of the other");
            }
            assert!(futures::poll!(exits.next()).is_pending(), "an end was delivered twice");
        })
        .unwrap();
}

/// Linked to the other one before it says so, and then at the line until both have come.
fn racer(
    go: oneshot::Receiver<()>,
    link: Option<(Pid, oneshot::Sender<Pid>)>,
    at_the_start: Arc<AtomicUsize>,
    round: usize,
    name: &'static str,
) -> Pid {
    Task::start(async move {
        if let Some((other, tell)) = link {
            process::link(other);
            let _ = tell.send(other);
        }
        let _ = go.await;
        at_the_start.fetch_add(1, Ordering::SeqCst);
        while at_the_start.load(Ordering::SeqCst) < 2 * round {
            std::thread::yield_now();
        }
        Err::<(), _>(name)
    })
}

/// A monitor that hangs is a failure, not a test that never ends.
async fn within_a_minute(ends: futures::future::JoinAll<Monitor>) -> [Exit; 4] {
    let ends = tokio::time::timeout(Duration::from_secs(60), ends).await.expect("a monitor hangs");
    ends.try_into().unwrap()
}

async fn within_a_minute_one<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("an end was lost")
}

/// A link that is made while the other side ends is either whole or a link to nobody; it is never lost.
#[test]
fn a_link_made_while_the_other_side_ends_always_ends_the_one_that_makes_it() {
    const ROUNDS: usize = 10_000;
    let runtime = Runtime::builder().workers(2).build().unwrap();
    runtime
        .block_on(async {
            for round in 1..=ROUNDS {
                let mortal = Task::start(async { Err::<(), _>("gone") });
                let linked = Task::spawn(async move {
                    process::link(mortal);
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

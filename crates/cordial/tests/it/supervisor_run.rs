//! A whole program with a tree: a signal stops it in order.
#![cfg(unix)]

use std::process::ExitCode;
use std::time::Duration;

use cordial::{AutoShutdown, ChildSpec, Exit, Restart, Strategy, Supervisor, TaskSupervisor, Timeout};
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::orders::SECOND;
use crate::program;

/// Tells when it is dropped.
struct TellsItsDrop(&'static str);

impl Drop for TellsItsDrop {
    fn drop(&mut self) {
        program::tell(format_args!("{} ended", self.0));
    }
}

/// A child that takes this long to end when it is asked.
fn child(id: &'static str, lingers: Duration) -> ChildSpec {
    let child = ChildSpec::init(id, move || async move {
        let tells = TellsItsDrop(id);
        let mut request = Box::pin(cordial::shutdown_requested());
        assert!(futures::poll!(&mut request).is_pending());
        Ok::<_, std::io::Error>(async move {
            let _tells = tells;
            request.await;
            tokio::time::sleep(lingers).await;
        })
    });
    child.shutdown(Duration::from_millis(200))
}

fn end(status: ExitCode) -> ! {
    let number = (0..=255).find(|&number| ExitCode::from(number) == status);
    std::process::exit(number.unwrap().into())
}

#[test]
fn a_signal_stops_the_tree_in_reverse_order_and_the_report_names_who_was_killed() {
    const NAME: &str = "supervisor_run::a_signal_stops_the_tree_in_reverse_order_and_the_report_names_who_was_killed";
    if program::part().is_some() {
        end(cordial::main(async {
            let _tells = TellsItsDrop("the root");
            let first = Supervisor::builder(Strategy::OneForOne).child(child("first", Duration::ZERO));
            let first = first.child(child("stubborn", Duration::from_secs(3600))).start().await?;
            let second =
                Supervisor::builder(Strategy::OneForOne).child(child("second", Duration::ZERO)).start().await?;
            program::tell("ready");
            std::future::pending::<()>().await;
            drop((first, second));
            Ok::<(), cordial::StartError>(())
        }));
    }
    let mut program = program::start(NAME, "part");
    program.wait_for("ready");
    program.send(Signal::TERM);
    let ran = program.finish();
    assert_eq!(ran.status.code(), Some(0), "an orderly end");
    assert_eq!(ran.told, ["the root ended", "second ended", "stubborn ended", "first ended"]);
    assert!(ran.stderr.contains("Stopped: process") && ran.stderr.contains("\"stubborn\""), "{}", ran.stderr);
}

#[test]
fn a_second_signal_during_a_stop_names_who_is_stuck_at_any_depth_once() {
    const NAME: &str = "supervisor_run::a_second_signal_during_a_stop_names_who_is_stuck_at_any_depth_once";
    const LONG: Duration = Duration::from_secs(3600);
    if program::part().is_some() {
        let stuck = |id| {
            let spins = move || async move {
                program::tell(id);
                loop {
                    std::thread::yield_now();
                }
            };
            ChildSpec::task(id, spins).shutdown(LONG)
        };
        end(cordial::main(async move {
            let nested = move || Supervisor::builder(Strategy::OneForOne).child(stuck("inner"));
            let _tree = Supervisor::builder(Strategy::OneForOne)
                .child(child("quick", Duration::ZERO))
                .child(stuck("outer"))
                .child(ChildSpec::supervisor("nested", nested))
                .child(child("last", Duration::ZERO))
                .start()
                .await?;
            program::tell("ready");
            std::future::pending::<()>().await;
            Ok::<(), cordial::StartError>(())
        }));
    }
    let mut program = program::start(NAME, "part");
    // Those that spin may be faster than the tree that starts them, or slower.
    let mut told = [(); 3].map(|()| program.hear().unwrap());
    told.sort_unstable();
    assert_eq!(told, ["inner", "outer", "ready"]);
    program.send(Signal::TERM);
    program.wait_for("last ended");
    program.send(Signal::TERM);
    let ran = program.finish();
    assert_eq!(ran.status.code(), Some(143));
    let n = |what: &str| ran.stderr.matches(what).count();
    let counts = [n("\"inner\""), n("\"outer\""), n("is stuck in a poll and was abandoned"), n("process <")];
    assert_eq!(counts, [1, 1, 2, 2], "{}", ran.stderr);
}

#[test]
fn a_root_that_ends_because_a_supervisor_gave_up_was_no_orderly_end() {
    const NAME: &str = "supervisor_run::a_root_that_ends_because_a_supervisor_gave_up_was_no_orderly_end";
    let gave_up = "Error: was shut down: supervisor \"tree\" gave up on child ";
    // The part, the status, and how the last line on standard error begins and ends.
    let cases = [
        ("its own", 1, gave_up, "\"poller\", after 0 restarts within 5s: no disk"),
        ("that of a task of it", 1, gave_up, "\"poller\", after 0 restarts within 5s: no disk"),
        ("one that belongs to nobody", 1, gave_up, "\"poller\", after 0 restarts within 5s: no disk"),
        ("a nested one", 1, gave_up, "gave up on child \"poller\", after 0 restarts within 5s: no disk"),
        ("its own, which has done its work", 0, "", ""),
    ];
    let Some(part) = program::part() else {
        for (part, status, begin, end) in cases {
            let ran = program::run(NAME, part);
            assert_eq!(ran.status.code(), Some(status), "{part}: {}", ran.stderr);
            let last = ran.stderr.lines().last().unwrap_or_default();
            assert!(last.starts_with(begin) && last.ends_with(end), "{part}: {}", ran.stderr);
            assert_eq!(last.is_empty(), status == 0, "{part}: {}", ran.stderr);
        }
        return;
    };
    let builder = |label: &str| Supervisor::builder(Strategy::OneForOne).label(label).max_restarts(0, 5 * SECOND);
    let fails = || ChildSpec::task("poller", || async { Err::<(), _>("no disk") }).restart(Restart::Permanent);
    end(cordial::main(async move {
        match &*part {
            "its own" => drop(builder("tree").child(fails()).start().await?),
            "that of a task of it" => {
                cordial::Task::start_link(async move {
                    let _tree = builder("tree").child(fails()).start().await;
                    std::future::pending::<()>().await;
                });
            }
            "one that belongs to nobody" => {
                let tree = builder("tree").child(fails()).unlinked().start().await?;
                return Err(tree.ended().await);
            }
            "a nested one" => {
                let nested = ChildSpec::supervisor("nested", move || builder("nested").child(fails()));
                drop(builder("tree").child(nested).start().await?);
            }
            "its own, which has done its work" => {
                let work = ChildSpec::task("work", || async {}).significant();
                drop(builder("tree").auto_shutdown(AutoShutdown::AnySignificant).child(work).start().await?);
            }
            other => panic!("there is no part {other:?}"),
        }
        std::future::pending::<()>().await;
        Ok::<(), Exit>(())
    }))
}

/// Answers each line until there is none, or, after a request, until there is no more for a while.
async fn echo(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        let n_read = tokio::select! {
            // Asked first, so that whoever has an answer knows that there is a grace.
            biased;
            () = cordial::shutdown_requested(), if !cordial::is_shutdown_requested() => continue,
            n_read = stream.read(&mut buffer) => n_read?,
        };
        if n_read == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..n_read]).await?;
    }
}

/// A tree with a listener, connections that have this grace, and a reporter that depends on both.
async fn service(grace: Duration) -> Result<Supervisor, cordial::StartError> {
    let connections = TaskSupervisor::builder().label("connections").max_children(10).shutdown(grace).start();
    let of_listener = connections.clone();
    let listener = ChildSpec::init("listener", move || {
        let connections = of_listener.clone();
        async move {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            program::tell(listener.local_addr()?);
            Ok::<_, std::io::Error>(async move {
                let _tells = TellsItsDrop("listener");
                // Dropped before that is told.
                let listener = listener;
                while let Ok((stream, _)) = listener.accept().await {
                    // Those that cannot be taken now are closed.
                    let _ = connections.start_child(echo(stream));
                }
            })
        }
    });
    let reporter = ChildSpec::task("reporter", || async {
        let _tells = TellsItsDrop("reporter");
        std::future::pending::<()>().await;
    });
    Supervisor::builder(Strategy::RestForOne)
        .child(connections.child_spec())
        .child(listener)
        .child(reporter.restart(Restart::Permanent))
        .start()
        .await
}

/// From outside the program, as a client that knows nothing of it.
fn asks_from_outside(client: &mut std::net::TcpStream, question: &[u8]) {
    use std::io::{Read, Write};
    client.write_all(question).unwrap();
    let mut answer = vec![0; question.len()];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(answer, question);
}

#[test]
fn a_signal_lets_connections_finish_within_their_grace_and_kills_those_that_do_not() {
    const NAME: &str =
        "supervisor_run::a_signal_lets_connections_finish_within_their_grace_and_kills_those_that_do_not";
    if let Some(part) = program::part() {
        let grace = if part == "finish" { Duration::from_secs(3600) } else { Duration::from_millis(1) };
        end(cordial::main(async move {
            let _tree = service(grace).await?;
            std::future::pending::<()>().await;
            Ok::<(), cordial::StartError>(())
        }));
    }
    for part in ["finish", "linger"] {
        let mut program = program::start(NAME, part);
        let address: std::net::SocketAddr = program.hear().unwrap().parse().unwrap();
        let mut clients = [0; 3].map(|_| std::net::TcpStream::connect(address).unwrap());
        clients.iter_mut().for_each(|client| asks_from_outside(client, b"hello"));
        program.send(Signal::TERM);
        program.wait_for("reporter ended");
        program.wait_for("listener ended");
        if part == "finish" {
            assert!(std::net::TcpStream::connect(address).is_err(), "nobody listens any more");
            clients.iter_mut().for_each(|client| asks_from_outside(client, b"and one more"));
            drop(clients);
        }
        let ran = program.finish();
        assert_eq!(ran.status.code(), Some(0), "{part}: {}", ran.stderr);
        let n_killed = ran.stderr.matches("supervisor_run.rs").count();
        assert_eq!(n_killed, if part == "finish" { 0 } else { 3 }, "{part}: {}", ran.stderr);
        assert_eq!(ran.stderr.contains("Stopped: process <"), part == "linger", "{part}: {}", ran.stderr);
    }
}

async fn asks(client: &mut TcpStream, question: &[u8]) {
    client.write_all(question).await.unwrap();
    let mut answer = vec![0; question.len()];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, question);
}

#[test]
fn a_service_heals_while_a_client_is_connected_and_lets_it_finish_when_it_stops() {
    let runtime = cordial::Runtime::builder().workers(2).build().unwrap();
    let served = runtime.block_on(async {
        let address = std::sync::Arc::new(std::sync::Mutex::new(None));
        let connections =
            TaskSupervisor::builder().label("connections").max_children(10).shutdown(Duration::from_secs(30)).start();
        let listener = {
            let (connections, address) = (connections.clone(), address.clone());
            ChildSpec::init("listener", move || {
                let (connections, address) = (connections.clone(), address.clone());
                async move {
                    let listener = TcpListener::bind("127.0.0.1:0").await?;
                    *address.lock().unwrap() = Some(listener.local_addr()?);
                    Ok::<_, std::io::Error>(async move {
                        loop {
                            let (stream, _) = listener.accept().await?;
                            // Those that cannot be taken now are closed.
                            let _ = connections.start_child(echo(stream));
                        }
                        #[expect(unreachable_code, reason = "it says what the loop gives")]
                        Ok::<(), std::io::Error>(())
                    })
                }
            })
        };
        let metrics = ChildSpec::task("metrics", std::future::pending::<()>).restart(cordial::Restart::Permanent);
        let tree = Supervisor::builder(Strategy::RestForOne)
            .child(connections.child_spec())
            .child(listener)
            .child(metrics)
            .start()
            .await
            .unwrap();
        let first_address = address.lock().unwrap().unwrap();
        let mut client = TcpStream::connect(first_address).await.unwrap();
        asks(&mut client, b"hello").await;
        // The listener dies: it and what comes after it start again, and the connection goes on.
        let listener = crate::tree::pid(&tree, "listener").await;
        cordial::process::exit(listener, cordial::Exit::Killed);
        while crate::tree::info(&tree, "metrics").await.unwrap().incarnation < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        asks(&mut client, b"still there").await;
        let second_address = address.lock().unwrap().unwrap();
        let mut other = TcpStream::connect(second_address).await.unwrap();
        asks(&mut other, b"hello").await;
        // The stop waits for connections that have something to finish.
        let stopper = tree.clone();
        let stop = cordial::Task::spawn(async move { stopper.stop().await }).timeout(Timeout::Infinity);
        while crate::tree::state(&tree, "listener").await == Some(cordial::ChildState::Running) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Nobody listens any more, but for a moment a program that another test is starting: it has a copy of the socket.
        while TcpStream::connect(second_address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        asks(&mut client, b"and one more").await;
        drop((client, other));
        stop.await.unwrap()
    });
    assert!(served.unwrap().is_clean());
}

//! A whole program with a supervision tree, which OS signals shut down.
#![cfg(unix)]

use std::time::Duration;

use cordial::{AutoShutdown, ChildSpec, Exit, Restart, Strategy, Supervisor, TaskSupervisor, Timeout};
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::limited;
use crate::harness::seeds::SECOND;
use crate::harness::subprocess::{self, exit_with};

/// Reports when it is dropped.
struct ReportsDrop(&'static str);

impl Drop for ReportsDrop {
    fn drop(&mut self) {
        subprocess::report(format_args!("{} ended", self.0));
    }
}

/// A child that exits this long after a shutdown request.
fn child(id: &'static str, delay: Duration) -> ChildSpec {
    ChildSpec::init(id, move || async move {
        let guard = ReportsDrop(id);
        let mut request = Box::pin(cordial::shutdown_requested());
        assert!(futures::poll!(&mut request).is_pending());
        Ok::<_, std::io::Error>(async move {
            let _guard = guard;
            request.await;
            tokio::time::sleep(delay).await;
        })
    })
}

#[test]
fn a_signal_stops_the_trees_in_reverse_order_and_killed_children_are_reported() {
    if subprocess::case().is_some() {
        exit_with(cordial::main(async {
            let _guard = ReportsDrop("the root");
            let first = Supervisor::builder(Strategy::OneForOne).child(child("first", Duration::ZERO));
            let stubborn = child("stubborn", Duration::from_secs(3600)).shutdown(Duration::from_millis(200));
            let first = first.child(stubborn).start().await?;
            let second =
                Supervisor::builder(Strategy::OneForOne).child(child("second", Duration::ZERO)).start().await?;
            subprocess::report("ready");
            std::future::pending::<()>().await;
            drop((first, second));
            Ok::<(), cordial::StartError>(())
        }));
    }
    let mut subprocess = subprocess::start(test_name!(), "case");
    subprocess.wait_for("ready");
    subprocess.send(Signal::TERM);
    let ran = subprocess.finish();
    assert_eq!(ran.status.code(), Some(0), "an orderly shutdown");
    assert_eq!(ran.reports, ["the root ended", "second ended", "stubborn ended", "first ended"]);
    assert!(ran.stderr.contains("Stopped: process") && ran.stderr.contains("\"stubborn\""), "{}", ran.stderr);
}

#[test]
fn a_second_signal_during_a_stop_reports_stuck_processes_at_any_depth_once() {
    const LONG: Duration = Duration::from_secs(3600);
    if subprocess::case().is_some() {
        let stuck = |id| {
            let spins = move || async move {
                subprocess::report(id);
                loop {
                    std::thread::yield_now();
                }
            };
            ChildSpec::task(id, spins).shutdown(LONG)
        };
        exit_with(cordial::main(async move {
            let nested = move || Supervisor::builder(Strategy::OneForOne).child(stuck("inner"));
            let _tree = Supervisor::builder(Strategy::OneForOne)
                .child(child("quick", Duration::ZERO))
                .child(stuck("outer"))
                .child(ChildSpec::supervisor("nested", nested))
                .child(child("last", Duration::ZERO))
                .start()
                .await?;
            subprocess::report("ready");
            std::future::pending::<()>().await;
            Ok::<(), cordial::StartError>(())
        }));
    }
    let mut stderr = String::new();
    for _ in 0..20 {
        let mut subprocess = subprocess::start(test_name!(), "case");
        // In any order: the spinning children run in parallel with the root.
        let mut reports = [(); 3].map(|()| subprocess.next_report().unwrap());
        reports.sort_unstable();
        assert_eq!(reports, ["inner", "outer", "ready"]);
        subprocess.send(Signal::TERM);
        subprocess.wait_for("last ended");
        subprocess.send(Signal::TERM);
        let ran = subprocess.finish();
        assert_eq!(ran.status.code(), Some(143));
        stderr = ran.stderr;
        let n = |what: &str| stderr.matches(what).count();
        assert_eq!([n("\"inner\""), n("\"outer\"")], [1, 1], "{stderr}");
        // Again if a supervisor was held up in a poll: after a second signal, one that is in a poll for 35 ms seems stuck as well.
        if [n("is stuck in a poll and was abandoned"), n("process <")] == [2, 2] {
            return;
        }
    }
    panic!("other processes are reported too: {stderr}");
}

#[test]
fn the_status_is_1_if_a_supervisor_that_gave_up_ended_the_root() {
    let gave_up = "Error: was shut down: supervisor \"tree\" gave up on child ";
    // The case, the status, and the beginning and the end of the last line on standard error.
    let cases = [
        ("own supervisor", 1, gave_up, "\"poller\", after 0 restarts within 5s: no disk"),
        ("supervisor of a task", 1, gave_up, "\"poller\", after 0 restarts within 5s: no disk"),
        ("unlinked supervisor", 1, gave_up, "\"poller\", after 0 restarts within 5s: no disk"),
        ("nested supervisor", 1, gave_up, "gave up on child \"poller\", after 0 restarts within 5s: no disk"),
        ("own supervisor, automatic shutdown", 0, "", ""),
    ];
    let Some(case) = subprocess::case() else {
        for (case, status, begin, end) in cases {
            let ran = subprocess::run(test_name!(), case);
            assert_eq!(ran.status.code(), Some(status), "{case}: {}", ran.stderr);
            let last = ran.stderr.lines().last().unwrap_or_default();
            assert!(last.starts_with(begin) && last.ends_with(end), "{case}: {}", ran.stderr);
            assert_eq!(last.is_empty(), status == 0, "{case}: {}", ran.stderr);
        }
        return;
    };
    let builder = |label: &str| Supervisor::builder(Strategy::OneForOne).label(label).max_restarts(0, 5 * SECOND);
    let fails = || ChildSpec::task("poller", || async { Err::<(), _>("no disk") }).restart(Restart::Permanent);
    exit_with(cordial::main(async move {
        match &*case {
            "own supervisor" => drop(builder("tree").child(fails()).start().await?),
            "supervisor of a task" => {
                cordial::Task::start_link(async move {
                    let _tree = builder("tree").child(fails()).start().await;
                    std::future::pending::<()>().await;
                });
            }
            "unlinked supervisor" => {
                let tree = builder("tree").child(fails()).unlinked().start().await?;
                return Err(tree.ended().await);
            }
            "nested supervisor" => {
                let nested = ChildSpec::supervisor("nested", move || builder("nested").child(fails()));
                drop(builder("tree").child(nested).start().await?);
            }
            "own supervisor, automatic shutdown" => {
                let work = ChildSpec::task("work", || async {}).significant();
                drop(builder("tree").auto_shutdown(AutoShutdown::AnySignificant).child(work).start().await?);
            }
            other => panic!("there is no case {other:?}"),
        }
        std::future::pending::<()>().await;
        Ok::<(), Exit>(())
    }))
}

/// Sends all input back until the client closes the connection. Opts in to graceful shutdown.
async fn echo(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        let n_read = tokio::select! {
            // Polled first, so that the process has opted in before it sends its first answer.
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

/// A tree with connections that have this grace time, a listener, and a reporter.
async fn service(grace: Duration) -> Result<Supervisor, cordial::StartError> {
    let connections = TaskSupervisor::builder().label("connections").max_children(10).shutdown(grace).start();
    let of_listener = connections.clone();
    let listener = ChildSpec::init("listener", move || {
        let connections = of_listener.clone();
        async move {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            subprocess::report(listener.local_addr()?);
            let guard = ReportsDrop("listener");
            Ok::<_, std::io::Error>(async move {
                let _guard = guard;
                // Declared after the guard, so dropped before it.
                let listener = listener;
                while let Ok((stream, _)) = listener.accept().await {
                    // A connection that is refused is closed.
                    let _ = connections.start_child(echo(stream));
                }
            })
        }
    });
    let reporter = ChildSpec::init("reporter", || async {
        // Exists before the tree has started: a task may be stopped before its first poll.
        let guard = ReportsDrop("reporter");
        Ok::<_, std::io::Error>(async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        })
    });
    Supervisor::builder(Strategy::RestForOne)
        .child(connections.child_spec())
        .child(listener)
        .child(reporter.restart(Restart::Permanent))
        .start()
        .await
}

/// Sends `question` from the test process and expects it back.
fn assert_echo_blocking(client: &mut std::net::TcpStream, question: &[u8]) {
    use std::io::{Read, Write};
    client.write_all(question).unwrap();
    let mut answer = vec![0; question.len()];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(answer, question);
}

#[test]
fn after_a_signal_connections_may_finish_within_their_grace_time() {
    if let Some(case) = subprocess::case() {
        let grace = if case == "finish" { Duration::from_secs(3600) } else { Duration::from_millis(1) };
        exit_with(cordial::main(async move {
            let _tree = service(grace).await?;
            std::future::pending::<()>().await;
            Ok::<(), cordial::StartError>(())
        }));
    }
    for case in ["finish", "linger"] {
        let mut subprocess = subprocess::start(test_name!(), case);
        let address: std::net::SocketAddr = subprocess.next_report().unwrap().parse().unwrap();
        let mut clients = [0; 3].map(|_| std::net::TcpStream::connect(address).unwrap());
        clients.iter_mut().for_each(|client| assert_echo_blocking(client, b"hello"));
        subprocess.send(Signal::TERM);
        subprocess.wait_for("reporter ended");
        subprocess.wait_for("listener ended");
        if case == "finish" {
            assert!(std::net::TcpStream::connect(address).is_err(), "the listener is closed");
            clients.iter_mut().for_each(|client| assert_echo_blocking(client, b"and one more"));
            drop(clients);
        }
        let ran = subprocess.finish();
        assert_eq!(ran.status.code(), Some(0), "{case}: {}", ran.stderr);
        let n_killed = ran.stderr.matches("supervisors/run.rs").count();
        assert_eq!(n_killed, if case == "finish" { 0 } else { 3 }, "{case}: {}", ran.stderr);
        assert_eq!(ran.stderr.contains("Stopped: process <"), case == "linger", "{case}: {}", ran.stderr);
    }
}

async fn assert_echo(client: &mut TcpStream, question: &[u8]) {
    client.write_all(question).await.unwrap();
    let mut answer = vec![0; question.len()];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, question);
}

#[test]
fn connections_survive_a_restart_of_the_listener_and_may_finish_during_a_stop() {
    let runtime = limited::runtime(2);
    let served = runtime.block_on(async {
        let address = std::sync::Arc::new(std::sync::Mutex::new(None));
        let connections =
            TaskSupervisor::builder().label("connections").max_children(10).shutdown(Duration::from_secs(3600)).start();
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
                            // A connection that is refused is closed.
                            let _ = connections.start_child(echo(stream));
                        }
                        #[expect(unreachable_code, reason = "states the type of the output")]
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
        assert_echo(&mut client, b"hello").await;
        // The listener is killed. It and the children after it are restarted. The connection is not affected.
        let listener = crate::harness::children::pid(&tree, "listener").await;
        cordial::process::exit(listener, cordial::Exit::Killed);
        while crate::harness::children::info(&tree, "metrics").await.unwrap().incarnation < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_echo(&mut client, b"still there").await;
        let second_address = address.lock().unwrap().unwrap();
        let mut other = TcpStream::connect(second_address).await.unwrap();
        assert_echo(&mut other, b"hello").await;
        // The stop waits for the connections.
        let stopper = tree.clone();
        let stop = cordial::Task::spawn(async move { stopper.stop().await }).timeout(Timeout::Infinity);
        while crate::harness::children::state(&tree, "listener").await == Some(cordial::ChildState::Running) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // The listener is closed. A subprocess that another test is starting may hold a copy of its socket for a moment.
        while TcpStream::connect(second_address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_echo(&mut client, b"and one more").await;
        drop((client, other));
        stop.await.unwrap()
    });
    assert!(served.unwrap().is_clean());
}

//! Links, monitors and trapped exits of servers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as TaskContext, Wake, Waker};

use cordial::process::Exits;
use cordial::server::{Context, ServerRef};
use cordial::{Exit, Task, process, testing};
use futures::StreamExt;

use crate::harness::children::{Log, settle};
use crate::harness::limited;
use crate::work::{Say, With, Worker};

/// Lets the server start a task that is linked to it and panics.
async fn crash_a_linked_task(server: &ServerRef<Worker>) {
    let start = With(|_: &mut Context<Worker>| {
        Task::start_link(async { panic!("no luck") });
        std::future::ready(())
    });
    server.call(start).await.unwrap();
    settle().await;
}

#[test]
fn the_exit_of_a_linked_process_ends_a_server_that_does_not_trap_exits() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::start(&log);
        crash_a_linked_task(&server).await;
        assert!(server.ended().await.is_panic());
        assert_eq!(log.take(), "started");
    });
}

#[test]
fn a_server_that_traps_exits_gets_them_as_messages() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::builder(&log).trap_exits().start();
        crash_a_linked_task(&server).await;
        process::exit(server.pid(), Exit::from("a text"));
        assert_eq!(server.call(Say("alive")).await, Ok(5));
        let logged = log.take();
        assert!(logged.starts_with("started exit: "), "{logged}");
        assert!(logged.contains("no luck") && logged.contains("exit: a text alive"), "{logged}");
        assert!(process::info(server.pid()).unwrap().traps_exits);
        process::exit(server.pid(), Exit::Shutdown(None));
        assert_eq!(server.ended().await, Exit::Shutdown(None));
        assert_eq!(log.take(), "stopping: was shut down");
    });
}

#[test]
fn a_server_may_begin_to_trap_exits_in_a_handler() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::start(&log);
        let trap_exits = With(|ctx: &mut Context<Worker>| {
            ctx.trap_exits();
            std::future::ready(())
        });
        server.call(trap_exits).await.unwrap();
        crash_a_linked_task(&server).await;
        assert_eq!(server.call(Say("alive")).await, Ok(5));
        let logged = log.take();
        assert!(logged.starts_with("started exit: ") && logged.contains("no luck"), "{logged}");
    });
}

#[test]
fn a_monitor_of_a_server_gets_its_exit() {
    testing::run(async {
        let server = Worker::start(&Log::default());
        settle().await;
        let monitor = process::monitor(server.pid());
        server.stop().await;
        assert_eq!(monitor.await, Exit::Normal);
    });
}

/// Returns the exits that a server traps, for other code than its own.
async fn trapped_exits(server: &ServerRef<Worker>) -> Exits {
    let trap_exits = With(|_: &mut Context<Worker>| std::future::ready(process::trap_exits()));
    server.call(trap_exits).await.unwrap()
}

/// Holds up the thread that delivers a signal, until the server has logged something.
struct HoldUp {
    log: Log,
    was_called: AtomicBool,
}

impl Wake for HoldUp {
    fn wake(self: Arc<HoldUp>) {
        self.was_called.store(true, Ordering::SeqCst);
        while self.log.is_empty() {
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_request_to_shut_down_is_no_message_while_its_delivery_takes_long() {
    let runtime = limited::runtime(2);
    let logged = runtime.block_on(async {
        let log = Log::default();
        let server = Worker::builder(&log).trap_exits().start();
        let mut exits = trapped_exits(&server).await;
        assert_eq!(log.take(), "started");
        let hold_up = Arc::new(HoldUp { log: log.clone(), was_called: AtomicBool::new(false) });
        let waker = Waker::from(hold_up.clone());
        assert!(exits.poll_next_unpin(&mut TaskContext::from_waker(&waker)).is_pending());
        process::exit(server.pid(), Exit::Shutdown(None));
        assert!(hold_up.was_called.load(Ordering::SeqCst), "the delivery was held up");
        assert_eq!(server.ended().await, Exit::Shutdown(None));
        log.take()
    });
    assert_eq!(logged.unwrap(), "stopping: was shut down");
}

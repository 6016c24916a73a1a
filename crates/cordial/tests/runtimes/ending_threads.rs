//! What is started by the destructor of a thread-local, when the thread-locals of the library are gone. `program_end.rs` has the ends
//! of whole programs.

use std::cell::RefCell;
use std::sync::Mutex;

use cordial::server::{self, Handle, Server, ServerRef, TryCastError};
use cordial::{ChildSpec, Exit, Refusal, StartError, Strategy, Supervisor, Task, TaskSet, TaskSupervisor, process};
use tracing::Level;
use tracing_subscriber::filter::Targets;

use crate::harness::block_on::block_on;
use crate::harness::records::Records;
use crate::harness::subprocess;

/// Calls a closure when it is dropped.
struct OnDrop(Option<fn()>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(call) = self.0 {
            call();
        }
    }
}

thread_local!(static LAST: RefCell<OnDrop> = const { RefCell::new(OnDrop(None)) });

/// Calls `late` on a thread whose thread-locals of the library are gone.
fn at_end_of_thread(late: fn()) {
    #[expect(clippy::disallowed_methods, reason = "the end of a thread is what is tested")]
    let thread = std::thread::spawn(move || {
        // Thread-locals are destroyed in the opposite order of their first use, so this one is the last.
        LAST.with(|last| last.borrow_mut().0 = Some(late));
        assert_eq!(Task::spawn(async { 1 }).wait(), Ok(1));
    });
    // The destructors of a thread run before its join returns. A panic in one of them would abort the program.
    thread.join().unwrap();
}

struct Echo;

impl Server for Echo {}

impl Handle<u8> for Echo {
    type Reply = u8;

    async fn handle(&mut self, message: u8, _: &mut server::Context<Self>) -> u8 {
        message
    }
}

/// The refusal says that the thread is ending. It does not say that a supervisor has stopped, since none was started.
#[test]
fn a_supervisor_or_server_that_is_started_by_an_ending_thread_says_why_it_refuses() {
    at_end_of_thread(|| {
        let refused = StartError::Refused(Refusal::ThreadEnding);
        let tasks = TaskSupervisor::start();
        assert_eq!(tasks.start_child(async {}), Err(refused.clone()));
        assert_eq!(tasks.start_child_with(ChildSpec::task("late", || async {})), Err(refused.clone()));
        assert_eq!(block_on(tasks.start_child_when_room(async {})), Err(refused));
        let refused = Exit::Refused(Refusal::ThreadEnding);
        assert_eq!(block_on(tasks.spawn(async { 1 })), Err(refused.clone()));
        assert_eq!(block_on(tasks.ended()), refused);
        let server = ServerRef::start(|| Echo);
        assert_eq!(block_on(server.call(1)), Err(refused.clone()));
        assert_eq!(block_on(server.ended()), refused);
        let mut set = TaskSet::new();
        set.spawn(async { 1 });
        assert_eq!(block_on(set.next()), Some(Err(refused)));
    });
}

/// The supervisor that is started for the server alone was refused too. So the server has no parent, and a tree can take it over.
#[test]
fn a_server_that_was_refused_is_stopped_and_can_be_handed_to_a_tree() {
    static REFUSED: Mutex<Option<ServerRef<Echo>>> = Mutex::new(None);
    at_end_of_thread(|| *REFUSED.lock().unwrap() = Some(ServerRef::start(|| Echo)));
    let server = REFUSED.lock().unwrap().take().unwrap();
    let task = Task::spawn(async move {
        assert!(server.stop().await.is_clean());
        assert!(matches!(server.try_cast(1), Err(TryCastError::Stopped(1))));
        assert!(process::info(server.pid()).is_none());
        let tree = Supervisor::builder(Strategy::OneForOne).child(server.child_spec()).start().await.unwrap();
        assert_eq!(server.call(2).await, Ok(2));
        assert_eq!(tree.which_children().await[0].pid, Some(server.pid()));
        assert!(tree.stop().await.is_clean());
        let refused = server.call(3).await;
        assert!(matches!(refused, Err(Exit::Refused(Refusal::ServerStopped))), "{refused:?}");
    });
    task.wait().unwrap();
}

/// A regression test: the refused task of a set emitted no event.
#[test]
fn whatever_an_ending_thread_spawns_emits_the_event_refused() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    let records = Records::install(Targets::new().with_target("cordial::process", Level::ERROR));
    at_end_of_thread(|| {
        drop(Task::spawn(async {}));
        Task::start(async {});
        TaskSet::new().spawn(async {});
        assert!(block_on(Task::async_stream([1], |n| async move { n }).next()).unwrap().is_err());
        let tasks = TaskSupervisor::start();
        drop(tasks.spawn(async {}));
        assert!(tasks.start_child(async {}).is_err());
    });
    let refused = records.of("refused");
    assert!(refused.iter().all(|event| event.field("spawned_at").unwrap().contains(file!())), "{refused:?}");
    assert_eq!(refused.len(), 6, "{refused:?}");
}

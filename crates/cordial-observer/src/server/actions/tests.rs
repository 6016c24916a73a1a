//! The restart of a child that needs longer than an answer waits.

use std::sync::Arc;
use std::time::Duration;

use cordial::{ChildSpec, Pid, Restart, Runtime, Shutdown, Strategy, Supervisor, Task, process};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

use super::restart;
use crate::program_code::ProgramCode;
use crate::view::ActionResult;

/// How long the test waits before it fails.
const LIMIT: Duration = Duration::from_secs(300);

/// Starts a supervisor whose child ends only once it was asked to and `release` was notified. Returns the pid of each process that the child
/// gets.
fn start_slow_child(runtime: &Runtime, release: Arc<Notify>) -> mpsc::UnboundedReceiver<Pid> {
    let (sender, pids) = mpsc::unbounded_channel();
    let child = ChildSpec::task("slow", move || {
        let (sender, release) = (sender.clone(), release.clone());
        async move {
            let requested = cordial::shutdown_requested();
            sender.send(process::current().unwrap()).unwrap();
            requested.await;
            release.notified().await;
        }
    });
    let child = child.restart(Restart::Permanent).shutdown(Shutdown::Infinity);
    let keeper = async move {
        let _tree = Supervisor::builder(Strategy::OneForOne).child(child).start().await.unwrap();
        std::future::pending::<()>().await;
    };
    runtime.block_on(async move { Task::builder().start(keeper) }).unwrap();
    pids
}

#[test]
fn a_child_that_ends_after_the_limit_of_a_restart_is_started_again() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let release = Arc::new(Notify::new());
    let mut pids = start_slow_child(&runtime, release.clone());
    let thread = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    thread.block_on(async {
        let before = timeout(LIMIT, pids.recv()).await.expect("the child starts").unwrap();
        let inspector = runtime.inspector();
        let late =
            restart(&Handle::current(), &ProgramCode::new(), &inspector, before, Duration::from_millis(50)).await;
        assert_eq!((late.outcome, late.left), (ActionResult::Ending, 1));
        release.notify_one();
        let after = timeout(LIMIT, pids.recv()).await.expect("it is started again").unwrap();
        assert_ne!(after, before);
    });
}

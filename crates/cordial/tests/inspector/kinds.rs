//! What each kind of process is shown as.

use std::ops::ControlFlow;

use cordial::process::{self, ProcessKind, ProcessSummary};
use cordial::server::{Server, ServerRef};
use cordial::{ChildSpec, Pid, Strategy, Supervisor, Task, TaskSet, TaskSupervisor, testing};

struct Idle;

impl Server for Idle {}

fn summary(pid: Pid) -> Option<ProcessSummary> {
    let mut found = None;
    let _ = process::inspector().visit(None, |process| {
        if process.pid != pid {
            return ControlFlow::Continue(());
        }
        found = Some(process.clone());
        ControlFlow::Break(())
    });
    found
}

#[test]
fn every_kind_of_process_is_shown_as_what_it_is() {
    testing::run(async {
        let kind = |pid| {
            let summary = summary(pid).unwrap();
            assert_eq!(process::info(pid).unwrap().kind, summary.kind);
            summary.kind
        };
        let root = process::current().unwrap();
        assert_eq!(kind(root), ProcessKind::Root);
        let task = Task::spawn(std::future::pending::<()>());
        assert_eq!(kind(task.pid()), ProcessKind::Task);
        let mut set = TaskSet::new();
        let member = set.spawn(std::future::pending::<()>());
        assert_eq!(kind(member), ProcessKind::SetTask);
        let tasks = TaskSupervisor::builder().start();
        assert_eq!(kind(tasks.pid()), ProcessKind::TaskSupervisor);
        let child = tasks.start_child(std::future::pending::<()>()).unwrap();
        assert_eq!(kind(child), ProcessKind::Child);
        let tree = Supervisor::builder(Strategy::OneForOne)
            .child(ChildSpec::task("waits", std::future::pending::<()>))
            .start()
            .await
            .unwrap();
        assert_eq!(kind(tree.pid()), ProcessKind::Supervisor);
        let of_item =
            Task::async_stream(0..1, move |_| async move { summary(process::current().unwrap()).unwrap().kind });
        assert_eq!(of_item.collect().await[0], Ok(ProcessKind::StreamItem));
        let server = ServerRef::start(|| Idle);
        let of_server = summary(server.pid()).unwrap();
        assert_eq!(of_server.kind, ProcessKind::Server);
        assert_eq!(of_server.mailbox.unwrap().length, 0);
        let connection = Task::spawn(async {
            process::mark_as_connection();
            summary(process::current().unwrap()).unwrap().kind
        });
        assert_eq!(connection.await, Ok(ProcessKind::Connection));
    });
}

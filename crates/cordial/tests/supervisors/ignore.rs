//! Children whose `init` returns `Ignore`, because they are not needed.

use std::error::Error;
use std::fmt;
use std::future::{Pending, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cordial::{
    ChildSpec, ChildState, Exit, Ignore, Restart, StartError, Strategy, Supervisor, TaskSupervisor, process, testing,
};

use crate::harness::children::{Log, crash, info, settle, state};
use crate::harness::seeds::{SECOND, for_each_seed};

type BoxError = Box<dyn Error + Send + Sync>;

/// A permanent child that is not needed from its incarnation number `n` on.
fn ignored_from(n: u32) -> ChildSpec {
    let n_starts = Arc::new(AtomicU32::new(0));
    ChildSpec::init("ignored", move || {
        let start = n_starts.fetch_add(1, Ordering::SeqCst) + 1;
        async move { if start < n { Ok(pending::<()>()) } else { Err(BoxError::from(Ignore)) } }
    })
}

// V-009
#[test]
fn a_child_that_is_ignored_stays_without_a_process_unless_it_is_temporary() {
    for_each_seed(|| async {
        let log = Log::default();
        for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
            let tree = Supervisor::builder(Strategy::OneForOne).max_restarts(0, SECOND);
            let tree = tree.child(ignored_from(1).restart(restart)).child(log.child("next")).start().await.unwrap();
            assert_eq!(log.take(), "+next", "the start goes on");
            let seen = info(&tree, "ignored").await.map(|child| (child.state, child.pid));
            let kept = (restart != Restart::Temporary).then_some((ChildState::Stopped, None));
            assert_eq!(seen, kept);
            let ignored = Err(StartError::Ignored("ignored".into()));
            if kept.is_some() {
                assert_eq!(tree.restart_child("ignored").await, ignored);
                tree.delete_child("ignored").await.unwrap();
            }
            assert_eq!(tree.start_child(ignored_from(1).restart(restart)).await, ignored);
            assert_eq!(state(&tree, "ignored").await, kept.map(|(state, _)| state));
            tree.stop().await;
            log.take();
        }
    });
}

// V-091
#[test]
fn a_restart_that_is_ignored_is_the_last_one() {
    for_each_seed(|| async {
        let tree = Supervisor::builder(Strategy::OneForOne).child(ignored_from(2)).start().await.unwrap();
        crash(&tree, "ignored").await;
        assert_eq!(state(&tree, "ignored").await, Some(ChildState::Stopped));
        tree.stop().await;
        let tasks = TaskSupervisor::start();
        let first = tasks.start_child_with(ignored_from(2)).unwrap();
        settle().await;
        process::exit(first, Exit::Killed);
        settle().await;
        let counts = tasks.count_children().await;
        assert_eq!((counts.specs, counts.active, tasks.waiting_children()), (0, 0, vec![]));
        let ignored = tasks.start_child_with(ignored_from(1)).unwrap();
        assert_eq!(process::monitor(ignored).await, Exit::Normal);
        assert_eq!(tasks.count_children().await.specs, 0);
    });
}

/// An error that is its own source.
#[derive(Debug)]
struct Endless(AtomicU32);

impl fmt::Display for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no luck")
    }
}

impl Error for Endless {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        assert!(self.0.fetch_add(1, Ordering::SeqCst) < 10_000, "the chain is followed forever");
        Some(self)
    }
}

#[test]
fn the_sources_of_an_error_are_not_searched_for_ever() {
    testing::run(async {
        let endless = || async { Err::<Pending<()>, _>(Endless(AtomicU32::new(0))) };
        let tree = Supervisor::builder(Strategy::OneForOne).child(ChildSpec::init("endless", endless));
        let Err(StartError::Child { exit: Exit::Error(error), .. }) = tree.start().await else {
            panic!("expected the error of the `init`")
        };
        assert!(error.is::<Endless>());
    });
}

//! Values that are visible in a scope and in everything that is spawned there.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use cordial::server::{Context, Handle, Server, ServerRef};
use cordial::{
    ChildSpec, Exit, Inherited, Restart, Strategy, Supervisor, Task, TaskSet, TaskSupervisor, process, testing,
};
use tokio::sync::mpsc;

static TENANT: Inherited<&'static str> = Inherited::new();
static OTHER: Inherited<&'static str> = Inherited::new();
static REQUEST: Inherited<u32> = Inherited::new().carried_by_calls();

fn tenant() -> Option<&'static str> {
    TENANT.get().map(|tenant| *tenant)
}

/// Runs a future in the scope of a tenant.
async fn of_acme<F: Future>(future: F) -> F::Output {
    TENANT.scope("acme", future).await
}

#[test]
fn a_value_is_visible_to_the_future_and_only_there() {
    testing::run(async {
        assert_eq!(tenant(), None);
        of_acme(async {
            assert_eq!(tenant(), Some("acme"));
            tokio::task::yield_now().await;
            assert_eq!((tenant(), OTHER.get()), (Some("acme"), None));
            TENANT.scope("inner", async { assert_eq!(tenant(), Some("inner")) }).await;
            OTHER.scope("other", async { assert_eq!(tenant(), Some("acme")) }).await;
            assert_eq!((tenant(), OTHER.get()), (Some("acme"), None));
        })
        .await;
        assert_eq!(tenant(), None);
    });
}

#[test]
fn scopes_of_futures_that_take_turns_do_not_mix() {
    testing::run(async {
        let of = |name: &'static str| {
            TENANT.scope(name, async move {
                for _ in 0..3 {
                    assert_eq!(tenant(), Some(name));
                    tokio::task::yield_now().await;
                }
            })
        };
        tokio::join!(of("a"), of("b"), async { assert_eq!(tenant(), None) });
    });
}

#[test]
fn tasks_inherit_at_any_depth_and_keep_the_value() {
    testing::run(async {
        let (sender, task) = tokio::sync::oneshot::channel();
        of_acme(async {
            let task = Task::spawn(async {
                tokio::task::yield_now().await;
                Task::spawn(async { tenant() }).await.unwrap()
            });
            sender.send(task).unwrap();
        })
        .await;
        // The scope is over, but the task was spawned in it.
        assert_eq!(task.await.unwrap().await, Ok(Some("acme")));
        assert_eq!(Task::spawn(async { tenant() }).await, Ok(None));
    });
}

#[test]
fn items_of_streams_and_tasks_of_sets_inherit() {
    testing::run(async {
        of_acme(async {
            let stream = Task::async_stream(0..3, |_| async { tenant() });
            assert_eq!(stream.collect().await, vec![Ok(Some("acme")); 3]);
            let sup = TaskSupervisor::start();
            let stream = sup.async_stream(0..3, |_| async { tenant() });
            assert_eq!(stream.collect().await, vec![Ok(Some("acme")); 3]);
            assert_eq!(sup.spawn(async { tenant() }).await, Ok(Some("acme")));
            let mut set = TaskSet::new().max_concurrency(1);
            set.spawn(async { tenant() });
            set.spawn(async { tenant() });
            assert_eq!(set.all().await, Ok(vec![Some("acme"); 2]));
        })
        .await;
    });
}

/// A child that reports which tenant it sees, and then fails.
fn reporting(id: &'static str, seen: &mpsc::UnboundedSender<Option<&'static str>>) -> ChildSpec {
    let seen = seen.clone();
    ChildSpec::task(id, move || {
        let _ = seen.send(tenant());
        async { Err::<Infallible, _>("fails") }
    })
    .restart(Restart::Transient)
}

#[test]
fn children_inherit_from_where_they_are_started_and_so_do_their_later_incarnations() {
    testing::run(async {
        let (sender, mut seen) = mpsc::unbounded_channel();
        let tasks = TaskSupervisor::builder().unlinked().max_restarts(2, std::time::Duration::from_secs(5)).start();
        of_acme(async { tasks.start_child_with(reporting("a", &sender)).unwrap() }).await;
        for _ in 0..3 {
            assert_eq!(seen.recv().await, Some(Some("acme")));
        }
        let builder =
            || Supervisor::builder(Strategy::OneForOne).max_restarts(2, std::time::Duration::from_secs(5)).unlinked();
        let tree = builder().start().await.unwrap();
        of_acme(async { tree.start_child(reporting("b", &sender)).await.unwrap() }).await;
        for _ in 0..3 {
            assert_eq!(seen.recv().await, Some(Some("acme")));
        }
        tree.ended().await;
        // A child of the builder inherits from where the supervisor is started.
        let linked =
            Supervisor::builder(Strategy::OneForOne).child(reporting("c", &sender).restart(Restart::Temporary));
        let _tree = of_acme(linked.start()).await.unwrap();
        assert_eq!(seen.recv().await, Some(Some("acme")));
    });
}

#[test]
fn a_supervisor_of_the_runtime_inherits_nothing() {
    testing::run(async {
        let (sender, mut seen) = mpsc::unbounded_channel();
        let builder = Supervisor::builder(Strategy::OneForOne).unlinked();
        let builder = builder.child(reporting("a", &sender).restart(Restart::Temporary));
        let tree = of_acme(builder.start()).await.unwrap();
        assert_eq!(seen.recv().await, Some(None));
        tree.stop().await;
    });
}

/// A server whose answer says which values its handler sees.
struct Sees;
struct Look;

impl Server for Sees {}

impl Handle<Look> for Sees {
    type Reply = (Option<&'static str>, Option<u32>, Option<u32>);
    async fn handle(&mut self, _: Look, _: &mut Context<Self>) -> Self::Reply {
        tokio::task::yield_now().await;
        let request = || REQUEST.get().map(|request| *request);
        (tenant(), request(), Task::spawn(async move { request() }).await.unwrap())
    }
}

#[test]
fn a_server_inherits_from_where_it_is_started_and_a_call_carries_what_its_key_says() {
    testing::run(async {
        let server = of_acme(async { ServerRef::start(|| Sees) }).await;
        assert_eq!(server.call(Look).await, Ok((Some("acme"), None, None)));
        let call = REQUEST.scope(7, TENANT.scope("caller", async { server.call(Look).await }));
        assert_eq!(call.await, Ok((Some("acme"), Some(7), Some(7))));
        assert_eq!(server.call(Look).await, Ok((Some("acme"), None, None)));
    });
}

/// A message whose handler sends which request it sees.
struct Report(mpsc::UnboundedSender<Option<u32>>);

impl Handle<Report> for Sees {
    type Reply = ();
    async fn handle(&mut self, Report(seen): Report, _: &mut Context<Self>) {
        seen.send(REQUEST.get().map(|request| *request)).unwrap();
    }
}

#[test]
fn casts_carry_what_calls_carry() {
    testing::run(async {
        let server = ServerRef::start(|| Sees);
        let (sender, mut seen) = mpsc::unbounded_channel();
        let send = async {
            server.cast(Report(sender.clone())).await.unwrap();
            assert!(server.try_cast(Report(sender.clone())).is_ok());
        };
        REQUEST.scope(7, send).await;
        assert!(server.try_cast(Report(sender)).is_ok());
        let seen = [seen.recv().await, seen.recv().await, seen.recv().await];
        assert_eq!(seen, [Some(Some(7)), Some(Some(7)), Some(None)]);
    });
}

#[test]
#[expect(clippy::disallowed_methods, reason = "tasks of tokio are what is tested")]
fn code_outside_of_any_process_has_scopes_too_and_tokio_spawn_inherits_nothing() {
    let tokio = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let seen = tokio.block_on(of_acme(async {
        let of_task = Task::spawn(async { tenant() }).await.unwrap();
        (tenant(), of_task, tokio::spawn(async { tenant() }).await.unwrap())
    }));
    assert_eq!(seen, (Some("acme"), Some("acme"), None));
}

#[test]
fn destructors_run_in_the_scope_also_after_a_kill() {
    struct SeesOnDrop(Arc<Mutex<Vec<Option<&'static str>>>>);
    impl Drop for SeesOnDrop {
        fn drop(&mut self) {
            self.0.lock().unwrap().push(tenant());
        }
    }
    testing::run(async {
        let seen = Arc::default();
        let guard = SeesOnDrop(Arc::clone(&seen));
        let pid = of_acme(async {
            Task::start(async move {
                let _guard = guard;
                std::future::pending::<()>().await;
            })
        });
        let pid = pid.await;
        tokio::task::yield_now().await;
        let end = process::monitor(pid);
        process::exit(pid, Exit::Killed);
        assert_eq!(end.await, Exit::Killed);
        let guard = SeesOnDrop(Arc::clone(&seen));
        drop(TENANT.scope("never polled", async move { drop(guard) }));
        let guard = SeesOnDrop(Arc::clone(&seen));
        let mut polled = Box::pin(TENANT.scope("dropped", async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        }));
        assert!(futures::poll!(&mut polled).is_pending());
        drop(polled);
        assert_eq!(*seen.lock().unwrap(), [Some("acme"), None, Some("dropped")]);
    });
}

/// The destructors of the values run where the last process of the scope ends.
#[test]
#[expect(clippy::async_yields_async, reason = "the handle is awaited outside of the scope")]
fn a_panic_in_the_destructor_of_a_value_affects_no_process() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("planned panic of a destructor");
        }
    }
    static FIRST: Inherited<Bomb> = Inherited::new();
    static SECOND: Inherited<Bomb> = Inherited::new().carried_by_calls();
    testing::run(async {
        let start = async {
            Task::spawn(async {
                tokio::task::yield_now().await;
                assert!(FIRST.get().is_some() && SECOND.get().is_some());
                7
            })
        };
        let task = FIRST.scope(Bomb, SECOND.scope(Bomb, start)).await;
        let end = process::monitor(task.pid());
        assert_eq!((task.await, end.await), (Ok(7), Exit::Normal));
        FIRST.scope(Bomb, SECOND.scope(Bomb, async {})).await;
    });
}

/// Each task of a chain starts the next one in a scope of its own, which hides the value of the scope before.
#[test]
fn a_hidden_value_is_dropped_with_its_scope() {
    static HOP: Inherited<Arc<()>> = Inherited::new();
    static ALL: Inherited<()> = Inherited::new();
    const HOPS: usize = 100_000;
    type Hop = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;
    fn hop(n: usize, value: Arc<()>, done: mpsc::UnboundedSender<()>) -> Hop {
        Box::pin(async move {
            // If a scope kept the value that it hides, each hop would add one reference.
            assert!(Arc::strong_count(&value) < 8, "hop {n}: {}", Arc::strong_count(&value));
            assert!(ALL.get().is_some());
            if n > 0 {
                let next = hop(n - 1, value.clone(), done);
                HOP.scope(value, async { Task::start(next) }).await;
            } else {
                done.send(()).unwrap();
            }
        })
    }
    testing::run(async {
        let (done, mut is_done) = mpsc::unbounded_channel();
        ALL.scope((), hop(HOPS, Arc::new(()), done)).await;
        assert_eq!(is_done.recv().await, Some(()));
    });
}

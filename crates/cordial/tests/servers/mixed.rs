//! Servers that own sets and streams, call each other, and are ended in the middle of a handler.

use std::future::pending;

use cordial::process::shutdown_requested;
use cordial::server::{Context, Handle, Later, Server, ServerRef};
use cordial::{
    ChildSpec, Exit, Inherited, Pid, Restart, Strategy, Supervisor, Task, TaskSet, Timeout, process, testing, within,
};
use futures::future::join;
use tokio::time::Instant;

use crate::harness::children::{Log, LogGuard, settle};
use crate::harness::events::{capture, named};
use crate::harness::subprocess;
use crate::work::{Crash, SECOND, Say, Slow, With, Worker, is_stopped};

/// Passes a call on, and answers with what the next server says, or with how it failed.
struct Link {
    next: Option<ServerRef<Link>>,
    limit: Timeout,
}

struct Next(ServerRef<Link>);
struct Pass(u32);
/// Like `Pass`, but replies with `Later`.
struct PassLater(u32);

impl Server for Link {}

impl Handle<Next> for Link {
    type Reply = ();
    async fn handle(&mut self, Next(next): Next, _: &mut Context<Self>) {
        self.next = Some(next);
    }
}

impl Handle<Pass> for Link {
    type Reply = Result<u32, Exit>;
    async fn handle(&mut self, Pass(left): Pass, _: &mut Context<Self>) -> Result<u32, Exit> {
        match (&self.next, left) {
            (Some(next), 1..) => next.call(Pass(left - 1)).timeout(self.limit).await?.map(|n| n + 1),
            _ => Ok(0),
        }
    }
}

impl Handle<PassLater> for Link {
    type Reply = Later<Result<u32, Exit>>;
    async fn handle(&mut self, PassLater(left): PassLater, ctx: &mut Context<Self>) -> Later<Result<u32, Exit>> {
        let next = self.next.clone();
        ctx.reply_later(async move {
            match (next, left) {
                (Some(next), 1..) => next.call(PassLater(left - 1)).await?.map(|n| n + 1),
                _ => Ok(0),
            }
        })
    }
}

/// Starts servers that pass calls on in a ring: each to the next one, the last one to the first.
async fn ring(n: usize, limit: Timeout) -> Vec<ServerRef<Link>> {
    let ring: Vec<_> = (0..n)
        .map(|at| ServerRef::builder(move || Link { next: None, limit }).label(format!("s{at}")).start())
        .collect();
    for (at, server) in ring.iter().enumerate() {
        server.call(Next(ring[(at + 1) % n].clone())).await.unwrap();
    }
    ring
}

#[test]
fn a_cycle_of_two_to_five_servers_is_answered_at_the_limit_and_named_at_most_once_for_each_call_in_it() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    for n in 2..=5 {
        let emitted = capture(move || {
            testing::run(async move {
                let ring = ring(n, Timeout::After(3 * SECOND)).await;
                let begun = Instant::now();
                // The call goes once around the ring, back to the first server, which is busy with it.
                let left = u32::try_from(n).unwrap();
                let answer = ring[0].call(Pass(left)).timeout(Timeout::Infinity).await.unwrap();
                assert!(answer.unwrap_err().is_timeout());
                assert_eq!(begun.elapsed(), 3 * SECOND);
                // All of them work again.
                for server in &ring {
                    assert_eq!(server.call(Pass(left - 1)).await, Ok(Ok(left - 1)));
                }
            });
        });
        let cycles = named(&emitted, "call_cycle");
        assert!(!cycles.is_empty() && cycles.len() <= n, "{n} servers, {} events", cycles.len());
        assert_eq!(cycles[0].field("cycle").split(" -> ").count(), n + 1);
    }
}

#[test]
fn servers_that_answer_later_may_call_each_other_in_a_circle() {
    testing::run(async {
        let ring = ring(3, Timeout::After(SECOND)).await;
        let begun = Instant::now();
        assert_eq!(ring[1].call(PassLater(10)).await, Ok(Ok(10)));
        assert!(begun.elapsed() < SECOND);
    });
}

#[test]
fn a_server_that_is_killed_in_the_middle_of_a_handler_drops_the_handler_and_goes_on_with_the_next_message() {
    testing::run(async {
        let log = Log::default();
        let (server, spec) = ChildSpec::server("worker", {
            let log = log.clone();
            move || Worker { log: log.clone() }
        });
        let tree = Supervisor::builder(Strategy::OneForOne).child(spec).start().await.unwrap();
        let guard = LogGuard::new(&log, "handler");
        let hangs = With(move |_: &mut Context<Worker>| async move {
            let _guard = guard;
            pending::<()>().await;
        });
        let (in_hand, queued, ()) = futures::join!(server.call(hangs), server.call(Say("queued")), async {
            settle().await;
            process::exit(server.pid(), Exit::Killed);
        });
        assert_eq!((in_hand, queued), (Err(Exit::Killed), Ok(6)));
        assert_eq!(log.take(), "started +handler -handler started queued");
        tree.stop().await;
    });
}

#[test]
fn a_call_that_a_handler_gives_up_is_skipped_by_the_other_server() {
    testing::run(async {
        let log = Log::default();
        let (quick, busy) = (Worker::start(&log), Worker::start(&log));
        busy.cast(Slow(2, "busy")).await.unwrap();
        let other = busy.clone();
        let choose = With(move |_: &mut Context<Worker>| async move {
            tokio::select! {
                _ = other.call(Say("given up")) => "answered",
                () = tokio::time::sleep(SECOND) => "gave up",
            }
        });
        assert_eq!(quick.call(choose).await, Ok("gave up"));
        assert_eq!(busy.call(Say("next")).await, Ok(4));
        assert_eq!(log.take(), "started started busy next");
        assert_eq!(busy.mailbox().skipped, 1);
    });
}

#[test]
fn messages_that_wait_for_room_keep_their_order_across_a_restart() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::builder(&log).mailbox(1).restart(Restart::Permanent).start();
        server.cast(Slow(1, "slow")).await.unwrap();
        settle().await;
        let (crash, second, third, cast) = futures::join!(
            server.call(Crash("broken")),
            server.call(Say("second")),
            server.call(Say("third")),
            server.cast(Say("fourth")),
        );
        assert!(crash.unwrap_err().is_abnormal());
        assert_eq!((second, third, cast), (Ok(6), Ok(5), Ok(())));
        assert_eq!(server.call(Say("fifth")).await, Ok(5));
        assert_eq!(log.take(), "started slow stopping: broken started second third fourth fifth");
    });
}

#[test]
fn a_stop_answers_what_is_queued_and_what_waits_for_room() {
    testing::run(async {
        let server = Worker::builder(&Log::default()).mailbox(1).start();
        server.cast(Slow(1, "")).await.unwrap();
        settle().await;
        let (queued, waiting, cast, report) = futures::join!(
            server.call(Say("queued")),
            server.call(Say("waits")),
            server.cast(Say("waits")),
            server.stop(),
        );
        assert!(is_stopped(&queued) && is_stopped(&waiting) && is_stopped(&cast), "{queued:?}, {waiting:?}, {cast:?}");
        assert!(report.is_clean());
        assert_eq!((server.mailbox().length, server.mailbox().waiting), (0, 0));
    });
}

/// Keeps a set of tasks, and answers with the results of those that have ended.
struct Tasks {
    set: TaskSet<u32>,
}

struct Begin(u32);
struct Collect;

impl Server for Tasks {}

impl Handle<Begin> for Tasks {
    type Reply = Pid;
    async fn handle(&mut self, Begin(seconds): Begin, _: &mut Context<Self>) -> Pid {
        self.set.spawn(async move {
            tokio::time::sleep(seconds * SECOND).await;
            assert_ne!(seconds, 13, "unlucky");
            seconds
        })
    }
}

impl Handle<Collect> for Tasks {
    type Reply = Option<Result<u32, Exit>>;
    async fn handle(&mut self, _: Collect, _: &mut Context<Self>) -> Option<Result<u32, Exit>> {
        self.set.next().await
    }
}

#[test]
fn a_set_in_a_server_lasts_from_message_to_message_and_ends_with_its_incarnation() {
    testing::run(async {
        let server = ServerRef::builder(|| Tasks { set: TaskSet::new() }).restart(Restart::Permanent).start();
        for seconds in [3, 1, 13, 2] {
            server.call(Begin(seconds)).await.unwrap();
        }
        assert_eq!(server.call(Collect).await, Ok(Some(Ok(1))));
        assert_eq!(server.call(Collect).await, Ok(Some(Ok(2))));
        assert_eq!(server.call(Collect).await, Ok(Some(Ok(3))));
        let crashed = server.call(Collect).timeout(20 * SECOND).await.unwrap().unwrap();
        assert!(crashed.unwrap_err().to_string().contains("unlucky"));
        assert_eq!(server.call(Collect).await, Ok(None));
        // The call gives up while the handler awaits `next`. The handler goes on, and no result is lost.
        server.call(Begin(4)).await.unwrap();
        assert!(server.call(Collect).timeout(SECOND).await.unwrap_err().is_timeout());
        let forever = server.call(Begin(1000)).await.unwrap();
        assert!(process::info(forever).is_some());
        process::exit(server.pid(), Exit::Killed);
        settle().await;
        assert!(process::info(forever).is_none(), "the tasks end with the process that owns the set");
        assert_eq!(server.call(Collect).await, Ok(None));
    });
}

static TENANT: Inherited<&'static str> = Inherited::new().carried_by_calls();

#[test]
fn a_value_goes_through_servers_that_call_each_other_their_late_answers_and_what_handlers_spawn() {
    struct Asks(Option<ServerRef<Asks>>);
    struct Who;
    struct WhoLater;
    impl Server for Asks {}
    impl Handle<Who> for Asks {
        type Reply = Vec<Option<&'static str>>;
        async fn handle(&mut self, _: Who, _: &mut Context<Self>) -> Vec<Option<&'static str>> {
            let who = || TENANT.get().map(|tenant| *tenant);
            let mut all = vec![who(), Task::spawn(async move { who() }).await.unwrap()];
            let mut set = TaskSet::new();
            set.spawn(async move { who() });
            all.extend(set.next().await.unwrap());
            if let Some(next) = &self.0 {
                all.extend(next.call(Who).await.unwrap());
                all.extend(next.call(WhoLater).await.unwrap());
            }
            all
        }
    }
    impl Handle<WhoLater> for Asks {
        type Reply = Later<Vec<Option<&'static str>>>;
        async fn handle(&mut self, _: WhoLater, ctx: &mut Context<Self>) -> Later<Vec<Option<&'static str>>> {
            ctx.reply_later(async { vec![TENANT.get().map(|tenant| *tenant)] })
        }
    }
    testing::run(async {
        let second = ServerRef::start(|| Asks(None));
        let first = ServerRef::start({
            let second = second.clone();
            move || Asks(Some(second.clone()))
        });
        for tenant in ["acme", "other"] {
            let all = TENANT.scope(tenant, first.call(Who)).await.unwrap();
            assert_eq!(all, vec![Some(tenant); 7]);
        }
        assert_eq!(first.call(Who).await, Ok(vec![None; 7]));
    });
}

#[test]
fn a_deadline_ends_a_call_and_a_wait_for_room_and_the_server_handles_neither() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::builder(&log).mailbox(1).start();
        server.cast(Slow(3, "slow")).await.unwrap();
        settle().await;
        let begun = Instant::now();
        let both = async { join(server.call(Say("queued")), server.call(Say("waits"))).await };
        assert!(within(SECOND, both).await.unwrap_err().is_timeout());
        assert_eq!(begun.elapsed(), SECOND);
        assert_eq!(server.call(Say("next")).await, Ok(4));
        assert_eq!(log.take(), "started slow next");
        // The call that waited for room was removed, and is not counted.
        assert_eq!(server.mailbox().skipped, 1);
    });
}

#[test]
fn each_strategy_restarts_servers_with_their_mailboxes() {
    for (strategy, restarted) in
        [(Strategy::OneForOne, "b"), (Strategy::RestForOne, "bc"), (Strategy::OneForAll, "abc")]
    {
        testing::run(async move {
            let log = Log::default();
            let server = |id| {
                let log = log.clone();
                ChildSpec::server(id, move || {
                    log.push(id);
                    Worker { log: Log::default() }
                })
            };
            let ((a, spec_a), (b, spec_b), (c, spec_c)) = (server("a"), server("b"), server("c"));
            let tree = Supervisor::builder(strategy).child(spec_a).child(spec_b).child(spec_c).start().await.unwrap();
            assert_eq!(log.take(), "a b c");
            let (in_a, crash, in_b, in_c) =
                futures::join!(a.call(Say("a")), b.call(Crash("broken")), b.call(Say("bb")), c.call(Say("ccc")));
            assert!(crash.unwrap_err().is_abnormal());
            assert_eq!((in_a, in_b, in_c), (Ok(1), Ok(2), Ok(3)));
            settle().await;
            assert_eq!(log.take().replace(' ', ""), restarted);
            for server in [&a, &b, &c] {
                assert_eq!(server.call(Say("late")).await, Ok(4));
            }
            tree.stop().await;
            assert!(is_stopped(&b.call(Say("")).await));
        });
    }
}

#[test]
fn a_handler_that_waits_for_a_request_to_shut_down_sees_it() {
    testing::run(async {
        let server = Worker::start(&Log::default());
        let waits = With(|_: &mut Context<Worker>| async {
            shutdown_requested().await;
            "asked"
        });
        let (answer, report) = join(server.call(waits), async {
            settle().await;
            server.stop().await
        })
        .await;
        assert_eq!(answer, Ok("asked"));
        assert!(report.is_clean());
    });
}

//! What does a message to a process that holds state cost? What does a set of tasks cost?
//!
//! Each side has a mailbox for 1024 messages, except ractor, whose mailbox has no bound.

use std::convert::Infallible;

use cordial::TaskSet;
use cordial::server::{Context, Handle, Server, ServerRef};
use kameo::actor::Spawn as _;
use ractor::{ActorProcessingErr, RpcReplyPort};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::measure::{Bench, Pair, in_tokio};

const MESSAGES: u32 = 100_000;
const CAPACITY: usize = 1024;
const TASKS: u32 = 1_000_000;
const AT_ONCE: usize = 64;

/// A sum, and the number that is added to it.
#[derive(Default)]
struct Sum(u64);
struct Add(u64);

impl Server for Sum {}

impl Handle<Add> for Sum {
    type Reply = u64;
    async fn handle(&mut self, Add(n): Add, _: &mut Context<Self>) -> u64 {
        self.0 += n;
        self.0
    }
}

async fn calls_of_ours() {
    let server = ServerRef::builder(Sum::default).mailbox(CAPACITY).start();
    for n in 0..MESSAGES {
        server.call(Add(u64::from(n))).await.expect("the server lives");
    }
}

/// A call of a server that is idle, and its answer. The peer is a task that takes messages from a channel and answers through a
/// oneshot channel.
pub(crate) fn call(bench: &Bench) -> Pair {
    let peer = async {
        let (tx, mut rx) = mpsc::channel::<(u64, oneshot::Sender<u64>)>(CAPACITY);
        let server = in_tokio(async move {
            let mut sum = 0;
            while let Some((n, reply)) = rx.recv().await {
                sum += n;
                let _ = reply.send(sum);
            }
        });
        for n in 0..MESSAGES {
            let (reply, answer) = oneshot::channel();
            tx.send((u64::from(n), reply)).await.expect("the task lives");
            answer.await.expect("the task answers");
        }
        drop(tx);
        server.await;
    };
    bench.pair(MESSAGES, calls_of_ours(), peer)
}

impl kameo::Actor for Sum {
    type Args = Sum;
    type Error = Infallible;

    async fn on_start(sum: Sum, _: kameo::actor::ActorRef<Sum>) -> Result<Sum, Infallible> {
        Ok(sum)
    }
}

impl kameo::message::Message<Add> for Sum {
    type Reply = u64;

    async fn handle(&mut self, Add(n): Add, _: &mut kameo::message::Context<Sum, u64>) -> u64 {
        self.0 += n;
        self.0
    }
}

/// The same as [`call`], compared with `ask` of kameo.
pub(crate) fn call_to_kameo(bench: &Bench) -> Pair {
    let peer = async {
        let actor = Sum::spawn_with_mailbox(Sum(0), kameo::mailbox::bounded(CAPACITY));
        for n in 0..MESSAGES {
            actor.ask(Add(u64::from(n))).await.expect("the actor lives");
        }
    };
    bench.pair(MESSAGES, calls_of_ours(), peer)
}

/// The actor of ractor, whose state is a sum.
struct Adder;
struct AddTo(u64, RpcReplyPort<u64>);

impl ractor::Actor for Adder {
    type Msg = AddTo;
    type State = u64;
    type Arguments = ();

    async fn pre_start(&self, _: ractor::ActorRef<AddTo>, (): ()) -> Result<u64, ActorProcessingErr> {
        Ok(0)
    }

    async fn handle(
        &self,
        _: ractor::ActorRef<AddTo>,
        AddTo(n, reply): AddTo,
        sum: &mut u64,
    ) -> Result<(), ActorProcessingErr> {
        *sum += n;
        reply.send(*sum)?;
        Ok(())
    }
}

/// The same as [`call`], compared with `call` of ractor.
pub(crate) fn call_to_ractor(bench: &Bench) -> Pair {
    let peer = async {
        let (actor, _join) = ractor::Actor::spawn(None, Adder, ()).await.expect("the actor starts");
        for n in 0..MESSAGES {
            let answer = actor.call(|reply| AddTo(u64::from(n), reply), None).await;
            answer.expect("the actor lives").expect("the actor answers");
        }
        actor.stop(None);
    };
    bench.pair(MESSAGES, calls_of_ours(), peer)
}

/// Messages without an answer, one after the other, until all have been handled. The peer is a task that takes them from a channel.
pub(crate) fn cast(bench: &Bench) -> Pair {
    let ours = async {
        let server = ServerRef::builder(Sum::default).mailbox(CAPACITY).start();
        for n in 0..MESSAGES {
            server.cast(Add(u64::from(n))).await.expect("the server lives");
        }
        server.call(Add(0)).await.expect("the server lives");
    };
    let peer = async {
        let (tx, mut rx) = mpsc::channel::<u64>(CAPACITY);
        let server = in_tokio(async move {
            let mut sum = 0;
            while let Some(n) = rx.recv().await {
                sum += n;
            }
            std::hint::black_box(sum);
        });
        for n in 0..MESSAGES {
            tx.send(u64::from(n)).await.expect("the task lives");
        }
        drop(tx);
        server.await;
    };
    bench.pair(MESSAGES, ours, peer)
}

/// A million trivial tasks, 64 at a time, whose results are taken as they end. The peer is a `JoinSet`.
pub(crate) fn set(bench: &Bench) -> Pair {
    let ours = async {
        let mut set = TaskSet::new();
        let mut sum = 0;
        for n in 0..TASKS {
            if set.len() == AT_ONCE {
                sum += set.next().await.expect("the set is full").expect("the task does not fail");
            }
            set.spawn(async move { u64::from(n) });
        }
        while let Some(result) = set.next().await {
            sum += result.expect("the task does not fail");
        }
        std::hint::black_box(sum);
    };
    let peer = async {
        let mut set = JoinSet::new();
        let mut sum = 0;
        for n in 0..TASKS {
            if set.len() == AT_ONCE {
                sum += set.join_next().await.expect("the set is full").expect("the task does not fail");
            }
            set.spawn(async move { u64::from(n) });
        }
        while let Some(result) = set.join_next().await {
            sum += result.expect("the task does not fail");
        }
        std::hint::black_box(sum);
    };
    bench.pair(TASKS, ours, peer)
}

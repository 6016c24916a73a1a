//! The thread of a connection: it sends, keeps subscriptions, renews leases, sends heartbeats, and hands results over.
//!
//! It works even while user code blocks every other thread.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, HeaderMap, Message, SubscribeError, SubscribeErrorKind, Subscriber};
use bytes::Bytes;
use futures_util::future::{BoxFuture, OptionFuture};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::task::unconstrained;
use tokio::time::{MissedTickBehavior, interval};

use super::keep_alive::{KeepAlives, Swept};
use super::net_error::NetError;

/// How often the thread looks at leases and heartbeats.
const SWEEP: Duration = Duration::from_millis(100);

/// When it looks again if the queue of the client had no room for all that it had to send.
const NEXT_SWEEP: Duration = Duration::from_millis(10);

/// Computes the answer to a request. Runs on the thread of the connection, so it must not block.
pub(crate) type RequestHandler = Arc<dyn Fn(Message) -> Option<Bytes> + Send + Sync>;

/// Takes each message of a subscription. Runs on the thread of the connection, so it must not block.
pub(crate) type MessageHandler = Box<dyn FnMut(Message) + Send>;

/// A message to publish, without waiting for anything.
#[derive(Debug)]
pub(crate) struct OutgoingMessage {
    pub(crate) subject: String,
    /// Where answers go.
    pub(crate) reply: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Bytes,
}

impl OutgoingMessage {
    /// Returns a message without headers, to which there is no answer.
    pub(crate) fn new(subject: String, payload: impl Into<Bytes>) -> OutgoingMessage {
        OutgoingMessage { subject, reply: None, headers: HeaderMap::new(), payload: payload.into() }
    }
}

pub(super) enum Command {
    Publish(OutgoingMessage),
    Subscribe {
        subject: String,
        queue: Option<String>,
        handler: MessageHandler,
        /// Receives a request to unsubscribe and to pass on what the server has sent before. If its sender is dropped, the subscription ends at
        /// once.
        drain: mpsc::Receiver<()>,
        subscribed: oneshot::Sender<Result<(), NetError>>,
    },
    OnRequest {
        subject: String,
        handler: RequestHandler,
        /// If its sender is dropped, the subscription ends.
        until: oneshot::Receiver<()>,
        subscribed: oneshot::Sender<Result<(), NetError>>,
    },
    /// The table of renewals is not empty any more.
    KeepAlive,
    Flush(oneshot::Sender<()>),
}

/// Makes a future that the thread runs. Called on the thread.
pub(super) type StartFuture = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// What the thread does at the same time: a future for each subscription and each flush, and those of `Connection::run`.
type RunningFutures = FuturesUnordered<BoxFuture<'static, ()>>;

/// What the thread has to do after a command.
enum Executed {
    Nothing,
    /// A future that runs beside further commands.
    Running(BoxFuture<'static, ()>),
    /// The subscription to the confirmations of renewals.
    Confirmations(Subscriber),
}

/// Serves commands until all their senders are dropped.
pub(super) async fn serve(
    client: Client,
    mut commands: mpsc::UnboundedReceiver<Command>,
    mut starts: mpsc::UnboundedReceiver<StartFuture>,
    keep_alives: Arc<KeepAlives>,
) {
    let inbox = client.new_inbox();
    let mut confirmations: Option<Subscriber> = None;
    let mut running = RunningFutures::new();
    // While the client connects again, its queue may be full. Then a command waits for room, and later commands wait behind it. The thread does not
    // wait for them: it has to see which leases run out, and which requests are over.
    let mut executing: Option<BoxFuture<'static, Executed>> = None;
    let mut sweep = interval(SWEEP);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            // The sweep comes first, so that a thread with much to do still renews leases.
            _ = sweep.tick(), if keep_alives.is_swept() => {
                if keep_alives.sweep(&client, &inbox) == Swept::InPart {
                    sweep.reset_after(NEXT_SWEEP);
                }
            }
            Some(executed) = OptionFuture::from(executing.as_mut()) => {
                executing = None;
                match executed {
                    Executed::Nothing => {}
                    Executed::Running(future) => running.push(future),
                    Executed::Confirmations(subscriber) => confirmations = Some(subscriber),
                }
            }
            command = commands.recv(), if executing.is_none() => {
                let Some(command) = command else { break };
                let confirm_to = confirmations.is_none().then(|| format!("{inbox}.>"));
                executing = Some(execute(client.clone(), command, confirm_to));
            }
            Some(start) = starts.recv() => running.push(start()),
            Some(confirmation) = next(&mut confirmations) => keep_alives.confirm(&confirmation),
            Some(()) = running.next() => {}
        }
    }
    // What was sent before the last handle was dropped goes out, unless the server is gone.
    let _ = tokio::time::timeout(Duration::from_secs(1), client.flush()).await;
}

async fn next(subscriber: &mut Option<Subscriber>) -> Option<Message> {
    match subscriber {
        Some(subscriber) => subscriber.next().await,
        None => None,
    }
}

/// `confirm_to` is the subject of the confirmations of renewals; `None` if there is a subscription to it.
///
/// Each command has a future of its own, because that of `Publish` is the most frequent one, and smaller than the others.
fn execute(client: Client, command: Command, confirm_to: Option<String>) -> BoxFuture<'static, Executed> {
    match command {
        Command::Publish(message) => publish(client, message).boxed(),
        Command::Subscribe { subject, queue, handler, drain, subscribed } => async move {
            let subscriber = match queue {
                Some(queue) => client.queue_subscribe(subject, queue).await,
                None => client.subscribe(subject).await,
            };
            match subscriber {
                Ok(subscriber) => {
                    let _ = subscribed.send(Ok(()));
                    Executed::Running(forward(client, subscriber, handler, drain).boxed())
                }
                Err(error) => {
                    let _ = subscribed.send(Err(not_subscribed(&error)));
                    Executed::Nothing
                }
            }
        }
        .boxed(),
        Command::OnRequest { subject, handler, until, subscribed } => async move {
            match client.subscribe(subject).await {
                Ok(subscriber) => {
                    let _ = subscribed.send(Ok(()));
                    Executed::Running(answer_requests(client, subscriber, handler, until).boxed())
                }
                Err(error) => {
                    let _ = subscribed.send(Err(not_subscribed(&error)));
                    Executed::Nothing
                }
            }
        }
        .boxed(),
        Command::KeepAlive => async move {
            match confirm_to {
                Some(subject) => client.subscribe(subject).await.map_or(Executed::Nothing, Executed::Confirmations),
                None => Executed::Nothing,
            }
        }
        .boxed(),
        // Not awaited here: it lasts until a server is connected, and further commands have to be executed meanwhile.
        Command::Flush(flushed) => {
            let flush = async move {
                let _ = client.flush().await;
                let _ = flushed.send(());
            };
            std::future::ready(Executed::Running(flush.boxed())).boxed()
        }
    }
}

async fn publish(client: Client, message: OutgoingMessage) -> Executed {
    let OutgoingMessage { subject, reply, headers, payload } = message;
    // An error means that the client has ended, or that the message is too large, which the caller has checked.
    let _ = match reply {
        Some(reply) => client.publish_with_reply_and_headers(subject, reply, headers, payload).await,
        None if headers.is_empty() => client.publish(subject, payload).await,
        None => client.publish_with_headers(subject, headers, payload).await,
    };
    Executed::Nothing
}

fn not_subscribed(error: &SubscribeError) -> NetError {
    match error.kind() {
        // The client takes no command any more.
        SubscribeErrorKind::Other => NetError::Ended,
        SubscribeErrorKind::InvalidSubject | SubscribeErrorKind::InvalidQueueName => {
            NetError::Broken(error.to_string().into())
        }
    }
}

/// Passes messages on until the subscription is dropped or has been drained. Dropping the subscriber unsubscribes, which needs the runtime of
/// this thread.
async fn forward(
    client: Client,
    mut subscriber: Subscriber,
    mut handler: MessageHandler,
    mut drain: mpsc::Receiver<()>,
) {
    let mut last = None;
    loop {
        tokio::select! {
            biased;
            requested = drain.recv() => match requested {
                Some(()) if last.is_none() => match unsubscribe(&client, &mut subscriber).await {
                    Some(subscriber) => last = Some(subscriber),
                    None => return,
                },
                Some(()) => {}
                None => return,
            },
            message = subscriber.next() => match message {
                Some(message) => handler(message),
                None => return,
            },
            Some(_) = next(&mut last) => break,
        }
    }
    // The client has received all messages of the subscription, and passes them on in order.
    while let Some(Some(message)) = unconstrained(subscriber.next()).now_or_never() {
        handler(message);
    }
}

/// Ends a subscription at the server, and not yet at this client. Returns a second subscription, to a message that the server sends after all
/// messages of the first one.
///
/// `Subscriber::drain` forgets the subscription when it reads next, and loses what arrives later. So the request to unsubscribe names a number
/// of messages after which the subscription ends. Each server from 2.9 to 2.15 reads a number of more than nine digits as "at once", while
/// this client counts up to it, and so keeps the subscription.
async fn unsubscribe(client: &Client, subscriber: &mut Subscriber) -> Option<Subscriber> {
    subscriber.unsubscribe_after(u64::MAX).await.ok()?;
    let inbox = client.new_inbox();
    let last = client.subscribe(inbox.clone()).await.ok()?;
    client.publish(inbox, Bytes::new()).await.ok()?;
    Some(last)
}

async fn answer_requests(
    client: Client,
    mut subscriber: Subscriber,
    handler: RequestHandler,
    mut until: oneshot::Receiver<()>,
) {
    loop {
        tokio::select! {
            _ = &mut until => return,
            message = subscriber.next() => {
                let Some(message) = message else { return };
                let reply = message.reply.clone();
                if let Some(payload) = handler(message) && let Some(reply) = reply {
                    let _ = client.publish(reply, payload).await;
                }
            }
        }
    }
}

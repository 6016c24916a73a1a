//! `Connection`: the handle to the client and to its thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::thread::{self, ThreadId};
use std::time::Duration;

use async_nats::client::{PublishErrorKind, RequestErrorKind};
use async_nats::connection::State;
use async_nats::{Client, HeaderMap, Message, Request};
use bytes::Bytes;
use futures_util::FutureExt;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};

use super::cancellation::CancellationToken;
use super::keep_alive::{KeepAliveGuard, KeepAliveKind, KeepAlives};
use super::net_error::NetError;
use super::permission_errors::{LatestErrors, PermissionErrors};
use super::reply_subject::ReplySubject;
use super::thread::{Command, MessageHandler, OutgoingMessage, RequestHandler, StartFuture};
use crate::unwind::contain;

/// How long a message or a subscription waits for room in the queue of the client, which may be full while the client connects again.
const SEND_LIMIT: Duration = Duration::from_millis(2500);

/// How many messages of one subscription may wait.
const SUBSCRIPTION_CAPACITY: usize = 65_536;

/// After a server was started again, all programs have connected within this time after the first one. A program that is missing after it is gone.
pub(crate) const RECONNECT_LIMIT: Duration = Duration::from_secs(3);

/// A connection to the servers. Cheap to clone. The thread ends with the last clone.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    client: Client,
    commands: mpsc::UnboundedSender<Command>,
    /// What the thread runs beside the commands.
    starts: mpsc::UnboundedSender<StartFuture>,
    /// The thread, if the client lives there as well. `None` for a client that the user has connected.
    client_thread: Option<ThreadId>,
    /// When the client has connected last. `None` before the first connection.
    connects: watch::Receiver<Option<Instant>>,
    /// How many times the client had connected when this connection was opened.
    n_connects_before: u64,
    /// What the server has reported, for example a missing permission. Never changes with a client that the user has connected.
    permission_errors: watch::Receiver<LatestErrors>,
    keep_alives: Arc<KeepAlives>,
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Command")
    }
}

/// A subscription whose messages wait in a channel. Dropping it unsubscribes.
#[derive(Debug)]
pub(crate) struct Subscription {
    messages: mpsc::Receiver<Message>,
    handler: HandlerSubscription,
}

/// A subscription whose messages are handled on the thread of the connection. Dropping it unsubscribes, and drops the handler.
#[derive(Debug)]
pub(crate) struct HandlerSubscription {
    drain: mpsc::Sender<()>,
}

impl HandlerSubscription {
    /// Unsubscribes. What the server has sent before is still handled; then the handler is dropped.
    pub(crate) fn drain(&self) {
        // An error means that an earlier call has filled the channel.
        let _ = self.drain.try_send(());
    }
}

impl Subscription {
    /// Returns the next message; `None` after the thread of the connection has ended, and after the last message of a drained subscription.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        self.messages.recv().await
    }

    /// Unsubscribes. What the server has sent before still arrives.
    pub(crate) fn drain(&self) {
        self.handler.drain();
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.messages.poll_recv(cx)
    }
}

impl Connection {
    pub(super) fn new(
        client: Client,
        commands: mpsc::UnboundedSender<Command>,
        starts: mpsc::UnboundedSender<StartFuture>,
        client_thread: Option<ThreadId>,
        connects: watch::Receiver<Option<Instant>>,
        permission_errors: watch::Receiver<LatestErrors>,
        keep_alives: Arc<KeepAlives>,
    ) -> Connection {
        let n_connects_before = client.statistics().connects.load(Ordering::Relaxed);
        Connection {
            client,
            commands,
            starts,
            client_thread,
            connects,
            n_connects_before,
            permission_errors,
            keep_alives,
        }
    }

    /// Returns the largest message that the server accepts, in bytes, with its headers.
    pub(crate) fn max_payload(&self) -> usize {
        self.client.max_payload()
    }

    /// Returns a receiver of the time of the last connect. It changes when the client has connected again, to this or to another server.
    pub(crate) fn connects(&self) -> watch::Receiver<Option<Instant>> {
        self.connects.clone()
    }

    /// Returns for how long the client has been connected to its server, as far as it knows.
    pub(crate) fn connected_for(&self) -> Duration {
        self.connects.borrow().map_or(Duration::ZERO, |last| last.elapsed())
    }

    /// Returns whether the client has connected again, and so recently that other programs may not have done so yet.
    pub(crate) fn has_just_reconnected(&self) -> bool {
        let n_connects = self.client.statistics().connects.load(Ordering::Relaxed);
        n_connects > self.n_connects_before && self.connected_for() < RECONNECT_LIMIT
    }

    /// Returns a receiver of the errors that the server reports from now on.
    fn permission_errors(&self) -> PermissionErrors {
        PermissionErrors::new(self.permission_errors.clone())
    }

    /// Returns whether the client is connected, as far as it knows.
    pub(crate) fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Returns a subject that no other client uses.
    pub(crate) fn new_inbox(&self) -> String {
        self.client.new_inbox()
    }

    /// Publishes without waiting, from any thread.
    pub(crate) fn publish(&self, outgoing: OutgoingMessage) {
        let _ = self.commands.send(Command::Publish(outgoing));
    }

    /// Publishes an empty message without waiting, from any thread.
    pub(crate) fn publish_empty(&self, subject: String) {
        self.publish(OutgoingMessage::new(subject, Bytes::new()));
    }

    /// Waits until what was published with [`publish`](Connection::publish) before has been written to the socket, for at most `limit`.
    pub(crate) async fn flush(&self, limit: Duration) {
        let (flushed, wait) = oneshot::channel();
        let _ = self.commands.send(Command::Flush(flushed));
        let _ = tokio::time::timeout(limit, wait).await;
    }

    /// Sends a request, and returns its answer.
    ///
    /// If the client lives on the thread of the connection, that thread sends the request and waits for the answer, with a timer of its own
    /// runtime. A timer that a worker sets would wake a thread of the tokio runtime of the workers.
    pub(crate) async fn request(
        &self,
        subject: &str,
        headers: HeaderMap,
        payload: Bytes,
        limit: Duration,
    ) -> Result<Message, NetError> {
        let (client, permission_errors, subject) = (self.client.clone(), self.permission_errors(), subject.to_owned());
        let request = move || send_request(client, permission_errors, subject, headers, payload, limit);
        if self.client_thread.is_none_or(|client| client == thread::current().id()) {
            return request().await;
        }
        let (answered, answer) = oneshot::channel();
        self.run(move || async move {
            let answer = request().await;
            // Runs a user waker, which may panic.
            contain(|| drop(answered.send(answer)));
        });
        answer.await.unwrap_or(Err(NetError::Ended))
    }

    /// Publishes with a subject for answers.
    pub(crate) async fn publish_with_reply(
        &self,
        subject: String,
        reply: String,
        payload: Bytes,
    ) -> Result<(), NetError> {
        self.publish_request(subject, reply, HeaderMap::new(), payload).await.map(drop)
    }

    /// Publishes with headers and a subject for answers. Returns a receiver of all errors that the server has reported since this was called.
    pub(crate) async fn publish_request(
        &self,
        subject: String,
        reply: String,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<PermissionErrors, NetError> {
        let permission_errors = self.permission_errors();
        let size = message_size(&headers, &payload);
        let sent = async {
            if headers.is_empty() {
                self.client.publish_with_reply(subject, reply, payload).await
            } else {
                self.client.publish_with_reply_and_headers(subject, reply, headers, payload).await
            }
        };
        timeout(SEND_LIMIT, sent).await.map_err(|_| NetError::Silent)?.map_err(|error| match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => NetError::TooLarge { size, limit: self.max_payload() },
            PublishErrorKind::Send => NetError::Ended,
            PublishErrorKind::InvalidSubject => NetError::Broken(error.to_string().into()),
        })?;
        Ok(permission_errors)
    }

    /// Subscribes. When this returns, the server gets the subscription before any later message of this program.
    pub(crate) async fn subscribe(&self, subject: String, queue: Option<&str>) -> Result<Subscription, NetError> {
        self.subscribe_with_capacity(subject, queue, SUBSCRIPTION_CAPACITY).await
    }

    /// Subscribes as [`subscribe`](Connection::subscribe) does, with this capacity. Messages beyond the capacity are dropped.
    pub(crate) async fn subscribe_with_capacity(
        &self,
        subject: String,
        queue: Option<&str>,
        capacity: usize,
    ) -> Result<Subscription, NetError> {
        let (to, messages) = mpsc::channel(capacity);
        let pass_on = move |message| {
            // If the channel is full, the message is lost, as any message of core NATS can be.
            contain(|| drop(to.try_send(message)));
        };
        let handler = self.handle(subject, queue, Box::new(pass_on)).await?;
        Ok(Subscription { messages, handler })
    }

    /// Subscribes, and handles the messages on the thread of the connection.
    pub(crate) async fn handle(
        &self,
        subject: String,
        queue: Option<&str>,
        handler: MessageHandler,
    ) -> Result<HandlerSubscription, NetError> {
        let (drain, drained) = mpsc::channel(1);
        let (subscribed, wait) = oneshot::channel();
        let queue = queue.map(str::to_owned);
        let _ = self.commands.send(Command::Subscribe { subject, queue, handler, drain: drained, subscribed });
        wait_subscribed(wait).await.map(|()| HandlerSubscription { drain })
    }

    /// Answers requests on a subject, on the thread of the connection, until the returned sender is dropped.
    pub(crate) async fn on_request(
        &self,
        subject: String,
        handler: RequestHandler,
    ) -> Result<oneshot::Sender<()>, NetError> {
        let (guard, until) = oneshot::channel();
        let (subscribed, wait) = oneshot::channel();
        let _ = self.commands.send(Command::OnRequest { subject, handler, until, subscribed });
        wait_subscribed(wait).await.map(|()| guard)
    }

    /// Runs a future on the thread of the connection, to its end or to that of the connection. The future must not block, nor run user code.
    ///
    /// The thread calls `start`, and so allocates the future that it later frees: the allocator takes a lock to free memory of another thread.
    pub(crate) fn run<F>(&self, start: impl FnOnce() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let _ = self.starts.send(Box::new(move || start().boxed()));
    }

    /// Renews a lease, or sends heartbeats, to `subject`, until the guard is dropped. Requests the end of the run through `cancellation` if
    /// the lease is lost or the caller is gone. The lease did not begin before `since`.
    pub(crate) fn keep_alive(
        &self,
        kind: KeepAliveKind,
        subject: Arc<ReplySubject>,
        cancellation: Arc<CancellationToken>,
        since: Instant,
    ) -> KeepAliveGuard {
        let (guard, has_to_wake) = self.keep_alives.add(kind, subject, cancellation, since);
        if has_to_wake {
            let _ = self.commands.send(Command::KeepAlive);
            // The thread may have to wait for room in the queue of the client before it takes a command, but looks at the table now.
            self.run(|| std::future::ready(()));
        }
        guard
    }
}

/// Sends a request from the thread of the client.
async fn send_request(
    client: Client,
    mut permission_errors: PermissionErrors,
    subject: String,
    headers: HeaderMap,
    payload: Bytes,
    limit: Duration,
) -> Result<Message, NetError> {
    let size = message_size(&headers, &payload);
    let mut request = Request::new().payload(payload).timeout(None);
    if !headers.is_empty() {
        request = request.headers(headers);
    }
    // The limit of the client itself would not include the wait for room in its queue, which may be full while it connects again.
    let answer = timeout(limit, client.send_request(subject.clone(), request));
    let answer = tokio::select! {
        answer = answer => answer.map_err(|_| NetError::Silent)?,
        error = permission_errors.next_about(&subject) => return Err(NetError::Denied(error)),
    };
    answer.map_err(|error| match error.kind() {
        RequestErrorKind::NoResponders => NetError::NoResponders,
        RequestErrorKind::MaxPayloadExceeded => NetError::TooLarge { size, limit: client.max_payload() },
        // The request has no limit in the client, so this error means that the client has ended.
        RequestErrorKind::Other => NetError::Ended,
        _ => NetError::Broken(error.to_string().into()),
    })
}

/// Returns the size of a message as the server counts it: that of the payload, and of the headers in the form in which they are sent.
fn message_size(headers: &HeaderMap, payload: &Bytes) -> usize {
    if headers.is_empty() {
        return payload.len();
    }
    let line = |name: &str, value: &str| name.len() + ": ".len() + value.len() + "\r\n".len();
    let lines =
        headers.iter().flat_map(|(name, values)| values.iter().map(move |value| line(name.as_ref(), value.as_str())));
    "NATS/1.0\r\n\r\n".len() + lines.sum::<usize>() + payload.len()
}

async fn wait_subscribed(wait: oneshot::Receiver<Result<(), NetError>>) -> Result<(), NetError> {
    timeout(SEND_LIMIT, wait).await.map_err(|_| NetError::Silent)?.unwrap_or(Err(NetError::Ended))
}

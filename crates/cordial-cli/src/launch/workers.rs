//! Assigns requests to slots, in the order of their arrival, except for those that are put back.
//!
//! Starting a command blocks a thread. So there are as many threads as cores, but no more than slots at the start. Each has a share
//! of the slots, and takes the next request when one of its slots is free.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{self, Instant};

use super::child::{self, CommandSlot};
use super::fleet_child;
use super::request::{LaunchConfig, RemoteLaunch, Request};
use super::throttle::Throttle;
use crate::blocking_io::write_all;
use crate::item_failure::ItemFailure;
use crate::outcome::Outcome;
use crate::output::{LineBatch, StdStream};
use crate::remote::HostSlot;
use crate::stop::token::StopLevel;
use crate::system::{self, StandardError, WaitMode};
use crate::text::display::ERASE_BAR;
use crate::text::shell_quote::Quoting;

/// How long a thread pauses after it has put a request back. Too many processes or files exist, or the connection to the machine of the
/// command has failed.
const PUT_BACK_PAUSE: Duration = Duration::from_millis(20);

/// The longest time for which the reply of a short command is held back while other requests wait.
/// Sending replies together saves wake-ups: a send may wake several threads, which take cores from the commands.
const MAX_REPLY_DELAY: Duration = Duration::from_millis(50);

/// The reply of a command that took longer than this is sent at once.
const SHORT_COMMAND: Duration = Duration::from_millis(100);

/// With fewer waiting requests than this, replies are sent at once, since the tasks that receive them send further
/// requests.
const FEW_REQUESTS: usize = 4;

/// The largest number of times that an attempt is repeated because its connection has failed.
const MAX_CONNECTION_FAILURES: u32 = 20;

/// The number of requests that should wait besides those that run.
pub(super) const WAITING_REQUESTS: usize = 128;

/// The state that the threads share.
pub(super) struct Workers {
    config: LaunchConfig,
    requests: tokio::sync::Mutex<NewRequests>,
    received: ReceivedRequests,
    slots: Mutex<Slots>,
    replies: Mutex<ReplyBatch>,
    /// The number of requests that are being served.
    running: AtomicUsize,
    /// Whether there are no more requests.
    ended: watch::Sender<bool>,
    /// The number of requests that were sent and not started.
    waiting: Arc<AtomicUsize>,
}

/// Replies from all threads, which will be sent together.
#[derive(Default)]
struct ReplyBatch {
    replies: Vec<(oneshot::Sender<Outcome>, Outcome)>,
    /// When the batch has to be sent at the latest; `None` if it is empty.
    deadline: Option<Instant>,
}

impl ReplyBatch {
    fn add(&mut self, reply: oneshot::Sender<Outcome>, outcome: Outcome) {
        let now = Instant::now();
        if outcome.duration > SHORT_COMMAND {
            self.deadline = Some(now);
        } else {
            self.deadline.get_or_insert(now + MAX_REPLY_DELAY);
        }
        self.replies.push((reply, outcome));
    }
}

/// Requests that were sent and not received, and the conditions for a start. Locked by the thread that waits for the next request.
struct NewRequests {
    receiver: UnboundedReceiver<Request>,
    throttle: Throttle,
}

/// Requests that were received and not started: the next one, while it waits for the throttle, and those that were put back. They
/// are taken before new ones.
///
/// They have a lock of their own. A thread that waits for the next request holds the lock of `NewRequests` until one is sent. A
/// thread that puts a request back must not wait for that, because there may be no other request.
#[derive(Default)]
struct ReceivedRequests {
    requests: Mutex<VecDeque<Request>>,
    added: Notify,
}

impl ReceivedRequests {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Request>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put_back(&self, request: Request) {
        self.lock().push_back(request);
        self.added.notify_one();
    }
}

/// The numbers of free slots. The lowest is used first.
#[derive(Default)]
struct Slots {
    free: BinaryHeap<Reverse<usize>>,
    /// The number of slots that have been used so far.
    n_used: usize,
}

impl Slots {
    fn take(&mut self) -> usize {
        self.free.pop().map_or_else(
            || {
                self.n_used += 1;
                self.n_used
            },
            |Reverse(slot)| slot,
        )
    }
}

/// The result of a request.
enum Served {
    Finished(oneshot::Sender<Outcome>, Box<Outcome>),
    /// The request is put back, to be served again. Its process could not be started, because too many processes or files exist,
    /// and other commands will free some; or the connection to its machine has failed.
    Requeued(Request),
}

/// What a thread has waited for.
enum Event {
    Served(Served),
    /// The next request; `None` if there are no more.
    Next(Option<Request>),
}

impl Workers {
    pub(super) fn new(
        mut config: LaunchConfig,
        receiver: UnboundedReceiver<Request>,
        waiting: Arc<AtomicUsize>,
    ) -> Workers {
        let throttle = std::mem::take(&mut config.throttle);
        let requests = tokio::sync::Mutex::new(NewRequests { receiver, throttle });
        let (slots, replies) = (Mutex::default(), Mutex::default());
        let received = ReceivedRequests::default();
        let (running, ended) = (AtomicUsize::new(0), watch::Sender::new(false));
        Workers { config, requests, received, slots, replies, running, ended, waiting }
    }

    /// Serves requests on the calling thread, the `n`th of `n_threads`, counted from 0, with its share of the slots. Returns when
    /// there are no more requests and the commands of this thread have ended.
    pub(super) async fn run(&self, n: usize, n_threads: usize) {
        let mut running = FuturesUnordered::new();
        let mut is_open = true;
        let (mut limit, mut ended) = (self.config.limit.subscribe(), self.ended.subscribe());
        while is_open || !running.is_empty() {
            let limit_now = *limit.borrow_and_update();
            let n_slots = limit_now / n_threads + usize::from(n < limit_now % n_threads);
            let mode = if n_slots == 1 { WaitMode::Blocking } else { WaitMode::Async };
            let deadline = self.lock_replies().deadline;
            let has_few_requests = || self.waiting.load(Ordering::Relaxed) < FEW_REQUESTS;
            if deadline.is_some_and(|deadline| Instant::now() >= deadline || has_few_requests()) {
                self.send_replies();
                continue;
            }
            let event = {
                let next = pin!(self.next());
                tokio::select! {
                    biased;
                    Some(served) = running.next(), if !running.is_empty() => Event::Served(served),
                    request = next, if is_open && running.len() < n_slots => Event::Next(request),
                    () = time::sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => continue,
                    // The wait fails only when the sender is gone, and `config` holds the sender.
                    _ = limit.changed() => continue,
                    // A thread without a free slot does not ask for requests, so it does not see their end.
                    _ = ended.wait_for(|ended| *ended), if is_open => Event::Next(None),
                }
            };
            match event {
                Event::Served(Served::Finished(reply, outcome)) => self.lock_replies().add(reply, *outcome),
                Event::Served(Served::Requeued(request)) => {
                    self.waiting.fetch_add(1, Ordering::Relaxed);
                    self.received.put_back(request);
                    // `next` is dropped by now: it may have held the lock of `NewRequests`, for which the other threads would wait.
                    time::sleep(PUT_BACK_PAUSE).await;
                }
                Event::Next(None) => {
                    is_open = false;
                    self.ended.send_replace(true);
                }
                Event::Next(Some(request)) => {
                    self.waiting.fetch_sub(1, Ordering::Relaxed);
                    running.push(self.serve(request, mode));
                }
            }
        }
        self.send_replies();
    }

    /// Returns the next request when it may start; `None` after the last.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    async fn next(&self) -> Option<Request> {
        let mut new = self.requests.lock().await;
        while self.received.lock().is_empty() {
            tokio::select! {
                biased;
                () = self.received.added.notified() => {}
                request = new.receiver.recv() => self.received.lock().push_back(request?),
            }
        }
        let is_idle = || self.running.load(Ordering::SeqCst) == 0;
        let report = |reason: &str| show(format!("cordial: no command starts for now: {reason}").as_bytes());
        tokio::select! {
            biased;
            () = new.throttle.wait(is_idle, report) => {}
            // No more commands start: `serve_in` answers the remaining requests at once.
            () = self.config.stop.wait_for(StopLevel::Drain) => {}
        }
        new.throttle.record_start();
        // There is one: only the thread that holds the lock of the new requests takes a received request.
        self.received.lock().pop_front()
    }

    fn send_replies(&self) {
        let ReplyBatch { replies, .. } = std::mem::take(&mut *self.lock_replies());
        for (reply, outcome) in replies {
            // Fails if the task of the item was cancelled.
            let _ = reply.send(outcome);
        }
    }

    fn lock_replies(&self) -> MutexGuard<'_, ReplyBatch> {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs the command of a request in a slot.
    async fn serve(&self, request: Request, mode: WaitMode) -> Served {
        let slot = self.lock_slots().take();
        let is_alone = self.running.fetch_add(1, Ordering::SeqCst) == 0;
        let served = self.serve_in(slot, request, is_alone, mode).await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        self.lock_slots().free.push(Reverse(slot));
        served
    }

    async fn serve_in(&self, slot: usize, request: Request, is_alone: bool, mode: WaitMode) -> Served {
        let config = &self.config;
        let Request { item, attempt, connection_failures, mut reply, is_shown } = request;
        let without_process = |item, failure| Outcome::without_process(item, attempt, slot, failure, &config.budget);
        let machine = match &config.remote {
            None => None,
            Some(launch) => tokio::select! {
                biased;
                () = config.stop.wait_for(StopLevel::Drain) => None,
                () = reply.closed() => None,
                host = launch.remote.take_slot() => match host {
                    Some(host) => Some((launch, host)),
                    None => {
                        config.stop.raise(StopLevel::Drain);
                        return Served::Finished(reply, Box::new(without_process(item, ItemFailure::NoHost)));
                    }
                },
            },
        };
        let mut outcome = if config.stop.level() > StopLevel::Running || reply.is_closed() {
            without_process(item, ItemFailure::NotRun)
        } else {
            if config.is_verbose && !is_shown {
                show(&config.template.render(&item, slot, Quoting::OneLine));
            }
            let fleet = config.fleet.as_ref();
            let command_slot = CommandSlot { slot, machine: machine.as_ref().map(|(launch, host)| (*launch, host)) };
            let ran = match fleet {
                Some(fleet) => fleet_child::run(config, fleet, &item, attempt, slot, reply.closed()).await,
                None => child::run(config, &item, attempt, command_slot, mode, reply.closed()).await,
            };
            match ran {
                // Another running command will free processes or files. Without one, another try would fail as well.
                Outcome { result: Err(ItemFailure::NotStarted { error, .. }), .. }
                    if !is_alone && system::is_resource_shortage(&error) =>
                {
                    return Served::Requeued(Request { item, attempt, connection_failures, reply, is_shown: true });
                }
                Outcome { result: Err(ItemFailure::ConnectionFailed { reason, is_reachable, .. }), .. }
                    if connection_failures < MAX_CONNECTION_FAILURES && config.stop.level() == StopLevel::Running =>
                {
                    // A machine that can be reached is not left out: it may refuse some of many connections that begin at once.
                    if let Some((launch, host)) = machine.as_ref().filter(|_| !is_reachable) {
                        leave_out(launch, host, &reason).await;
                    }
                    return Served::Requeued(Request {
                        item,
                        attempt,
                        connection_failures: connection_failures + 1,
                        reply,
                        is_shown: true,
                    });
                }
                // The item counts as stopped, so that it is run again when the run is resumed.
                outcome @ Outcome { result: Err(ItemFailure::ConnectionFailed { .. }), .. }
                    if config.stop.level() > StopLevel::Running =>
                {
                    Outcome { result: Err(ItemFailure::Stopped), ..outcome }
                }
                outcome => outcome,
            }
        };
        drop(machine);
        let is_unfinished = outcome.result.as_ref().is_err_and(ItemFailure::is_unfinished);
        let is_last = outcome.result.is_ok() || attempt >= config.max_attempts;
        if let Some(input) = outcome.item.input.as_ref().filter(|_| is_unfinished || is_last) {
            input.release();
        }
        if !is_unfinished && is_last {
            // The item is recorded here and not in its task, so that it has its record before its slot is used again.
            if config.records.record(&mut outcome).await.is_err() {
                // Without records, the run cannot continue. Running commands may finish.
                config.stop.raise(StopLevel::Drain);
            }
            config.halt.count(outcome.result.as_ref().map_or_else(ItemFailure::status, |()| 0), &config.stop);
        }
        Served::Finished(reply, Box::new(outcome))
    }

    fn lock_slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Prints a line to standard error: a command, as `xargs -t` does, or a message. It is written at once, if there is room, so that it
/// stays whole.
fn show(text: &[u8]) {
    let mut line = [text, b"\n"].concat();
    if system::is_stderr_screen() {
        // The next tick draws the bar again.
        line.splice(0..0, ERASE_BAR.bytes());
    }
    // If standard error cannot be written, there is nowhere to report that.
    let _ = write_all(&mut StandardError, &line);
}

/// Marks a machine as failed, so that it gets no further commands. Prints a message the first time.
async fn leave_out(launch: &RemoteLaunch, host: &HostSlot, reason: &str) {
    if !host.fail_host() {
        return;
    }
    let message =
        format!("cordial: the host {} is left out from now on: {reason}; its items run on others\n", host.host.name);
    // Without a printer the run is over: this message is then lost.
    let _ = launch.messages.send(LineBatch { stream: StdStream::Stderr, bytes: message.into_bytes() }).await;
}

//! Gives requests to slots, in the order in which they come.
//!
//! A thread stands still while it starts a command. So there are as many threads as cores, each with its share of the slots, and each takes
//! the next request when one of its slots is free.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::time::{self, Instant};

use super::child;
use super::throttle::Gate;
use super::launcher::{Ended, Request, Settings};
use crate::item_failure::Failure;
use crate::stop::token::Level;
use crate::system::{self, Wait};

/// How long a start waits that the system has no room for.
const NO_ROOM: Duration = Duration::from_millis(20);

/// How long the answer of a short command waits for others, to wake tasks once for all of them, as long as there is enough to start
/// meanwhile. Each time wakes half a dozen threads, whose cores the commands want.
const COMPANY: Duration = Duration::from_millis(50);

/// A command that took longer than this is answered at once.
const SHORT: Duration = Duration::from_millis(100);

/// How many requests are enough for each thread.
const ENOUGH: usize = 4;

/// How many requests should wait beyond those that run.
pub(super) const AHEAD: usize = 128;

/// What the threads share.
pub(super) struct Crew {
    settings: Settings,
    inbox: tokio::sync::Mutex<Inbox>,
    slots: Mutex<Slots>,
    answers: Mutex<Answers>,
    running: AtomicUsize,
    /// Requests that were sent and not taken.
    waiting: Arc<AtomicUsize>,
}

/// Answers that wait for others: those of all threads, so that tasks are woken once for all of them.
#[derive(Default)]
struct Answers {
    held: Vec<(oneshot::Sender<Ended>, Ended)>,
    /// `None` if there are none.
    until: Option<Instant>,
}

impl Answers {
    fn add(&mut self, answer: oneshot::Sender<Ended>, ended: Ended) {
        let now = Instant::now();
        if ended.took > SHORT {
            self.until = Some(now);
        } else {
            self.until.get_or_insert(now + COMPANY);
        }
        self.held.push((answer, ended));
    }
}

/// Requests, as far as they may start.
struct Inbox {
    requests: UnboundedReceiver<Request>,
    /// Taken out before, and not started.
    waiting: VecDeque<Request>,
    gate: Gate,
}

/// The numbers of slots: the lowest that is free comes next.
#[derive(Default)]
struct Slots {
    free: BinaryHeap<Reverse<usize>>,
    highest: usize,
}

impl Inbox {
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    async fn next(&mut self) -> Option<Request> {
        if self.waiting.is_empty() {
            self.waiting.push_back(self.requests.recv().await?);
        }
        self.gate.open().await;
        self.gate.count_start();
        self.waiting.pop_front()
    }
}

impl Slots {
    fn take(&mut self) -> usize {
        self.free.pop().map_or_else(
            || {
                self.highest += 1;
                self.highest
            },
            |Reverse(slot)| slot,
        )
    }
}

/// How a command has left its slot.
enum Left {
    Over(oneshot::Sender<Ended>, Box<Ended>),
    /// The system has no room for another process or file while the others run.
    NoRoom(Request),
}

impl Crew {
    pub(super) fn new(mut settings: Settings, requests: UnboundedReceiver<Request>, waiting: Arc<AtomicUsize>) -> Crew {
        let inbox = Inbox { requests, waiting: VecDeque::new(), gate: std::mem::take(&mut settings.gate) };
        let inbox = tokio::sync::Mutex::new(inbox);
        let (slots, answers) = (Mutex::default(), Mutex::default());
        Crew { settings, inbox, slots, answers, running: AtomicUsize::new(0), waiting }
    }

    /// What one of the threads does until there are no more requests and it runs nothing.
    pub(super) async fn work(&self, at_once: usize) {
        let mut running = FuturesUnordered::new();
        let mut is_open = true;
        let wait = if at_once == 1 { Wait::Standing } else { Wait::Aside };
        while is_open || !running.is_empty() {
            let until = self.lock_answers().until;
            if until.is_some_and(|until| Instant::now() >= until || self.waiting.load(Ordering::Relaxed) < ENOUGH) {
                self.answer();
                continue;
            }
            let request = {
                let next = pin!(async { self.inbox.lock().await.next().await });
                tokio::select! {
                    biased;
                    Some(left) = running.next(), if !running.is_empty() => {
                        match left {
                            Left::Over(answer, ended) => self.lock_answers().add(answer, *ended),
                            Left::NoRoom(request) => {
                                self.waiting.fetch_add(1, Ordering::Relaxed);
                                self.inbox.lock().await.waiting.push_back(request);
                                time::sleep(NO_ROOM).await;
                            }
                        }
                        continue;
                    }
                    request = next, if is_open && running.len() < at_once => request,
                    () = time::sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => continue,
                }
            };
            match request {
                None => is_open = false,
                Some(request) => {
                    self.waiting.fetch_sub(1, Ordering::Relaxed);
                    running.push(self.serve(request, wait));
                }
            }
        }
        self.answer();
    }

    /// Sends all answers that are held.
    fn answer(&self) {
        let Answers { held, .. } = std::mem::take(&mut *self.lock_answers());
        for (answer, ended) in held {
            // Nobody may want to know any more.
            let _ = answer.send(ended);
        }
    }

    fn lock_answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one command and answers.
    async fn serve(&self, request: Request, wait: Wait) -> Left {
        let slot = self.lock_slots().take();
        let is_alone = self.running.fetch_add(1, Ordering::SeqCst) == 0;
        let left = self.serve_in(slot, request, is_alone, wait).await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        self.lock_slots().free.push(Reverse(slot));
        left
    }

    async fn serve_in(&self, slot: usize, request: Request, is_alone: bool, wait: Wait) -> Left {
        let settings = &self.settings;
        let Request { item, attempt, mut answer } = request;
        let ended = if settings.stop.level() > Level::Go {
            Ended::without(Failure::NotRun, slot, &settings.room)
        } else {
            match child::run(settings, &item, attempt, slot, wait, answer.closed()).await {
                // With nothing else running there is nothing to wait for.
                Ended { outcome: Err(Failure::NotStarted { error, .. }), .. }
                    if !is_alone && system::is_shortage(&error) =>
                {
                    return Left::NoRoom(Request { item, attempt, answer });
                }
                ended => ended,
            }
        };
        if let Err(failure) = &ended.outcome
            && !failure.is_unfinished()
            && attempt >= settings.attempts
        {
            settings.halt.count_failure(failure.status(), &settings.stop);
        }
        Left::Over(answer, Box::new(ended))
    }

    fn lock_slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

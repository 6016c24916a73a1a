//! Gives requests to slots, in the order in which they come.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::UnboundedReceiver;

use super::child;
use super::gate::Gate;
use super::{Ended, Request, Settings};
use crate::failure::Failure;
use crate::stop::Level;

/// Requests, as far as they may start.
struct Inbox<'a> {
    requests: UnboundedReceiver<Request>,
    /// Taken out, and waiting for the gate.
    next: Option<Request>,
    gate: &'a mut Gate,
}

impl Inbox<'_> {
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    async fn next(&mut self) -> Option<Request> {
        if self.next.is_none() {
            self.next = Some(self.requests.recv().await?);
        }
        self.gate.open().await;
        self.next.take()
    }
}

/// How a slot became free.
pub(super) enum Left {
    Over,
    /// The system has no room for another process or file while the others run.
    NoRoom(Request),
}

/// Runs until there are no more requests and nothing runs.
pub(super) async fn run(mut settings: Settings, requests: UnboundedReceiver<Request>) {
    let mut gate = std::mem::take(&mut settings.gate);
    let mut inbox = Inbox { requests, next: None, gate: &mut gate };
    let settings = &settings;
    let mut running = FuturesUnordered::new();
    let mut left = BinaryHeap::new();
    let mut slots = 0;
    let mut is_full = false;
    let mut is_open = true;
    while is_open || !running.is_empty() {
        let may_start = is_open && !is_full && running.len() < settings.at_once;
        tokio::select! {
            biased;
            Some((slot, how)) = running.next(), if !running.is_empty() => {
                left.push(Reverse(slot));
                is_full = false;
                if let Left::NoRoom(request) = how {
                    inbox.next = Some(request);
                    // With nothing running there is nothing to wait for: the next try is told what it cannot have.
                    is_full = !running.is_empty();
                }
            }
            request = inbox.next(), if may_start => match request {
                None => is_open = false,
                Some(request) => {
                    let Reverse(slot) = left.pop().unwrap_or_else(|| {
                        slots += 1;
                        Reverse(slots)
                    });
                    inbox.gate.count_start();
                    let is_alone = running.is_empty();
                    running.push(async move { (slot, serve(settings, request, slot, is_alone).await) });
                }
            },
        }
    }
}

/// Runs one command and answers.
async fn serve(settings: &Settings, request: Request, slot: usize, is_alone: bool) -> Left {
    let Request { item, attempt, mut answer } = request;
    let ended = if settings.stop.level() > Level::Go {
        Ended::without(Failure::NotRun, slot, &settings.room)
    } else {
        match child::run(settings, &item, attempt, slot, answer.closed()).await {
            Ended { outcome: Err(Failure::NotStarted { error, .. }), .. }
                if !is_alone && crate::system::is_shortage(&error) =>
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
    // Nobody may want to know any more.
    let _ = answer.send(ended);
    Left::Over
}

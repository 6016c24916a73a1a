//! Asks at the terminal whether to run each command (`--interactive`).
//!
//! ```text
//! items ──► a command may run ──► the question ──► y…: the item is run
//!           (with one slot: the                    anything else: it is skipped, and not recorded
//!           last output is printed)
//! ```

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use futures_util::task::AtomicWaker;
use tokio::sync::oneshot;

use crate::blocking_io::start_thread;
use crate::item::Item;
use crate::launch::SlotLimit;
use crate::stop::token::{StopLevel, StopToken};
use crate::system::Terminal;

/// The number of items whose outcomes are printed. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct PrintedItems(Arc<Count>);

#[derive(Debug, Default)]
struct Count {
    number: AtomicU64,
    waiting: AtomicWaker,
}

impl PrintedItems {
    pub(super) fn add_one(&self) {
        self.0.number.fetch_add(1, Ordering::SeqCst);
        self.0.waiting.wake();
    }

    fn poll_at_least(&self, number: u64, cx: &mut Context<'_>) -> Poll<()> {
        let is_reached = || self.0.number.load(Ordering::SeqCst) >= number;
        if is_reached() {
            return Poll::Ready(());
        }
        self.0.waiting.register(cx.waker());
        // An item may have been printed between the first check and the registration.
        if is_reached() { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// The answer to the question whether an item is run.
#[derive(Debug)]
pub(super) enum Answer {
    Run(Item),
    Skip,
    /// The run was stopped.
    Stop,
    /// The question could not be asked, or its answer not be read.
    Failed(io::Error),
}

/// Asks about one item after another.
pub(super) struct Questions {
    terminal: Arc<Terminal>,
    limit: SlotLimit,
    stop: StopToken,
    pub(super) printed: PrintedItems,
    n_accepted: u64,
    asked: Option<PendingQuestion>,
}

/// An item that waits for its answer.
struct PendingQuestion {
    item: Item,
    answer: Pin<Box<dyn Future<Output = Option<io::Result<bool>>> + Send>>,
}

impl Questions {
    pub(super) fn new(terminal: Arc<Terminal>, limit: SlotLimit, stop: StopToken) -> Questions {
        Questions { terminal, limit, stop, printed: PrintedItems::default(), n_accepted: 0, asked: None }
    }

    /// Returns whether no item waits for its answer.
    pub(super) fn is_idle(&self) -> bool {
        self.asked.is_none()
    }

    /// Asks about an item. `command` is the command as a line.
    pub(super) fn ask(&mut self, item: Item, command: Vec<u8>) {
        let question = [&command[..], b" ?..."].concat();
        let (terminal, stop, printed) = (Arc::clone(&self.terminal), self.stop.clone(), self.printed.clone());
        // With one command at a time, the output of a command is printed before the next question.
        let n_printed = if self.limit.get() == 1 { self.n_accepted } else { 0 };
        let answer = async move {
            let ask = async {
                poll_fn(|cx| printed.poll_at_least(n_printed, cx)).await;
                let (reply, answer) = oneshot::channel();
                // The end of the run does not wait for this thread, which may never get a line to read.
                start_thread("cordial-question", move || {
                    let _ = reply.send(terminal.ask(&question));
                })?;
                answer.await.unwrap_or_else(|_| Err(io::Error::other("the thread that asks has ended")))
            };
            tokio::select! {
                biased;
                () = stop.wait_for(StopLevel::Drain) => None,
                answer = ask => Some(answer),
            }
        };
        self.asked = Some(PendingQuestion { item, answer: Box::pin(answer) });
    }

    /// Returns the answer to the question that is open.
    pub(super) fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Answer> {
        let asked = self.asked.as_mut().expect("an answer is polled while a question is open");
        let answer = ready!(asked.answer.as_mut().poll(cx));
        let PendingQuestion { item, .. } = self.asked.take().expect("its answer was polled above");
        Poll::Ready(match answer {
            Some(Ok(true)) => {
                self.n_accepted += 1;
                Answer::Run(item)
            }
            Some(Ok(false)) => Answer::Skip,
            Some(Err(error)) => Answer::Failed(error),
            None => Answer::Stop,
        })
    }
}

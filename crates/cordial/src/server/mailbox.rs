//! The mailbox: a queue with a bound, which outlives the processes of its server.
//!
//! ```text
//!  senders ─► waiting: in the order of arrival, without a bound ─ room ─► queue: at most `capacity` ─► the process of the server
//!             (each entry belongs to a future that waits)                   │
//!                                                                           └ no further process: each is answered with the exit
//! ```
//!
//! The lock is held for a few instructions, and never while code of the user runs.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::custody::{Custody, CustodyId};
use super::room::Room;
use crate::exit::{Exit, Refusal};
use crate::pid::Pid;
use crate::process::NextIncarnation;

/// How many messages there is room for by default.
pub(super) const DEFAULT_CAPACITY: usize = 1024;

/// What is in the mailbox.
pub(super) trait Letter: Send {
    /// Answers the sender, if it waits for an answer: the message is not handled. Must not panic.
    fn fail(self, exit: &Exit);

    /// Returns the name of the type of the message, with the paths of its modules.
    fn name(&self) -> &'static str;

    /// Returns the process that waits for the answer.
    fn caller(&self) -> Option<Pid>;
}

#[derive(Debug)]
pub(super) struct Mailbox<T> {
    capacity: usize,
    state: Mutex<State<T>>,
}

#[derive(Debug)]
pub(super) struct State<T> {
    queue: VecDeque<Queued<T>>,
    waiting: BTreeMap<u64, Waiting<T>>,
    next_ticket: u64,
    receiver: Option<Waker>,
    /// The message in hand of a process that is about to end, and the calls that its tasks would have answered.
    failed: Vec<T>,
    pub(super) in_hand: Option<&'static str>,
    /// The process whose call is in hand.
    caller_in_hand: Option<Pid>,
    pub(super) handled: u64,
    pub(super) skipped: u64,
    pub(super) custody: Custody,
    /// The process that runs, or the last one.
    pub(super) pid: Pid,
    pub(super) is_running: bool,
    /// The exit of the last process, or why none was started.
    pub(super) last_exit: Option<Exit>,
    /// Whether `stop` was called on the process that runs.
    is_stop_asked: bool,
    is_closed: bool,
    /// Whether a message has waited for room since the mailbox was half empty.
    is_full_reported: bool,
}

#[derive(Debug)]
struct Queued<T> {
    letter: T,
    /// In milliseconds, on the coarse clock.
    since: u64,
}

#[derive(Debug)]
struct Waiting<T> {
    letter: T,
    since: u64,
    room: Option<Arc<Room>>,
}

/// What became of a message that was sent.
#[must_use]
pub(super) enum Sent {
    Queued,
    /// It waits for room. The ticket withdraws it. The first message that waits since the mailbox was half empty is to be reported.
    Waiting {
        ticket: u64,
        is_first: bool,
        room: Option<Arc<Room>>,
    },
}

/// Why a message was not taken. Returns the message.
pub(super) enum NotSent<T> {
    Full(T),
    Stopped(T, Exit),
    /// The sender is the process of the server, and would wait for itself. Names the message in hand.
    ToItself(T, Option<&'static str>),
}

/// How a sender waits for room.
pub(super) enum WhenFull {
    Refuse,
    /// The future of a call, which waits for its answer anyway.
    Wait,
    /// The future of a cast, which waits for room alone.
    WaitForRoom,
}

/// How many messages are in the mailbox, and since when.
pub(super) struct Lengths {
    pub(super) length: usize,
    pub(super) waiting: usize,
    pub(super) oldest: Option<u64>,
}

impl<T: Letter> Mailbox<T> {
    pub(super) fn new(capacity: usize) -> Mailbox<T> {
        let state = State {
            queue: VecDeque::new(),
            waiting: BTreeMap::new(),
            next_ticket: 0,
            receiver: None,
            failed: Vec::new(),
            in_hand: None,
            caller_in_hand: None,
            handled: 0,
            skipped: 0,
            custody: Custody::default(),
            pid: Pid::NO_PROCESS,
            is_running: false,
            last_exit: None,
            is_stop_asked: false,
            is_closed: false,
            is_full_reported: false,
        };
        Mailbox { capacity, state: Mutex::new(state) }
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Sends a message of the process `sender`.
    pub(super) fn send(
        &self,
        letter: T,
        sender: Option<Pid>,
        since: u64,
        when_full: WhenFull,
    ) -> Result<Sent, NotSent<T>> {
        let receiver = {
            let mut state = self.lock();
            let state = &mut *state;
            if state.is_closed {
                return Err(NotSent::Stopped(letter, state.exit_of_later_messages()));
            }
            let is_to_itself = sender.is_some_and(|sender| state.is_running && sender == state.pid);
            if state.queue.len() >= self.capacity || !state.waiting.is_empty() {
                let room = match when_full {
                    WhenFull::Refuse => return Err(NotSent::Full(letter)),
                    _ if is_to_itself => return Err(NotSent::ToItself(letter, state.in_hand)),
                    WhenFull::Wait => None,
                    WhenFull::WaitForRoom => Some(Arc::new(Room::default())),
                };
                let ticket = state.next_ticket;
                state.next_ticket += 1;
                state.waiting.insert(ticket, Waiting { letter, since, room: room.clone() });
                let is_first = !std::mem::replace(&mut state.is_full_reported, true);
                return Ok(Sent::Waiting { ticket, is_first, room });
            }
            if is_to_itself && matches!(when_full, WhenFull::Wait) {
                return Err(NotSent::ToItself(letter, state.in_hand));
            }
            state.queue.push_back(Queued { letter, since });
            state.receiver.take()
        };
        if let Some(receiver) = receiver {
            receiver.wake();
        }
        Ok(Sent::Queued)
    }

    /// Withdraws a message that waits for room. `None` if it has got room, or was answered.
    pub(super) fn withdraw(&self, ticket: u64) -> Option<T> {
        self.lock().waiting.remove(&ticket).map(|waiting| waiting.letter)
    }

    /// Takes the next message, for the process of the server. The message in hand before it was handled.
    pub(super) fn poll_next(&self, cx: &Context<'_>) -> Poll<T> {
        let (letter, room) = {
            let mut state = self.lock();
            let state = &mut *state;
            if state.in_hand.take().is_some() {
                state.handled += 1;
            }
            let Some(Queued { letter, .. }) = state.queue.pop_front() else {
                if state.receiver.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
                    state.receiver = Some(cx.waker().clone());
                }
                return Poll::Pending;
            };
            state.in_hand = Some(letter.name());
            state.caller_in_hand = letter.caller();
            state.is_full_reported &= state.queue.len() > self.capacity / 2;
            let next = if state.waiting.is_empty() { None } else { state.waiting.pop_first() };
            let room = next.and_then(|(_, Waiting { letter, since, room })| {
                state.queue.push_back(Queued { letter, since });
                room
            });
            (letter, room)
        };
        if let Some(room) = room {
            room.got();
        }
        Poll::Ready(letter)
    }

    /// Records that the message in hand was handled, and that the process takes no more.
    pub(super) fn finish(&self) {
        let mut state = self.lock();
        if state.in_hand.take().is_some() {
            state.handled += 1;
        }
    }

    /// Records that the message in hand was not handled, since its caller has given up.
    pub(super) fn skip(&self) {
        let mut state = self.lock();
        state.in_hand = None;
        state.skipped += 1;
    }

    /// Records which message is in hand, of those that are not in the mailbox. The message in hand before it was handled.
    pub(super) fn take_in_hand(&self, name: &'static str) {
        let mut state = self.lock();
        if state.in_hand.replace(name).is_some() {
            state.handled += 1;
        }
        state.caller_in_hand = None;
    }

    /// Keeps a message that is not answered, until the process has ended.
    pub(super) fn not_answered(&self, letter: T) {
        self.lock().failed.push(letter);
    }

    /// Begins an incarnation, whose process is `pid`. The messages that wait are for it. Called more than once.
    pub(super) fn begin(&self, pid: Pid) {
        let mut state = self.lock();
        if state.pid != pid {
            state.begin(pid);
        }
    }

    /// Begins the first incarnation, whose process is `pid`. Returns false if that process has begun already, or a later one.
    pub(super) fn begin_first(&self, pid: Pid) -> bool {
        let mut state = self.lock();
        let is_first = state.pid == Pid::NO_PROCESS;
        if is_first {
            state.begin(pid);
        }
        is_first
    }

    /// Records that a process was not started.
    pub(super) fn not_begun(&self, exit: Exit) {
        self.lock().last_exit = Some(exit);
    }

    /// Ends an incarnation, and answers what cannot be handled any more.
    pub(super) fn end(&self, pid: Pid, exit: &Exit, next: NextIncarnation) {
        let (failed, is_over) = {
            let mut state = self.lock();
            state.last_exit = Some(exit.clone());
            if state.pid == pid {
                state.in_hand = None;
                state.is_running = false;
                state.receiver = None;
            }
            let is_over = next == NextIncarnation::Never || state.custody.is_over() || state.is_stop_asked;
            // Messages wait for the next process, even if `stop` was called on the last one: they came later.
            (
                std::mem::take(&mut state.failed),
                is_over.then_some(next == NextIncarnation::Never || state.custody.is_over()),
            )
        };
        if !failed.is_empty() {
            let exit = exit_of_unanswered(exit);
            failed.into_iter().for_each(|letter| letter.fail(&exit));
        }
        match is_over {
            None => {}
            Some(true) => self.close(),
            Some(false) => self.answer_all(),
        }
    }

    /// Handles that no further process follows. Messages are refused, unless a process runs.
    pub(super) fn close(&self) {
        {
            let mut state = self.lock();
            if state.is_running {
                return;
            }
            state.is_closed = true;
        }
        self.answer_all();
    }

    /// Ends the custody, and closes the mailbox unless a process runs or another custody has begun.
    pub(super) fn end_custody(&self, id: CustodyId) {
        let is_over = self.lock().custody.end(id);
        if is_over {
            self.close();
        }
    }

    fn answer_all(&self) {
        let (queue, waiting, exit) = {
            let mut state = self.lock();
            let exit = state.exit_of_messages();
            (std::mem::take(&mut state.queue), std::mem::take(&mut state.waiting), exit)
        };
        queue.into_iter().for_each(|queued| queued.letter.fail(&exit));
        for (_, waiting) in waiting {
            waiting.letter.fail(&exit);
            if let Some(room) = waiting.room {
                room.failed(exit.clone());
            }
        }
    }

    /// Asks the process to stop with `Exit::Normal`.
    pub(super) fn ask_to_stop(&self) {
        let receiver = {
            let mut state = self.lock();
            state.is_stop_asked = !state.is_closed;
            state.receiver.take()
        };
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }

    pub(super) fn is_stop_asked(&self) -> bool {
        self.lock().is_stop_asked
    }

    /// Returns whether no further process follows.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().queue.is_empty()
    }

    pub(super) fn lengths(&self) -> Lengths {
        let state = self.lock();
        let oldest = state.queue.front().map(|queued| queued.since);
        Lengths { length: state.queue.len(), waiting: state.waiting.len(), oldest }
    }

    /// Returns the processes whose calls are in the mailbox, or wait for room.
    pub(super) fn callers(&self) -> Vec<Pid> {
        let state = self.lock();
        let in_hand = state.in_hand.and(state.caller_in_hand);
        let queued = state.queue.iter().map(|queued| &queued.letter);
        let letters = queued.chain(state.waiting.values().map(|waiting| &waiting.letter));
        in_hand.into_iter().chain(letters.filter_map(Letter::caller)).collect()
    }

    /// Calls `f` with the state, under the lock.
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut State<T>) -> R) -> R {
        f(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns what the callers get whose messages were not answered when their process ended with `exit`.
pub(super) fn exit_of_unanswered(exit: &Exit) -> Exit {
    if exit.is_abnormal() { exit.clone() } else { Exit::Refused(Refusal::ServerStopped) }
}

impl<T> State<T> {
    fn begin(&mut self, pid: Pid) {
        self.pid = pid;
        self.is_running = true;
        self.is_stop_asked = false;
        self.is_closed = false;
        self.receiver = None;
    }

    /// Returns the exit that the senders of messages get which are in the mailbox when it closes.
    fn exit_of_messages(&self) -> Exit {
        match &self.last_exit {
            Some(exit) if exit.is_abnormal() && !self.is_stop_asked => exit.clone(),
            _ => Exit::Refused(Refusal::ServerStopped),
        }
    }

    /// Returns the exit that the senders of later messages get.
    fn exit_of_later_messages(&self) -> Exit {
        match &self.last_exit {
            Some(exit @ Exit::Refused(_)) => exit.clone(),
            _ => Exit::Refused(Refusal::ServerStopped),
        }
    }
}

//! The mailbox: a queue with a bound, which outlives the processes of its server.
//!
//! ```text
//!  senders ─► waiting: in the order of arrival, without a bound ─ room ─► queue: at most `capacity` ─► the process of the server
//!             (each entry belongs to a future that waits)                   │
//!                                                                           └ no further process: each is answered with the exit
//! ```
//!
//! The lock is held briefly, and never while code of the user runs. A process that waits is woken in two steps: its task is taken out of
//! its slot under the lock, and is queued after the lock was released.
//!
//! A process that takes the last message of the queue will wait next. So it sets `is_receiver_waiting` under the same lock. When it has
//! handled that message, it waits without taking the lock again, unless a sender has woken it meanwhile.

use std::collections::{BTreeMap, VecDeque};
use std::ops::DerefMut;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use cordial_sched::{SpinLock, TaskRef, Woken};

use super::factory_owner::{FactoryOwner, FactoryOwnerId};
use super::lanes::{LaneIdx, Lanes, Unboxed};
use super::room::Room;
use super::sending::{Accepted, NotSent, Sent, WhenFull};
use crate::exit::{Exit, Refusal};
use crate::pid::Pid;
use crate::process::{NextIncarnation, current_task, discard};

/// How many messages there is room for by default.
pub(super) const DEFAULT_CAPACITY: usize = 1024;

const ENVELOPE_OF_ENTRY: &str = "an entry of the mailbox stands for an envelope";

/// A message in a mailbox, with the way to answer its sender.
pub(super) trait Envelope: Send {
    /// Gives up a message that will not be handled: a sender that waits for an answer gets the exit. Must not panic.
    fn fail(self, exit: &Exit);

    /// Returns whether a sender has waited for the answer, and does so no longer.
    fn is_given_up(&self) -> bool;

    /// Returns the name of the type of the message, with the paths of its modules.
    fn name(&self) -> &'static str;
}

#[derive(Debug)]
pub(super) struct Mailbox<T> {
    capacity: usize,
    /// Whether the next message wakes the process. Relaxed: written under the lock. A sender that clears it wakes the process after that,
    /// and the poll that follows sees it cleared.
    is_receiver_waiting: AtomicBool,
    /// Whether the message in hand was handled, which is then counted under the next lock. Set by the process that runs, and cleared under
    /// the lock. Set with Release, so that the thread that counts a message as handled sees what its handler has done.
    is_in_hand_handled: AtomicBool,
    state: SpinLock<MailboxState<T>>,
}

#[derive(Debug)]
pub(super) struct MailboxState<T> {
    queue: VecDeque<Queued>,
    envelopes: VecDeque<T>,
    lanes: Lanes<T>,
    waiting: BTreeMap<u64, WaitingMessage<T>>,
    next_ticket: u64,
    /// The process that runs, once it has waited.
    receiver: Option<TaskRef>,
    /// The call in hand of a process that is about to end: its handler has unwound, or was dropped.
    failed: Vec<T>,
    pub(super) in_hand: Option<&'static str>,
    /// The process whose call is in hand.
    caller_in_hand: Option<Pid>,
    pub(super) handled: u64,
    pub(super) skipped: u64,
    pub(super) factory_owner: FactoryOwner,
    /// The process that runs, or the last one.
    pub(super) pid: Pid,
    pub(super) first_process: Option<Pid>,
    pub(super) is_running: bool,
    /// Whether that process takes messages: `started` has returned.
    pub(super) has_started: bool,
    /// The exit of the last process, or why none was started.
    pub(super) last_exit: Option<Exit>,
    stop_asked: StopAsked,
    is_closed: bool,
    /// Whether a message has waited for room since the mailbox was half empty.
    is_full_reported: bool,
}

/// Whether `stop` was called, and what it is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StopAsked {
    No,
    /// The process that runs. A supervisor may start another one.
    Process,
    /// The server, as long as this owner has its factory. A process that is about to start still starts, and is the last one.
    Server(FactoryOwnerId),
}

/// Who stops a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopper {
    /// The supervisor that belongs to the server alone, which starts no other process.
    OwnSupervisor,
    /// A supervisor of a tree, which may start another process.
    Tree,
}

/// An entry of the queue, which has the order of the messages and not the messages. Small, since it is copied.
#[derive(Debug)]
struct Queued {
    at: u64,
    place: Place,
    /// The process that waits for the answer.
    caller: Option<Pid>,
}

/// The queue that has the message of an entry. When an entry is the first one, its message is the first one of its queue.
#[derive(Clone, Copy, Debug)]
enum Place {
    Envelopes,
    Lane(LaneIdx),
}

#[derive(Debug)]
struct WaitingMessage<T> {
    envelope: T,
    sent: Sent,
    room: Option<Arc<Room>>,
}

/// What becomes of the messages in the mailbox when a process of the server has ended.
enum Unhandled {
    /// The next process handles them.
    Keep,
    /// They are answered. After a `stop`, a further process may handle later ones.
    Answer,
    /// They are answered, and later ones are refused: no further process follows.
    AnswerAndClose,
}

/// How many messages are in the mailbox, and since when.
pub(super) struct Lengths {
    pub(super) length: usize,
    pub(super) waiting: usize,
    pub(super) oldest: Option<u64>,
}

impl<T: Envelope + 'static> Mailbox<T> {
    pub(super) fn new(capacity: usize) -> Mailbox<T> {
        let state = MailboxState {
            queue: VecDeque::new(),
            envelopes: VecDeque::new(),
            lanes: Lanes::default(),
            waiting: BTreeMap::new(),
            next_ticket: 0,
            receiver: None,
            failed: Vec::new(),
            in_hand: None,
            caller_in_hand: None,
            handled: 0,
            skipped: 0,
            factory_owner: FactoryOwner::default(),
            pid: Pid::NO_PROCESS,
            first_process: None,
            is_running: false,
            has_started: false,
            last_exit: None,
            stop_asked: StopAsked::No,
            is_closed: false,
            is_full_reported: false,
        };
        Mailbox {
            capacity,
            is_receiver_waiting: AtomicBool::new(false),
            is_in_hand_handled: AtomicBool::new(false),
            state: SpinLock::new(state),
        }
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Sends an envelope.
    ///
    /// # Errors
    ///
    /// Why it was not taken, with the envelope.
    #[inline(always)]
    pub(super) fn send(&self, envelope: T, sent: Sent, when_full: WhenFull) -> Result<Accepted, (T, NotSent)> {
        let _woken = {
            let mut state = self.lock();
            match state.has_room(self.capacity, sent.sender, when_full) {
                Ok(true) => state.push_envelope(envelope, sent),
                Ok(false) => return Ok(state.wait(envelope, sent, when_full)),
                Err(reason) => return Err((envelope, reason)),
            }
            self.wake_receiver(&state)
        };
        Ok(Accepted::Queued)
    }

    /// Sends a message through its lane. A message that has to wait for room is boxed, and is queued as an envelope.
    ///
    /// # Errors
    ///
    /// Why it was not taken, with the message.
    #[inline(always)]
    pub(super) fn send_unboxed<U: Unboxed<T>>(
        &self,
        message: U,
        sent: Sent,
        when_full: WhenFull,
    ) -> Result<Accepted, (U, NotSent)> {
        let _woken = {
            let mut state = self.lock();
            let state = &mut *state;
            match state.has_room(self.capacity, sent.sender, when_full) {
                Ok(true) => {
                    let place = Place::Lane(state.lanes.push(message));
                    // No process waits for an answer.
                    state.queue.push_back(Queued { at: sent.at, place, caller: None });
                }
                Ok(false) => {
                    return Ok(state.wait(message.into_envelope(), Sent { sender: None, ..sent }, when_full));
                }
                Err(reason) => return Err((message, reason)),
            }
            self.wake_receiver(state)
        };
        Ok(Accepted::Queued)
    }

    /// Withdraws a message that waits for room. `None` if it has got room, or was answered.
    pub(super) fn withdraw(&self, ticket: u64) -> Option<T> {
        self.lock().waiting.remove(&ticket).map(|waiting| waiting.envelope)
    }

    /// Takes the next message, for the process of the server, and counts the message that was in hand until now as handled.
    /// Returns an envelope, unless the message is of type `U` and was sent without a box: then it is moved to `unboxed`.
    #[inline(always)]
    pub(super) fn poll_next<U: Unboxed<T>>(&self, unboxed: &mut Option<U>) -> Poll<Option<T>> {
        if self.is_receiver_waiting.load(Ordering::Relaxed) {
            self.is_in_hand_handled.store(true, Ordering::Release);
            return Poll::Pending;
        }
        let (envelope, room) = {
            let mut state = self.lock();
            let state = &mut *state;
            self.is_in_hand_handled.store(false, Ordering::Relaxed);
            state.count_in_hand();
            let Some(&Queued { place, caller, .. }) = state.queue.front() else {
                if state.receiver.is_none() {
                    state.receiver = current_task();
                }
                self.is_receiver_waiting.store(true, Ordering::Relaxed);
                return Poll::Pending;
            };
            state.queue.pop_front();
            state.caller_in_hand = caller;
            let envelope = match place {
                Place::Envelopes => Some(state.pop_envelope()),
                Place::Lane(lane) => {
                    state.in_hand = Some(state.lanes.name(lane));
                    if state.lanes.pop_to(lane, unboxed) { None } else { Some(state.lanes.pop_envelope(lane)) }
                }
            };
            if let Some(envelope) = &envelope {
                state.in_hand = Some(envelope.name());
            }
            state.is_full_reported &= state.queue.len() > self.capacity / 2;
            let room = if state.waiting.is_empty() { None } else { state.admit_first() };
            if state.queue.is_empty() && state.receiver.is_some() {
                self.is_receiver_waiting.store(true, Ordering::Relaxed);
            }
            (envelope, room)
        };
        if let Some(room) = room {
            room.admitted();
        }
        Poll::Ready(envelope)
    }

    /// Counts the message in hand as handled, because the process takes no more.
    pub(super) fn finish(&self) {
        self.lock().count_in_hand();
    }

    /// Records that the message in hand was not handled, since its caller has given up.
    pub(super) fn skip(&self) {
        let mut state = self.lock();
        state.in_hand = None;
        state.skipped += 1;
    }

    /// Records that a message which was not in the mailbox is in hand: that of a timer, or a trapped exit. Counts the message that was
    /// in hand until now as handled.
    pub(super) fn take_in_hand(&self, name: &'static str) {
        let mut state = self.lock();
        self.is_in_hand_handled.store(false, Ordering::Relaxed);
        state.count_in_hand();
        state.in_hand = Some(name);
        state.caller_in_hand = None;
    }

    /// Keeps a call that its handler has not answered, until the process has ended: the exit is then the answer.
    pub(super) fn not_answered(&self, envelope: T) {
        self.lock().failed.push(envelope);
    }

    /// Begins the incarnation of the process `pid`, which gets the waiting messages. Does nothing if that incarnation has begun already.
    pub(super) fn begin(&self, pid: Pid) {
        let mut state = self.lock_and_count();
        if state.pid != pid {
            self.begin_with(&mut state, pid);
        }
    }

    /// Begins the first incarnation, whose process is `pid`. Returns false if that process has begun already, or a later one.
    pub(super) fn begin_first(&self, pid: Pid) -> bool {
        let mut state = self.lock();
        let is_first = state.pid == Pid::NO_PROCESS;
        if is_first {
            self.begin_with(&mut state, pid);
        }
        is_first
    }

    /// Records why no process was started.
    pub(super) fn not_begun(&self, exit: Exit) {
        let replaced = self.lock().last_exit.replace(exit);
        discard(replaced);
    }

    /// Ends an incarnation, and answers what cannot be handled any more.
    pub(super) fn end(&self, pid: Pid, exit: &Exit, next: NextIncarnation) {
        let (replaced, failed, unhandled) = {
            let mut state = self.lock_and_count();
            let replaced = state.last_exit.replace(exit.clone());
            if state.pid == pid {
                state.in_hand = None;
                state.is_running = false;
                state.receiver = None;
            }
            let unhandled = if next == NextIncarnation::Never || state.factory_owner.is_over() {
                Unhandled::AnswerAndClose
            } else if state.stop_asked != StopAsked::No {
                Unhandled::Answer
            } else {
                Unhandled::Keep
            };
            (replaced, std::mem::take(&mut state.failed), unhandled)
        };
        // Without the lock, because an exit may hold an error of the user, whose destructor may panic.
        discard(replaced);
        if !failed.is_empty() {
            let exit = exit_of_unanswered(exit);
            failed.into_iter().for_each(|envelope| envelope.fail(&exit));
        }
        match unhandled {
            Unhandled::Keep => {}
            Unhandled::Answer => self.answer_all(),
            Unhandled::AnswerAndClose => self.close(),
        }
    }

    /// Closes the mailbox, because no further process follows: answers its messages, and refuses later ones. Does nothing while a
    /// process runs.
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

    /// Ends the ownership of `id`, and closes the mailbox unless a process runs or there is another owner.
    pub(super) fn end_factory_owner(&self, id: FactoryOwnerId) {
        let is_over = self.lock().factory_owner.end(id);
        if is_over {
            self.close();
        }
    }

    fn answer_all(&self) {
        let (queue, mut envelopes, mut lanes, waiting, exit) = {
            let mut state = self.lock();
            let state = &mut *state;
            let exit = state.exit_of_messages();
            let (queue, envelopes) = (std::mem::take(&mut state.queue), std::mem::take(&mut state.envelopes));
            (queue, envelopes, std::mem::take(&mut state.lanes), std::mem::take(&mut state.waiting), exit)
        };
        for queued in queue {
            let envelope = match queued.place {
                Place::Envelopes => envelopes.pop_front().expect(ENVELOPE_OF_ENTRY),
                Place::Lane(lane) => lanes.pop_envelope(lane),
            };
            envelope.fail(&exit);
        }
        for (_, waiting) in waiting {
            waiting.envelope.fail(&exit);
            if let Some(room) = waiting.room {
                room.failed(exit.clone());
            }
        }
    }

    /// Records that `stop` was called. A process that is then asked to shut down ends with `Exit::Normal`.
    pub(super) fn set_stop_asked(&self, stopper: Stopper) {
        let _woken = {
            let mut state = self.lock();
            match stopper {
                _ if state.is_closed => {}
                Stopper::OwnSupervisor => state.stop_asked = StopAsked::Server(state.factory_owner.id()),
                Stopper::Tree if state.is_running => state.stop_asked = StopAsked::Process,
                Stopper::Tree => {}
            }
            self.wake_receiver(&state)
        };
    }

    pub(super) fn is_stop_asked(&self) -> bool {
        self.lock().stop_asked != StopAsked::No
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
        let oldest = state.queue.front().map(|queued| queued.at);
        Lengths { length: state.queue.len(), waiting: state.waiting.len(), oldest }
    }

    /// Returns the processes whose calls are in hand, are in the mailbox and not given up, or wait for room.
    pub(super) fn callers(&self) -> Vec<Pid> {
        let state = self.lock_and_count();
        let in_hand = state.in_hand.and(state.caller_in_hand);
        let envelopes = state.queue.iter().filter(|queued| matches!(queued.place, Place::Envelopes));
        let queued = envelopes.zip(&state.envelopes).filter(|(_, envelope)| !envelope.is_given_up());
        let queued = queued.filter_map(|(queued, _)| queued.caller);
        let waiting = state.waiting.values().filter_map(|waiting| waiting.sent.sender);
        in_hand.into_iter().chain(queued).chain(waiting).collect()
    }
}

impl<T> Mailbox<T> {
    /// Calls `f` with the state, under the lock.
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut MailboxState<T>) -> R) -> R {
        f(&mut self.lock_and_count())
    }

    fn begin_with(&self, state: &mut MailboxState<T>, pid: Pid) {
        self.is_receiver_waiting.store(false, Ordering::Relaxed);
        state.begin(pid);
    }

    /// Wakes the process of the server, if it waits. To be dropped outside of the lock.
    #[inline]
    fn wake_receiver(&self, state: &MailboxState<T>) -> Option<Woken> {
        if !self.is_receiver_waiting.load(Ordering::Relaxed) {
            return None;
        }
        self.is_receiver_waiting.store(false, Ordering::Relaxed);
        state.receiver.as_ref().map(TaskRef::take_woken)
    }

    /// Takes the lock, and counts the message in hand if that was handled.
    fn lock_and_count(&self) -> impl DerefMut<Target = MailboxState<T>> + '_ {
        let mut state = self.lock();
        if self.is_in_hand_handled.load(Ordering::Acquire) {
            self.is_in_hand_handled.store(false, Ordering::Relaxed);
            state.count_in_hand();
        }
        state
    }

    #[inline]
    fn lock(&self) -> impl DerefMut<Target = MailboxState<T>> + '_ {
        self.state.lock()
    }
}

/// Returns the answer to messages that were not answered when the process of the server ended with `exit`.
pub(super) fn exit_of_unanswered(exit: &Exit) -> Exit {
    if exit.is_abnormal() { exit.clone() } else { Exit::Refused(Refusal::ServerStopped) }
}

impl<T> MailboxState<T> {
    /// Returns whether a message gets room at once. If not, its sender waits.
    #[inline(always)]
    fn has_room(&self, capacity: usize, sender: Option<Pid>, when_full: WhenFull) -> Result<bool, NotSent> {
        if self.is_closed {
            return Err(NotSent::Stopped(self.exit_of_later_messages()));
        }
        let is_to_itself = sender.is_some_and(|sender| self.is_running && sender == self.pid);
        let has_room = self.queue.len() < capacity && self.waiting.is_empty();
        if !has_room && when_full == WhenFull::Refuse {
            return Err(NotSent::Full);
        }
        if is_to_itself && (!has_room || when_full == WhenFull::Wait) {
            return Err(NotSent::ToItself(self.in_hand));
        }
        Ok(has_room)
    }

    /// Lets a message wait for room.
    fn wait(&mut self, envelope: T, sent: Sent, when_full: WhenFull) -> Accepted {
        let room = (when_full == WhenFull::WaitForRoom).then(Arc::default);
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.waiting.insert(ticket, WaitingMessage { envelope, sent, room: room.clone() });
        let is_first = !std::mem::replace(&mut self.is_full_reported, true);
        Accepted::Waiting { ticket, is_first, room }
    }

    /// Gives room to the first message that waits for it. Returns the `Room` in which its sender waits.
    fn admit_first(&mut self) -> Option<Arc<Room>> {
        let (_, WaitingMessage { envelope, sent, room }) = self.waiting.pop_first()?;
        self.push_envelope(envelope, sent);
        room
    }

    fn push_envelope(&mut self, envelope: T, sent: Sent) {
        self.envelopes.push_back(envelope);
        self.queue.push_back(Queued { at: sent.at, place: Place::Envelopes, caller: sent.sender });
    }

    fn pop_envelope(&mut self) -> T {
        self.envelopes.pop_front().expect(ENVELOPE_OF_ENTRY)
    }

    /// Counts the message in hand, if there is one, as handled.
    #[inline]
    fn count_in_hand(&mut self) {
        if self.in_hand.take().is_some() {
            self.handled += 1;
        }
    }

    fn begin(&mut self, pid: Pid) {
        self.pid = pid;
        self.first_process.get_or_insert(pid);
        self.is_running = true;
        self.has_started = false;
        if self.stop_asked != StopAsked::Server(self.factory_owner.id()) {
            self.stop_asked = StopAsked::No;
        }
        self.is_closed = false;
        self.receiver = None;
    }

    /// Returns the answer to the messages in the mailbox that no process will handle.
    fn exit_of_messages(&self) -> Exit {
        match &self.last_exit {
            Some(exit) if exit.is_abnormal() && self.stop_asked == StopAsked::No => exit.clone(),
            _ => Exit::Refused(Refusal::ServerStopped),
        }
    }

    /// Returns the answer to the messages that are sent later.
    fn exit_of_later_messages(&self) -> Exit {
        match &self.last_exit {
            Some(exit @ Exit::Refused(_)) => exit.clone(),
            _ => Exit::Refused(Refusal::ServerStopped),
        }
    }
}

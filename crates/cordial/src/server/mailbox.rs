//! The mailbox: a queue with a bound, which outlives the processes of its server.
//!
//! ```text
//!  senders ─► waiting: in the order of arrival, without a bound ─ room ─► queue ─► batch ─► the process of the server
//!             (each entry belongs to a future that waits)           └ at most `capacity` ┘
//!                                                                      └ no further process: each is answered with an exit
//! ```
//!
//! The process takes all messages of the queue at once: when its batch is empty, it exchanges the two. So it seldom takes the lock that
//! the senders share, and they touch the lock of the batch only if the mailbox may be full. While the mailbox is full, and until it is
//! half empty, the process takes both locks for each message, and gives the room to a message that waits.
//!
//! The locks are held briefly, and never while user code runs. The lock of the state is taken before that of the batch. A process
//! that waits is woken in two steps: `TaskRef::take_woken` takes the task under the lock, and the task is queued after the lock was released.
//!
//! A process that takes the last message from the queue will wait next. So it sets `is_receiver_waiting` under the same lock. When it has
//! handled that message, it waits without taking the lock again, unless a sender has woken it meanwhile. A process that takes the last
//! message of its batch, without that lock, does not set the flag, and looks at the queue next.

use std::collections::BTreeMap;
use std::ops::DerefMut;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use cordial_sched::{SpinLock, TaskRef, Woken};
use crossbeam_utils::CachePadded;

use super::batch::Receiving;
use super::factory_owner::{FactoryOwner, FactoryOwnerId};
use super::lanes::Unboxed;
use super::queue::{Envelope, HandledMessage, Queue};
use super::room::Room;
use super::sending::{Accepted, NotSent, Sent, WhenFull};
use super::unanswered::exit_of_unanswered;
use crate::exit::{Exit, Refusal};
use crate::pid::Pid;
use crate::process::{NextIncarnation, current_task, discard};

/// How many messages there is room for by default.
pub(super) const DEFAULT_CAPACITY: usize = 1024;

#[derive(Debug)]
pub(super) struct Mailbox<T> {
    capacity: usize,
    /// Whether the next message wakes the process. Written only under the lock of the state. The process reads it without the lock, and
    /// Relaxed is enough: a sender clears the flag and then wakes the process, whose next poll sees the flag cleared. Both sides read the
    /// flag for each message, so it shares no cache line with fields that one side writes.
    is_receiver_waiting: CachePadded<AtomicBool>,
    receiving: CachePadded<Receiving<T>>,
    state: SpinLock<MailboxState<T>>,
}

#[derive(Debug)]
pub(super) struct MailboxState<T> {
    /// The messages that are not in the batch.
    queue: Queue<T>,
    /// An upper bound of the number of messages in the batch. Recounted when the mailbox may be full.
    max_in_batch: usize,
    waiting: BTreeMap<u64, WaitingMessage<T>>,
    next_ticket: u64,
    /// The process that runs, once it has waited.
    receiver: Option<TaskRef>,
    /// The call in hand of each process that is about to end: its handler has unwound, or was dropped. There may be several such
    /// processes, because a later one may begin while one that was abandoned has not ended.
    failed: Vec<(Pid, T)>,
    pub(super) factory_owner: FactoryOwner,
    /// The process that runs, or the last one.
    pub(super) pid: Pid,
    pub(super) first_process: Option<Pid>,
    pub(super) is_running: bool,
    /// Whether that process takes messages: `started` has returned.
    pub(super) has_started: bool,
    /// The process before `pid`, as long as the end of that process is not recorded: it was abandoned, or `pid` began first.
    pub(super) overtaken: Option<Pid>,
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
    /// The server: its own supervisor starts no further process, except one whose start is under way. No longer counts once another
    /// supervisor has the factory.
    Server(FactoryOwnerId),
}

/// Who stops a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopper {
    /// The supervisor that belongs to the server alone. It stops too, so it does not start the server again.
    OwnSupervisor,
    /// Another supervisor, which has the server as a child and may start it again.
    OtherSupervisor,
}

#[derive(Debug)]
struct WaitingMessage<T> {
    envelope: T,
    sent: Sent,
    room: Option<Arc<Room>>,
}

/// The messages of a mailbox that no process will handle, with the answer to them.
struct Unhandled<T> {
    batch: Queue<T>,
    queue: Queue<T>,
    waiting: BTreeMap<u64, WaitingMessage<T>>,
    exit: Exit,
}

/// How many messages are in the mailbox, and since when.
pub(super) struct Lengths {
    pub(super) length: usize,
    pub(super) waiting: usize,
    pub(super) oldest: Option<u64>,
}

/// What a server has done, and the name of the message that it is handling.
pub(super) struct Handled {
    pub(super) handled: u64,
    pub(super) skipped: u64,
    pub(super) in_hand: Option<&'static str>,
}

impl<T: Envelope + 'static> Mailbox<T> {
    pub(super) fn new(capacity: usize) -> Mailbox<T> {
        let state = MailboxState {
            queue: Queue::default(),
            max_in_batch: 0,
            waiting: BTreeMap::new(),
            next_ticket: 0,
            receiver: None,
            failed: Vec::new(),
            factory_owner: FactoryOwner::default(),
            pid: Pid::NO_PROCESS,
            first_process: None,
            is_running: false,
            has_started: false,
            overtaken: None,
            last_exit: None,
            stop_asked: StopAsked::No,
            is_closed: false,
            is_full_reported: false,
        };
        Mailbox {
            capacity,
            is_receiver_waiting: CachePadded::new(AtomicBool::new(false)),
            receiving: CachePadded::new(Receiving::new()),
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
            match self.has_room(&mut state, sent.sender, when_full) {
                Ok(true) => state.queue.push_envelope(envelope, sent),
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
            match self.has_room(state, sent.sender, when_full) {
                Ok(true) => state.queue.push_unboxed(message, sent.at),
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
            self.receiving.finish();
            return Poll::Pending;
        }
        {
            let mut batch = self.receiving.lock_and_finish();
            if !batch.is_full && !batch.messages.is_empty() {
                return Poll::Ready(batch.pop(unboxed));
            }
        }
        self.poll_queue(unboxed)
    }

    /// Takes the next message when the batch is empty, or the mailbox was full.
    #[inline(always)]
    fn poll_queue<U: Unboxed<T>>(&self, unboxed: &mut Option<U>) -> Poll<Option<T>> {
        let (envelope, room) = {
            let mut state = self.lock();
            let state = &mut *state;
            let mut batch = self.receiving.lock();
            let batch = &mut *batch;
            let first = match state.queue.len() {
                _ if !batch.messages.is_empty() => &mut batch.messages,
                0 => {
                    if state.receiver.is_none() {
                        state.receiver = current_task();
                    }
                    self.is_receiver_waiting.store(true, Ordering::Relaxed);
                    return Poll::Pending;
                }
                // A single message is taken from the queue itself, because an exchange of the queues would cost more than it saves.
                1 => &mut state.queue,
                _ => {
                    std::mem::swap(&mut batch.messages, &mut state.queue);
                    &mut batch.messages
                }
            };
            let envelope = first.pop(unboxed, &mut batch.in_hand);
            state.max_in_batch = batch.messages.len();
            state.is_full_reported &= state.max_in_batch + state.queue.len() > self.capacity / 2;
            let room = if state.waiting.is_empty() { None } else { state.admit_first() };
            batch.is_full = state.is_full_reported || !state.waiting.is_empty();
            if batch.messages.is_empty() && state.queue.is_empty() && state.receiver.is_some() {
                self.is_receiver_waiting.store(true, Ordering::Relaxed);
            }
            (envelope, room)
        };
        if let Some(room) = room {
            room.admitted();
        }
        Poll::Ready(envelope)
    }

    /// Counts the message in hand as handled, because the process `pid` takes no more. Does nothing if the process was abandoned and a later
    /// one has begun: the message in hand is then that of the later one.
    pub(super) fn finish(&self, pid: Pid) {
        let state = self.lock();
        if state.pid == pid {
            self.receiving.lock_and_finish();
        }
    }

    /// Records that the message in hand was not handled, since its caller has given up.
    pub(super) fn skip(&self) {
        let mut batch = self.receiving.lock();
        batch.in_hand.name = None;
        batch.skipped += 1;
    }

    /// Records that a message which was not in the mailbox is in hand: that of a timer, or a trapped exit. Counts the message that was
    /// in hand until now as handled.
    pub(super) fn take_in_hand(&self, name: &'static str) {
        let mut batch = self.receiving.lock_and_finish();
        batch.in_hand = HandledMessage { name: Some(name), caller: None };
    }

    /// Keeps a call that its handler has not answered, until the process `pid` has ended: the exit is then the answer.
    pub(super) fn not_answered(&self, pid: Pid, envelope: T) {
        self.lock().failed.push((pid, envelope));
    }

    /// Makes `pid` the process that runs, and that gets the messages in the mailbox. Does nothing if that incarnation has begun already.
    /// Returns how many casts were dropped.
    pub(super) fn begin(&self, pid: Pid) -> usize {
        let unhandled = {
            let mut state = self.lock();
            if state.pid == pid {
                return 0;
            }
            // If `stop` was called for the last process, and its end is not recorded yet, all messages are refused here, as `end` would do.
            let is_stopped = state.is_running && state.stop_asked == StopAsked::Process;
            let unhandled = is_stopped.then(|| self.take_all(&mut state));
            self.begin_with(&mut state, pid);
            unhandled
        };
        unhandled.map_or(0, Unhandled::answer)
    }

    /// Begins the incarnation of the process `pid`, which follows the process `last`. Returns false if it has begun already, or a later
    /// one.
    pub(super) fn begin_after(&self, last: Pid, pid: Pid) -> bool {
        let mut state = self.lock();
        let is_next = state.pid == last;
        if is_next {
            self.begin_with(&mut state, pid);
        }
        is_next
    }

    /// Records why no process was started.
    pub(super) fn not_begun(&self, exit: Exit) {
        let replaced = self.lock().last_exit.replace(exit);
        discard(replaced);
    }

    /// Ends an incarnation, and answers what cannot be handled any more. Returns how many casts were dropped.
    pub(super) fn end(&self, pid: Pid, exit: &Exit, next: NextIncarnation) -> usize {
        // The messages are taken out in the same section of the lock that ends the incarnation: those that come later belong to the next one.
        let (replaced, failed, unhandled) = {
            let mut state = self.lock();
            let failed: Vec<_> = state.failed.extract_if(.., |(of, _)| *of == pid).collect();
            if state.pid == pid {
                self.receiving.lock_and_count().in_hand.name = None;
                state.is_running = false;
                state.receiver = None;
                let replaced = state.last_exit.replace(exit.clone());
                state.is_closed = next == NextIncarnation::Never || state.factory_owner.is_over();
                // After a `stop`, a further process may follow, and handles the messages that are sent later.
                let is_answered = state.is_closed || state.stop_asked != StopAsked::No;
                (replaced, failed, is_answered.then(|| self.take_all(&mut state)))
            } else {
                // A later process has begun, to which the mailbox belongs.
                let is_last_end = state.overtaken.take_if(|overtaken| *overtaken == pid).is_some() && state.is_running;
                (if is_last_end { state.last_exit.replace(exit.clone()) } else { None }, failed, None)
            }
        };
        // Dropped without the lock, because an exit may hold an error of the user, whose destructor may panic.
        discard(replaced);
        if !failed.is_empty() {
            let exit = exit_of_unanswered(exit);
            failed.into_iter().for_each(|(_, envelope)| envelope.fail(&exit));
        }
        unhandled.map_or(0, Unhandled::answer)
    }

    /// Closes the mailbox, because no further process follows: answers its messages, and refuses later ones. Does nothing while a
    /// process runs. Returns how many casts were dropped.
    pub(super) fn close(&self) -> usize {
        self.close_if(|_| true)
    }

    /// Like [`close`](Mailbox::close), after the end of the process `last`. Does nothing if a later process has begun, or if the factory
    /// belongs to another owner than `owner`, whose supervisor may start one.
    pub(super) fn close_after(&self, last: Pid, owner: FactoryOwnerId) -> usize {
        self.close_if(|state| state.pid == last && state.factory_owner.id() == owner)
    }

    /// Ends the ownership of `id`, and closes the mailbox unless a process runs or there is another owner. Returns how many casts were
    /// dropped.
    pub(super) fn end_factory_owner(&self, id: FactoryOwnerId) -> usize {
        self.close_if(|state| state.factory_owner.end(id))
    }

    /// Does what [`close`](Mailbox::close) does, if `is_over` returns true under the lock.
    fn close_if(&self, is_over: impl FnOnce(&mut MailboxState<T>) -> bool) -> usize {
        let unhandled = {
            let mut state = self.lock();
            if !is_over(&mut state) || state.is_running {
                return 0;
            }
            state.is_closed = true;
            self.take_all(&mut state)
        };
        unhandled.answer()
    }

    /// Takes all messages out, to answer them without the lock.
    fn take_all(&self, state: &mut MailboxState<T>) -> Unhandled<T> {
        let exit = state.exit_of_messages();
        (state.max_in_batch, state.is_full_reported) = (0, false);
        let batch = std::mem::take(&mut self.receiving.lock().messages);
        Unhandled { batch, queue: std::mem::take(&mut state.queue), waiting: std::mem::take(&mut state.waiting), exit }
    }

    /// Records that `stop` was called. A process that is then asked to shut down ends with `Exit::Normal`.
    pub(super) fn set_stop_asked(&self, stopper: Stopper) {
        let _woken = {
            let mut state = self.lock();
            match stopper {
                _ if state.is_closed => {}
                Stopper::OwnSupervisor => state.stop_asked = StopAsked::Server(state.factory_owner.id()),
                Stopper::OtherSupervisor if state.is_running => state.stop_asked = StopAsked::Process,
                Stopper::OtherSupervisor => {}
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
        let state = self.lock();
        state.queue.is_empty() && self.receiving.lock().messages.is_empty()
    }

    pub(super) fn lengths(&self) -> Lengths {
        let state = self.lock();
        let batch = self.receiving.lock();
        let oldest = batch.messages.oldest().or_else(|| state.queue.oldest());
        Lengths { length: batch.messages.len() + state.queue.len(), waiting: state.waiting.len(), oldest }
    }

    pub(super) fn handled(&self) -> Handled {
        let batch = self.receiving.lock_and_count();
        Handled { handled: batch.handled, skipped: batch.skipped, in_hand: batch.in_hand.name }
    }

    /// Returns the processes whose calls are in hand, are in the mailbox and not given up, or wait for room.
    pub(super) fn callers(&self) -> Vec<Pid> {
        let state = self.lock();
        let batch = self.receiving.lock_and_count();
        let in_hand = batch.in_hand.name.and(batch.in_hand.caller);
        let waiting = state.waiting.values().filter_map(|waiting| waiting.sent.sender);
        in_hand.into_iter().chain(batch.messages.callers()).chain(state.queue.callers()).chain(waiting).collect()
    }
}

impl<T> Mailbox<T> {
    /// Calls `f` with the state, under the lock.
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut MailboxState<T>) -> R) -> R {
        f(&mut self.lock())
    }

    fn begin_with(&self, state: &mut MailboxState<T>, pid: Pid) {
        self.is_receiver_waiting.store(false, Ordering::Relaxed);
        // If the end of the last process is not recorded yet, its message in hand would count as handled by this one.
        self.receiving.lock_and_count().in_hand.name = None;
        state.begin(pid);
    }

    /// Wakes the process of the server, if it waits. Must be dropped outside of the lock.
    #[inline]
    fn wake_receiver(&self, state: &MailboxState<T>) -> Option<Woken> {
        if !self.is_receiver_waiting.load(Ordering::Relaxed) {
            return None;
        }
        self.is_receiver_waiting.store(false, Ordering::Relaxed);
        state.receiver.as_ref().map(TaskRef::take_woken)
    }

    /// Returns whether a message gets room at once. If not, its sender waits.
    #[inline(always)]
    fn has_room(&self, state: &mut MailboxState<T>, sender: Option<Pid>, when_full: WhenFull) -> Result<bool, NotSent> {
        if state.is_closed {
            return Err(NotSent::Stopped(state.exit_of_later_messages()));
        }
        let is_to_itself = sender.is_some_and(|sender| state.is_running && sender == state.pid);
        let has_room = state.waiting.is_empty()
            && (state.max_in_batch + state.queue.len() < self.capacity || self.has_room_now(state));
        if !has_room && when_full == WhenFull::Refuse {
            return Err(NotSent::Full);
        }
        if is_to_itself && (!has_room || when_full == WhenFull::Wait) {
            return Err(NotSent::ToItself(self.receiving.lock_and_count().in_hand.name));
        }
        Ok(has_room)
    }

    /// Counts the messages of the batch. If there is no room, sets `is_full`: the process then takes its next message under the lock of the
    /// state, and so sees a message that waits.
    #[cold]
    fn has_room_now(&self, state: &mut MailboxState<T>) -> bool {
        let mut batch = self.receiving.lock();
        state.max_in_batch = batch.messages.len();
        let has_room = state.max_in_batch + state.queue.len() < self.capacity;
        batch.is_full |= !has_room;
        has_room
    }

    #[inline]
    fn lock(&self) -> impl DerefMut<Target = MailboxState<T>> + '_ {
        self.state.lock()
    }
}

impl<T: Envelope + 'static> Unhandled<T> {
    /// Returns how many casts were dropped. Those that waited for room are not counted: their senders get the error.
    fn answer(self) -> usize {
        let Unhandled { batch, queue, waiting, exit } = self;
        let mut n_dropped = 0;
        for envelope in batch.into_envelopes().chain(queue.into_envelopes()) {
            n_dropped += usize::from(envelope.is_cast());
            envelope.fail(&exit);
        }
        for (_, waiting) in waiting {
            waiting.envelope.fail(&exit);
            if let Some(room) = waiting.room {
                room.failed(exit.clone());
            }
        }
        n_dropped
    }
}

impl<T> MailboxState<T> {
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
        self.queue.push_envelope(envelope, sent);
        room
    }

    fn begin(&mut self, pid: Pid) {
        self.overtaken = self.is_running.then_some(self.pid);
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
    #[cold]
    fn exit_of_later_messages(&self) -> Exit {
        match &self.last_exit {
            Some(exit @ Exit::Refused(_)) => exit.clone(),
            _ => Exit::Refused(Refusal::ServerStopped),
        }
    }
}

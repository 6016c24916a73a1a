//! The thread of a pool: it starts the workers, reads what they send and write, ends them, and reaps them.
//!
//! It is a thread of its own for two reasons. The kernel sends the parent-death signal to a worker when the thread that has started the worker
//! ends, so that thread has to live as long as the workers. And it ends calls that exceed their limits even while all other threads compute.

mod outputs;

use std::collections::BTreeMap;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cordial::{Exit, LostCause, Task};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustix::process::{getpid, getpriority_process};

use super::call::{Call, LostWorker, Reply};
use super::cause::{cause_of, refusal, with_last_lines};
use super::clock::{later, now};
use super::error::PoolError;
use super::events;
use super::process::Process;
use super::shared::{End, Phase, PoolShared, Worker, WorkerState};
use crate::frame::{Frame, Incoming, Kind, Received};
use crate::init::Initialized;
use crate::kernel::PAUSE;

/// The delay before a worker is started after a failed attempt. It doubles up to the longest one.
const FIRST_DELAY: Duration = Duration::from_millis(10);
const LONGEST_DELAY: Duration = Duration::from_secs(1);

/// A worker is proven once it has answered a call, or was idle for this long. The end of a worker that was not proven counts as a failed
/// attempt to start one, because the next worker may end in the same way.
const UNTIL_PROVEN: Duration = Duration::from_secs(1);

/// After how many failed attempts in a row a pool without workers gives up.
const ATTEMPTS: u32 = 10;

/// How often the thread checks whether a worker has exited, on systems that do not report it.
const EXIT_CHECK_PERIOD: Duration = Duration::from_millis(20);

/// How long the start of a pool waits for a poll on another thread.
const FOR_ANOTHER_POLL: Duration = Duration::from_secs(1);

/// What only the thread of the pool uses of a worker.
struct Connection {
    process: Process,
    socket: Arc<OwnedFd>,
    incoming: Incoming,
    is_open: bool,
    /// Before this time, the thread does not wait for the outputs of the worker.
    outputs_rest: Option<Instant>,
    /// Whether the exit was handled, and only the rest of the group is waited for.
    has_exited: bool,
}

/// The thread of a pool.
pub(super) struct Driver {
    shared: Arc<PoolShared>,
    woken: UnixStream,
    initialized: Option<&'static Initialized>,
    connections: BTreeMap<u64, Connection>,
    next_worker: u64,
    failures: u32,
    next_start: Instant,
    /// Where the outcome of the first start goes.
    first_start: Option<Sender<Result<(), PoolError>>>,
    buffer: Vec<u8>,
}

/// Which descriptors of a worker are readable.
struct Readable {
    id: u64,
    stdout: bool,
    stderr: bool,
    exit: bool,
    socket: bool,
    /// Whether the socket had data, and the outputs were polled as well. `poll` looks at the socket first. So a read of the outputs that `poll`
    /// found readable gets all that the worker wrote before it sent that data.
    had_data: bool,
}

/// Returns whether this is a thread of a runtime whose nice value was raised.
fn has_raised_nice() -> bool {
    let (own, main) = (getpriority_process(None), getpriority_process(Some(getpid())));
    cordial::process::current().is_some() && own.is_ok_and(|own| main.is_ok_and(|main| own > main))
}

impl Driver {
    /// Starts the thread.
    ///
    /// Workers inherit the nice value of this thread, which inherits it from the thread that starts it. If the runtime has raised the nice value of
    /// the calling thread because of a long poll, a new task starts this thread: a thread on which a poll begins has no raised nice value.
    ///
    /// # Errors
    ///
    /// If the system does not start a thread.
    pub(super) fn start(
        shared: Arc<PoolShared>,
        woken: UnixStream,
        initialized: Option<&'static Initialized>,
        first_start: Sender<Result<(), PoolError>>,
    ) -> std::io::Result<()> {
        let driver = Driver {
            shared,
            woken,
            initialized,
            connections: BTreeMap::new(),
            next_worker: 1,
            failures: 0,
            next_start: now(),
            first_start: Some(first_start),
            buffer: Vec::new(),
        };
        if !has_raised_nice() {
            return driver.spawn();
        }
        let driver = Arc::new(Mutex::new(Some(driver)));
        let spawn = move || driver.lock().unwrap_or_else(PoisonError::into_inner).take().map(Driver::spawn);
        let (sender, spawned) = mpsc::channel();
        let elsewhere = spawn.clone();
        Task::start(async move { drop(sender.send(elsewhere())) });
        match spawned.recv_timeout(FOR_ANOTHER_POLL) {
            Ok(Some(result)) => result,
            // No thread has polled the task in time. If it runs later, it finds that the driver was taken.
            _ => spawn().unwrap_or(Ok(())),
        }
    }

    fn spawn(self) -> std::io::Result<()> {
        std::thread::Builder::new().name("cordial-isolate".to_owned()).spawn(move || self.run()).map(drop)
    }

    fn run(mut self) {
        loop {
            self.start_workers();
            self.finish_groups();
            let Some(limit) = self.advance() else { return };
            for ready in self.wait(limit) {
                self.handle(&ready);
            }
        }
    }

    /// Starts the workers that are missing, unless a delay after a failed attempt is not over.
    fn start_workers(&mut self) {
        loop {
            let state = self.shared.lock();
            if state.phase != Phase::Open
                || state.is_closed
                || state.n_lasting() >= state.target
                || now() < self.next_start
            {
                return;
            }
            drop(state);
            let (process, socket) = match Process::start(&self.shared.config, self.initialized) {
                Ok(started) => started,
                Err(error) => {
                    let (program, reason) = (self.shared.program.clone(), refusal(&error).into());
                    self.start_failed(PoolError::NotStarted { program, reason });
                    continue;
                }
            };
            let socket = Arc::new(socket);
            let id = self.next_worker;
            self.next_worker += 1;
            let mut state = self.shared.lock();
            state.counters.started += 1;
            let mut worker = Worker::new(process.os.clone(), process.mark.clone(), socket.clone());
            // The pool may have been closed meanwhile.
            if state.is_closed || state.phase != Phase::Open {
                worker.drop_start();
            }
            state.workers.insert(id, worker);
            drop(state);
            let incoming = Incoming::new(self.shared.config.max_payload);
            let connection =
                Connection { process, socket, incoming, is_open: true, outputs_rest: None, has_exited: false };
            self.connections.insert(id, connection);
        }
    }

    /// Notes that a worker has not started, or has ended early. Gives up if it was the first one, or after many attempts.
    fn start_failed(&mut self, error: PoolError) {
        self.failures += 1;
        let delay = FIRST_DELAY.saturating_mul(1 << self.failures.saturating_sub(1).min(16)).min(LONGEST_DELAY);
        self.next_start = now() + delay;
        events::start_failed(&error, self.failures);
        let mut state = self.shared.lock();
        state.counters.failed_starts += 1;
        let is_first = self.first_start.take().is_some_and(|first| first.send(Err(error.clone())).is_ok());
        // Workers that are starting are no reason to wait: with slow starts, there are always some.
        let has_ready = state.workers.values().any(Worker::is_ready);
        if !is_first && (self.failures < ATTEMPTS || has_ready || state.phase != Phase::Open) {
            return;
        }
        let attempts = self.failures;
        self.failures = 0;
        let error = if is_first { error } else { PoolError::GaveUp { attempts, reason: error.to_string().into() } };
        state.phase = Phase::Failed(error.clone());
        state.target = 0;
        state.workers.values_mut().filter(|worker| worker.state == WorkerState::Starting).for_each(Worker::drop_start);
        let waiting = std::mem::take(&mut state.queue);
        drop(state);
        self.shared.publish();
        events::gave_up(&error);
        for call in waiting.into_values() {
            let _ = call.reply.send(Reply::Ended(Exit::Error(Arc::new(error.clone()))));
        }
    }

    /// Does the work that is due, and returns the time until more work is due. Returns `None` when the pool has ended.
    fn advance(&mut self) -> Option<Option<Duration>> {
        let shared = self.shared.clone();
        let config = &shared.config;
        let now = now();
        let mut next: Option<Instant> = None;
        let mut at = |time: Instant| next = Some(next.map_or(time, |next| next.min(time)));
        let mut state = shared.lock();
        let mut idle_too_long = Vec::new();
        for (id, worker) in &mut state.workers {
            if let Some(time) = worker.advance_end(now) {
                at(time);
            }
            match worker.state {
                WorkerState::Starting => {
                    let limit = later(worker.started, config.start_timeout);
                    if limit <= now {
                        worker.kill();
                    } else {
                        at(limit);
                    }
                }
                WorkerState::Idle => {
                    if !worker.is_proven {
                        let proven = later(worker.since, UNTIL_PROVEN);
                        if proven <= now {
                            worker.is_proven = true;
                            self.failures = 0;
                        } else {
                            at(proven);
                        }
                    }
                    if let Some(limit) = config.idle_timeout.and_then(|timeout| worker.since.checked_add(timeout)) {
                        if limit <= now {
                            worker.retire();
                            idle_too_long.push(*id);
                        } else {
                            at(limit);
                        }
                    }
                }
                WorkerState::Busy | WorkerState::Ending => {}
            }
        }
        for id in idle_too_long {
            state.remove_idle(id);
            state.target = state.target.saturating_sub(1);
        }
        let has_stopped = state.phase == Phase::Stopping && state.workers.is_empty();
        if has_stopped {
            state.phase = Phase::Stopped;
        }
        if state.is_closed && state.workers.is_empty() {
            shared.has_no_workers();
            return None;
        }
        if state.phase == Phase::Open && !state.is_closed && state.n_lasting() < state.target {
            at(self.next_start);
        }
        drop(state);
        if has_stopped {
            shared.publish();
        }
        if self.connections.values().any(|connection| connection.process.os.descriptor.is_none()) {
            at(now + EXIT_CHECK_PERIOD);
        }
        Some(next.map(|next| next.saturating_duration_since(now)))
    }

    /// Waits until a descriptor is readable, the thread is woken, or the time is over.
    fn wait(&mut self, limit: Option<Duration>) -> Vec<Readable> {
        let limit = self.wake_outputs(limit);
        // The limit is rounded up: a wait that ends too early would be followed by others without a pause.
        let limit = limit.map(|limit| limit + Duration::from_micros(100));
        let limit = limit.map(|limit| Timespec {
            tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: limit.subsec_nanos().into(),
        });
        let shared = self.shared.clone();
        let wants_to_send: Vec<u64> = {
            let state = shared.lock();
            state.workers.iter().filter(|(_, worker)| worker.outgoing.is_some()).map(|(id, _)| *id).collect()
        };
        let mut fds = Vec::with_capacity(1 + 4 * self.connections.len());
        let mut owners: Vec<(u64, usize)> = Vec::with_capacity(fds.capacity());
        fds.push(PollFd::new(&self.woken, PollFlags::IN));
        owners.push((0, 0));
        for (id, connection) in &self.connections {
            // The socket first: `poll` looks at the descriptors in this order.
            if connection.is_open {
                let flags = if wants_to_send.contains(id) { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
                fds.push(PollFd::from_borrowed_fd(connection.socket.as_fd(), flags));
                owners.push((*id, 3));
            }
            for (kind, fd) in connection.process.descriptors().into_iter().enumerate() {
                // An exit that was handled stays readable.
                let is_awaited = if kind < 2 { connection.outputs_rest.is_none() } else { !connection.has_exited };
                if let Some(fd) = fd.filter(|_| is_awaited) {
                    fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
                    owners.push((*id, kind));
                }
            }
        }
        // An interrupted wait ends early, which does no harm. The system refuses to wait if the program has lowered its limit of open files.
        let is_refused = poll(&mut fds, limit.as_ref()).is_err_and(|error| error != Errno::INTR);
        if is_refused {
            let _ = poll(&mut [], Some(&PAUSE));
        }
        let is_woken = is_refused || !fds[0].revents().is_empty();
        let mut ready: Vec<Readable> = Vec::new();
        for (fd, (id, kind)) in fds.iter().zip(owners).skip(1) {
            if fd.revents().is_empty() && !is_refused {
                continue;
            }
            if ready.last().is_none_or(|last| last.id != id) {
                ready.push(Readable { id, stdout: false, stderr: false, exit: false, socket: false, had_data: false });
            }
            let last = ready.last_mut().expect("one was pushed if there was none");
            match kind {
                0 => last.stdout = true,
                1 => last.stderr = true,
                2 => last.exit = true,
                _ => {
                    last.socket = true;
                    let has_data = fd.revents().contains(PollFlags::IN);
                    last.had_data = has_data && self.connections[&id].outputs_rest.is_none();
                }
            }
        }
        drop(fds);
        if is_woken {
            let mut bytes = [0; 64];
            while matches!((&self.woken).read(&mut bytes), Ok(read) if read == bytes.len()) {}
            self.shared.lock().woken();
        }
        for (id, connection) in &self.connections {
            if connection.process.os.descriptor.is_none() && !ready.iter().any(|ready| ready.id == *id) {
                ready.push(Readable {
                    id: *id,
                    stdout: false,
                    stderr: false,
                    exit: true,
                    socket: false,
                    had_data: false,
                });
            }
        }
        ready
    }

    /// Handles what a worker has done.
    fn handle(&mut self, ready: &Readable) {
        if ready.stdout || ready.stderr {
            self.read_ready_outputs(ready.id);
        }
        if ready.socket {
            self.send_rest(ready.id);
            self.receive(ready.id, ready.had_data);
        }
        let Some(connection) = self.connections.get(&ready.id) else { return };
        if !connection.has_exited
            && (ready.exit || !connection.is_open)
            && let Some(cause) = connection.process.exited()
        {
            self.exited(ready.id, cause);
        }
    }

    /// Sends the rest of a frame that was too large for the socket.
    fn send_rest(&mut self, id: u64) {
        let mut state = self.shared.lock();
        let Some(worker) = state.workers.get_mut(&id) else { return };
        let Some(mut frame) = worker.outgoing.take() else { return };
        let socket = worker.socket.clone();
        // A large frame is copied without the lock. Nothing else is sent to a worker whose frame is incomplete.
        worker.is_sending = true;
        drop(state);
        let sent = frame.send(&socket, SendFlags::DONTWAIT);
        let mut state = self.shared.lock();
        let Some(worker) = state.workers.get_mut(&id) else { return };
        worker.is_sending = false;
        // An error means that the worker has died, which `exited` handles.
        if matches!(sent, Ok(false)) {
            worker.outgoing = Some(frame);
        }
    }

    /// Reads frames of a worker. `has_outputs` says whether the outputs that were written before the first frame were read.
    fn receive(&mut self, id: u64, mut has_outputs: bool) {
        loop {
            let Some(connection) = self.connections.get_mut(&id).filter(|connection| connection.is_open) else {
                return;
            };
            match connection.incoming.receive(&connection.socket, RecvFlags::DONTWAIT) {
                Ok(Received::Frame(frame)) => self.received(id, frame, std::mem::take(&mut has_outputs)),
                Ok(Received::Blocked) => return,
                Ok(Received::Closed) => {
                    connection.is_open = false;
                    self.broken(id, "the worker has closed its socket");
                    return;
                }
                Err(error) => {
                    connection.is_open = false;
                    self.broken(id, &error.to_string());
                    return;
                }
            }
        }
    }

    fn broken(&mut self, id: u64, reason: &str) {
        let mut state = self.shared.lock();
        state.remove_idle(id);
        if let Some(worker) = state.workers.get_mut(&id) {
            worker.end_broken(reason, &self.shared.config);
        }
    }

    fn received(&mut self, id: u64, frame: Frame, has_outputs: bool) {
        match frame.kind {
            Kind::Ready => {
                if let Some(first) = self.first_start.take() {
                    let _ = first.send(Ok(()));
                }
                self.end_outputs_of_start(id, has_outputs);
                let mut state = self.shared.lock();
                if state.workers.get(&id).is_some_and(|worker| worker.state == WorkerState::Starting) {
                    state.becomes_idle(id);
                    state.dispatch(&self.shared.config);
                }
            }
            Kind::Done => self.done(id, frame, has_outputs),
            Kind::Stuck => {
                let mut state = self.shared.lock();
                if let Some(worker) = state.workers.get_mut(&id)
                    && worker.call.as_ref().is_some_and(|call| call.id == frame.call)
                {
                    worker.terminate();
                }
            }
            Kind::Call | Kind::Stop | Kind::Retire => {}
        }
    }

    /// Handles the end of a call: the worker takes the next one, or exits.
    fn done(&mut self, id: u64, frame: Frame, has_outputs: bool) {
        // The lines that the call has written belong to it. They were written before its answer.
        if !has_outputs {
            self.read_all_outputs(id);
        }
        let mut state = self.shared.lock();
        let Some(worker) = state.workers.get_mut(&id) else { return };
        if worker.call.as_ref().is_none_or(|call| call.id != frame.call) {
            return;
        }
        let call = worker.call.take();
        self.failures = if worker.is_proven { self.failures } else { 0 };
        worker.is_proven = true;
        // A call that was asked to shut down has ended in time. A worker that is already being ended still ends, but its answer counts.
        if matches!(worker.end, End::Asked { .. }) {
            worker.end = End::None;
        }
        if worker.state == WorkerState::Busy {
            if worker.is_last {
                worker.retire();
                let is_recycled = self.shared.config.recycle_after.is_some_and(|limit| worker.calls >= limit);
                state.counters.recycled += u64::from(is_recycled);
            } else {
                state.becomes_idle(id);
            }
        }
        state.dispatch(&self.shared.config);
        drop(state);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.finish_lines(call.as_ref().map(|call| (call.signature.name(), call.process)));
            connection.process.stderr.forget();
        }
        if let Some(call) = call {
            let _ = call.reply.send(Reply::Done(frame.body));
        }
    }

    /// Returns the test that a worker runs up to its call of `test_main`, if it runs one.
    fn test(&self) -> Option<&str> {
        let initialized = self.initialized.filter(|_| self.shared.config.program.is_none());
        initialized?.test.as_deref()
    }

    /// Handles the exit of a worker that is not reaped yet: answers its call.
    fn exited(&mut self, id: u64, cause: LostCause) {
        // Reads what the worker sent and wrote before its end.
        self.receive(id, false);
        self.read_all_outputs(id);
        let caller = self.caller(id);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.has_exited = true;
        connection.is_open = false;
        let os_pid = connection.process.os.id.as_raw_nonzero().get();
        connection.finish_lines(caller);
        let stderr = connection.process.stderr.last_lines();
        let allocation_failure = connection.process.stderr.allocation_failure;
        let mut state = self.shared.lock();
        state.remove_idle(id);
        let Some(worker) = state.workers.get_mut(&id) else { return };
        let was_ended = worker.was_ended();
        let was_ready = worker.was_ready;
        // The reason counts only if the pool had to kill the worker because of its socket: the status of a worker that has died by itself says more.
        let broken = worker.broken.clone().filter(|_| worker.end == End::Killed);
        let died_early = !worker.is_proven && matches!(worker.end, End::None | End::Broken { .. });
        let call: Option<Call> = worker.call.take();
        // A pool that stops or gives up sets `is_last`: then the exit is not a failed start, even if the pool was opened again since.
        let is_needed = !worker.is_last;
        let is_wanted = is_needed && state.phase == Phase::Open && !state.is_closed;
        if let Some(worker) = state.workers.get_mut(&id) {
            worker.enter(WorkerState::Ending);
        }
        if call.is_some() {
            let counter = if was_ended { &mut state.counters.killed } else { &mut state.counters.lost };
            *counter += 1;
        }
        // If the pool has killed this worker, a kill by the system that was counted belongs to another worker.
        let oom_kills = Some(&mut state.oom_kills).filter(|_| !was_ended);
        let cause = cause_of(cause, broken, &self.shared.config, allocation_failure, oom_kills);
        drop(state);
        if let Some(call) = call {
            let ran_for = call.since.map_or(Duration::ZERO, |since| now().saturating_duration_since(since));
            let reply = if was_ended {
                Reply::Ended(Exit::Killed)
            } else {
                events::lost(os_pid, call.signature.name(), &cause);
                Reply::Lost(LostWorker { os_pid, cause, ran_for, stderr })
            };
            let _ = call.reply.send(reply);
        } else if (!was_ready || died_early) && is_wanted {
            let mut reason = cause.to_string();
            if was_ended {
                reason = format!("it was not ready within {:?}", self.shared.config.start_timeout);
            } else if was_ready {
                reason = format!("it was ready, and has ended before its first call: {reason}");
            } else if cause == LostCause::ExitCode(0)
                && let Some(test) = self.test()
            {
                reason = format!(
                    "{reason}, and has found no test {test:?} that calls `test_main`: that is the name of the thread that has called it here, so make it the first line of the test itself"
                );
            }
            let program = self.shared.program.clone();
            let reason = with_last_lines(reason, &stderr).into();
            self.start_failed(PoolError::NotReady { program, reason });
        }
        self.finish(id);
    }

    /// Kills the processes that an exited worker has started, and reaps the worker, unless its group has time left after SIGTERM.
    fn finish(&mut self, id: u64) {
        let mut state = self.shared.lock();
        if let Some(worker) = state.workers.get_mut(&id) {
            if matches!(worker.end, End::Term { kill_at } if now() < kill_at) {
                return;
            }
            worker.end = End::None;
            worker.kill();
        }
        drop(state);
        let Some(mut connection) = self.connections.remove(&id) else { return };
        connection.process.kill_orphans();
        // From here on, nothing signals the worker.
        self.shared.lock().workers.remove(&id);
        connection.process.reap();
        self.shared.lock().dispatch(&self.shared.config);
    }

    /// Finishes the workers that have exited and whose group has no time left.
    fn finish_groups(&mut self) {
        let exited = self.connections.iter().filter(|(_, connection)| connection.has_exited);
        for id in exited.map(|(id, _)| *id).collect::<Vec<u64>>() {
            self.finish(id);
        }
    }
}

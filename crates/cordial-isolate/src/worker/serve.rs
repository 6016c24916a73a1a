//! The loop of the serving thread of a worker.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cordial::process::{ProcessState, info, inspector};
use cordial::{Exit, Pid, Runtime, Task, Timeout};
use nix::sys::signal::{SIGCONT, SIGHUP, SIGTERM, SIGXCPU, SigSet};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::fstat;
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout as SocketTimeout, set_socket_timeout};
use rustix::net::{RecvFlags, SendFlags, recv};
use rustix::process::{Pid as OsPid, Signal, getpid, kill_process, kill_process_group};
use signal_hook::{flag, low_level};
use tokio::sync::oneshot;

use super::limits::{CpuTimer, limit_memory};
use super::role::{PARENT_DEATH, WorkerSettings, parent};
use crate::descendants;
use crate::dispatch::{Outcome, Runner};
use crate::frame::{Frame, Incoming, Kind, MAX_EXTRA, Outgoing, Received, TooLarge, check_length};
use crate::functions::Functions;
use crate::kernel::PAUSE;

/// How long a call that has not opted in to graceful shutdown may take to reach an await or a checkpoint.
const UNTIL_STUCK: Duration = Duration::from_millis(100);

/// How long a call that has ended waits until its output is written, before it is answered.
const FLUSH_LIMIT: Duration = Duration::from_millis(100);

/// How long a worker whose socket is closed waits for its pool to kill it, while its pool lives. On a busy machine, the thread of the pool may have
/// to wait for a core: without the kill, the pool would not know why the worker has ended.
const UNTIL_KILLED: Duration = Duration::from_secs(5);

/// How long the process that has answered a call waits for a frame before it checks whether the serving thread reads the frames again.
const UNTIL_COLD: Duration = Duration::from_millis(4);

/// How often the serving thread checks whether calls still follow each other, while it does not wait for frames.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };

/// How many calls are answered before the processes are counted again, which takes some 20 µs.
const CALLS_BETWEEN: u64 = 64;

/// Stands for no call: the numbers of calls begin with 1.
const NO_CALL: u64 = 0;

/// What the serving thread and the processes of a worker share.
struct WorkerShared {
    /// The OS process of the worker. In a process that a function has forked, `getpid` differs from it.
    os_pid: OsPid,
    socket: OwnedFd,
    settings: WorkerSettings,
    functions: Functions,
    incoming: Mutex<Incoming>,
    /// Whether calls follow each other closely. If so, the process that has answered a call reads the next one, and the serving thread reads none.
    is_hot: AtomicBool,
    /// Whether the serving thread waits for frames.
    is_awaited: AtomicBool,
    /// How many calls were answered.
    n_answered: AtomicU64,
    /// Whether the last count found only the processes that serve calls, and none that a function has left behind.
    is_alone: AtomicBool,
    /// How many calls were taken while `is_hot`.
    hot_calls: AtomicU64,
    /// The number and the process of the last call.
    call: Mutex<Option<(u64, Pid)>>,
    /// Held while a frame is sent, so that frames do not mix.
    sending: Mutex<()>,
    /// The number of the call that runs, or [`NO_CALL`].
    running: AtomicU64,
    /// Whether a process of this worker is flushing the buffer of standard output.
    is_flushing: AtomicBool,
}

/// A call that runs.
struct Started {
    number: u64,
    task: Task<Vec<u8>>,
}

/// Serves calls until the pool is gone or no longer needs the worker.
pub(super) fn serve(functions: &Functions, settings: &WorkerSettings, socket: OwnedFd) -> ! {
    if tokio::runtime::Handle::try_current().is_err() {
        serve_here(functions, settings, socket);
    }
    // `init` was called within `#[tokio::main]`, or `test_main` within `#[tokio::test]`. This thread never returns to that runtime, and may
    // be the only thread that drives it. So another thread serves, which does not belong to that runtime.
    std::thread::scope(|scope| {
        let serving = std::thread::Builder::new().spawn_scoped(scope, || serve_here(functions, settings, socket));
        if let Err(error) = serving {
            fail(error);
        }
    });
    process::exit(1)
}

/// Serves calls on this thread, which belongs to no runtime of tokio.
fn serve_here(functions: &Functions, settings: &WorkerSettings, socket: OwnedFd) -> ! {
    match try_serve(functions, settings, socket) {
        Ok(()) => end_with_group(settings),
        // A function has closed the descriptor. A `poll` of this thread had kept the socket open until now. So the pool sees only now that the socket
        // is closed. It kills this process, and reports why.
        Err(error) if has_no_socket(&error) => {
            wait_for_kill(settings);
            end_with_group(settings)
        }
        Err(error) => fail(error),
    }
}

/// Returns whether a function has closed the descriptor of the socket. The descriptor may belong to another file by now.
fn has_no_socket(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::BADF | Errno::NOTSOCK))
}

/// Waits until the pool kills this process, for at most [`UNTIL_KILLED`]. Returns early if the pool is gone.
fn wait_for_kill(settings: &WorkerSettings) {
    let mut left = UNTIL_KILLED.as_millis() / 10;
    while left > 0 && parent() == Some(settings.parent) {
        let _ = poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 10_000_000 }));
        left -= 1;
    }
}

/// Ends this process with a message at standard error, where the pool finds it.
#[expect(clippy::print_stderr, reason = "the standard error of a worker is read by its pool")]
pub(super) fn fail(error: impl std::fmt::Display) -> ! {
    eprintln!("cordial-isolate: the worker process cannot serve: {error}");
    process::exit(1)
}

/// Kills this process and all that it has started: its pool is gone.
fn end_with_group(settings: &WorkerSettings) -> ! {
    descendants::kill_own();
    descendants::kill_orphans(&settings.mark());
    // Kills only the group that this process leads. A function may have moved this process to another group, which must not be killed.
    let _ = kill_process_group(getpid(), Signal::KILL);
    let _ = kill_process(getpid(), Signal::KILL);
    process::exit(1)
}

/// Ends this process by SIGHUP, which another process has sent: the pool reports this signal, and ends what this process has started.
fn end_by_hangup() -> ! {
    let _ = low_level::emulate_default_handler(SIGHUP as i32);
    process::exit(1)
}

fn try_serve(functions: &Functions, settings: &WorkerSettings, socket: OwnedFd) -> io::Result<()> {
    let signals = Signals::listen(settings)?;
    // One worker thread, because the process runs one call at a time. If the call blocks that thread while other tasks wait, the scheduler starts a
    // stand-in. If the runtime does not start, the process ends with its error.
    match Runtime::builder().workers(1).check_threads(false).install() {
        Ok(()) | Err(cordial::BuildError::AlreadyInUse) => {}
        Err(error) => return Err(io::Error::other(error)),
    }
    // Starts the threads before the memory limit is set, so that their memory does not count.
    Task::spawn(async {}).wait().map_err(io::Error::other)?;
    let mut cpu_timer = settings.cpu_time.map(CpuTimer::new).transpose()?;
    set_socket_timeout(&socket, SocketTimeout::Recv, Some(UNTIL_COLD))?;
    let worker = WorkerShared {
        os_pid: getpid(),
        socket,
        settings: settings.clone(),
        functions: functions.clone(),
        incoming: Mutex::new(Incoming::new(settings.max_payload)),
        is_hot: AtomicBool::new(false),
        is_awaited: AtomicBool::new(false),
        n_answered: AtomicU64::new(0),
        is_alone: AtomicBool::new(true),
        hot_calls: AtomicU64::new(0),
        call: Mutex::new(None),
        sending: Mutex::new(()),
        running: AtomicU64::new(NO_CALL),
        is_flushing: AtomicBool::new(false),
    };
    let worker = Arc::new(worker);
    if let Some(bytes) = settings.memory {
        limit_memory(bytes)?;
    }
    worker.send(Outgoing::new(Kind::Ready, 0, Vec::new()))?;
    // The call that was asked to shut down.
    let mut asked = NO_CALL;
    loop {
        if !worker.wait(&signals, (asked != NO_CALL).then_some(UNTIL_STUCK))? {
            if let Some(pid) = worker.running_process(asked)
                && info(pid).is_some_and(|process| process.state != ProcessState::ShutdownRequested)
            {
                worker.send(Outgoing::new(Kind::Stuck, asked, Vec::new()))?;
            }
            asked = NO_CALL;
            continue;
        }
        worker.check_socket()?;
        loop {
            match worker.receive(RecvFlags::DONTWAIT, cpu_timer.as_mut())? {
                Next::Call(call) => worker.answer_calls(call),
                Next::Stop(number) => {
                    if let Some(pid) = worker.running_process(number) {
                        cordial::process::exit(pid, Exit::Shutdown(None));
                        asked = number;
                    }
                }
                Next::Nothing => break,
                Next::End => return Ok(()),
            }
        }
    }
}

/// What the pool wants from the worker.
enum Next {
    Call(Started),
    /// Ask the call with this number to shut down.
    Stop(u64),
    /// There is no frame for now.
    Nothing,
    /// The pool is gone.
    End,
}

/// The signals that may mean that the pool is gone.
struct Signals {
    /// The parent-death signal. Other processes may send the same signal, so the parent is checked.
    parent_death: UnixStream,
    /// SIGHUP, which the kernel sends to a stopped process whose parent has ended. Without a handler, it would end this process, but not
    /// all of the processes that this one has started.
    hangup: UnixStream,
}

impl Signals {
    fn listen(settings: &WorkerSettings) -> io::Result<Signals> {
        // The program may block or ignore signals, which its workers inherit. The limit of processor time and the pool need these.
        let needed: SigSet = [SIGXCPU, SIGTERM, SIGCONT, SIGHUP].into_iter().collect();
        needed.thread_unblock()?;
        if settings.cpu_time.is_some() {
            flag::register_conditional_default(SIGXCPU as i32, Arc::new(AtomicBool::new(true)))?;
        }
        let pipe = |signal: Signal| {
            let (reader, writer) = UnixStream::pair()?;
            reader.set_nonblocking(true)?;
            low_level::pipe::register(signal.as_raw(), writer)?;
            Ok::<UnixStream, io::Error>(reader)
        };
        Ok(Signals { parent_death: pipe(PARENT_DEATH)?, hangup: pipe(Signal::HUP)? })
    }

    /// Returns whether SIGHUP has come.
    fn has_hangup(&self) -> bool {
        matches!((&self.hangup).read(&mut [0; 16]), Ok(read) if read > 0)
    }

    /// Ends this process if the parent is gone.
    fn check_parent(&self, settings: &WorkerSettings) {
        let mut bytes = [0; 16];
        while matches!((&self.parent_death).read(&mut bytes), Ok(read) if read > 0) {}
        if parent() != Some(settings.parent) {
            end_with_group(settings);
        }
    }
}

impl WorkerShared {
    /// Waits for a frame, and returns whether one has arrived before the time is over. Ends this process if the pool is gone.
    fn wait(&self, signals: &Signals, limit: Option<Duration>) -> io::Result<bool> {
        let limit = limit.map(|limit| Timespec { tv_sec: 0, tv_nsec: limit.subsec_nanos().into() });
        let mut hot_calls = self.hot_calls.load(Ordering::SeqCst);
        loop {
            let is_hot = self.is_hot.load(Ordering::SeqCst);
            self.is_awaited.store(!is_hot, Ordering::SeqCst);
            // If another thread has the lock, it is reading.
            if !is_hot && self.incoming.try_lock().is_ok_and(|incoming| incoming.has_frame()) {
                return Ok(true);
            }
            let mut fds = [
                PollFd::new(&signals.parent_death, PollFlags::IN),
                PollFd::new(&signals.hangup, PollFlags::IN),
                PollFd::new(&self.socket, PollFlags::IN),
            ];
            let n_fds = if is_hot { 2 } else { 3 };
            match poll(&mut fds[..n_fds], if is_hot { Some(&LOOK) } else { limit.as_ref() }) {
                Err(Errno::INTR) => continue,
                // If the last call takes long, or none has followed it, this thread waits for frames: one may ask the call to shut down.
                Ok(0) if is_hot => {
                    let before = std::mem::replace(&mut hot_calls, self.hot_calls.load(Ordering::SeqCst));
                    if before == hot_calls {
                        self.is_hot.store(false, Ordering::SeqCst);
                    }
                    continue;
                }
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(_) => return Ok(self.wait_by_trying(signals, limit.as_ref())),
            }
            if !fds[0].revents().is_empty() || !fds[1].revents().is_empty() {
                signals.check_parent(&self.settings);
            }
            if !fds[1].revents().is_empty() && signals.has_hangup() {
                end_by_hangup();
            }
            if !fds[2].revents().is_empty() {
                return Ok(true);
            }
        }
    }

    /// Replaces `wait` if the system refuses to poll, because a function has lowered the limit of open files below the number of descriptors.
    fn wait_by_trying(&self, signals: &Signals, limit: Option<&Timespec>) -> bool {
        let mut left = limit.map(|limit| limit.tv_nsec / PAUSE.tv_nsec);
        loop {
            signals.check_parent(&self.settings);
            if signals.has_hangup() {
                end_by_hangup();
            }
            let peeked = recv(&self.socket, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT);
            if !matches!(peeked, Err(Errno::AGAIN | Errno::INTR)) {
                return true;
            }
            if left == Some(0) {
                return false;
            }
            let _ = poll(&mut [], Some(&PAUSE));
            left = left.map(|left| left - 1);
        }
    }

    /// Returns the process of this call, if it runs.
    fn running_process(&self, number: u64) -> Option<Pid> {
        let call = *self.call.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, pid) = call?;
        (number == last && self.running.load(Ordering::SeqCst) == number).then_some(pid)
    }

    /// Reads frames until one of them needs an action. If that frame is a call, starts the call.
    fn receive(&self, flags: RecvFlags, mut cpu_timer: Option<&mut CpuTimer>) -> io::Result<Next> {
        let mut incoming = self.incoming.lock().unwrap_or_else(PoisonError::into_inner);
        let runs_none = self.running.load(Ordering::SeqCst) == NO_CALL;
        // Meanwhile the serving thread has taken a call, and the process of that call needs this thread to run.
        if !runs_none && !flags.contains(RecvFlags::DONTWAIT) {
            return Ok(Next::Nothing);
        }
        // The remaining time of the previous call must not end this call while its argument is read.
        if let Some(timer) = cpu_timer.as_mut().filter(|_| runs_none) {
            timer.restart()?;
        }
        loop {
            let frame = match incoming.receive(&self.socket, flags)? {
                Received::Frame(frame) => frame,
                Received::Blocked => return Ok(Next::Nothing),
                Received::Closed => return Ok(Next::End),
            };
            match frame.kind {
                Kind::Call => {
                    if let Some(timer) = &mut cpu_timer {
                        timer.restart()?;
                    }
                    if let Some(call) = self.start(frame)? {
                        return Ok(Next::Call(call));
                    }
                }
                Kind::Stop => return Ok(Next::Stop(frame.call)),
                // Runs the destructors of C libraries, as the end of any program does. The pool kills what this worker has started.
                Kind::Retire => process::exit(0),
                Kind::Ready | Kind::Done | Kind::Stuck => {}
            }
        }
    }

    /// Returns an error if a function has closed the socket. Its descriptor may by now belong to another file or socket, whose bytes do not come
    /// from the pool.
    fn check_socket(&self) -> io::Result<()> {
        if fstat(&self.socket)?.st_ino == self.settings.socket { Ok(()) } else { Err(Errno::NOTSOCK.into()) }
    }

    fn send(&self, mut frame: Outgoing) -> io::Result<()> {
        self.check_socket()?;
        let _sending: MutexGuard<'_, ()> = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        frame.send(&self.socket, SendFlags::empty()).map(drop)
    }

    /// Starts a call. `None` if the function is not served: then the call was answered with that error.
    fn start(&self, frame: Frame) -> io::Result<Option<Started>> {
        let number = frame.call;
        let Some((preface, input)) = frame.into_call() else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the frame of a call is malformed"));
        };
        let runner: Runner = match self.functions.find(&preface.name, preface.fingerprint) {
            Ok(runner) => runner,
            Err(unserved) => {
                self.send(Outgoing::new(Kind::Done, number, Outcome::unserved(unserved).encode()))?;
                return Ok(None);
            }
        };
        self.running.store(number, Ordering::SeqCst);
        let task = runner.start_with(input, preface.carried);
        *self.call.lock().unwrap_or_else(PoisonError::into_inner) = Some((number, task.pid()));
        Ok(Some(Started { number, task }))
    }

    /// Answers a call, and those that follow it soon.
    fn answer_calls(self: &Arc<WorkerShared>, call: Started) {
        let worker = self.clone();
        Task::start(async move {
            let mut call = call;
            loop {
                let answered = worker.answer(call).await;
                call = match answered.and_then(|()| worker.wait_for_call()) {
                    Ok(Some(next)) => next,
                    Ok(None) => return,
                    Err(error) => worker.end_unreachable(&error),
                };
            }
        });
    }

    async fn answer(self: &Arc<WorkerShared>, call: Started) -> io::Result<()> {
        let Started { number, task } = call;
        let result = task.timeout(Timeout::Infinity).await;
        self.end_if_forked();
        let outcome = self.encode(result);
        self.flush_output().await;
        self.running.store(NO_CALL, Ordering::SeqCst);
        self.send(Outgoing::new(Kind::Done, number, outcome))
    }

    /// Returns whether a process may block the only worker of the runtime while it waits for calls. It may not while other processes, which a call
    /// has left behind, need that worker.
    fn may_wait(&self) -> bool {
        // Only the serving thread has the timer of the processor time, which each call starts again. So that thread reads all calls.
        if self.settings.cpu_time.is_some() {
            return false;
        }
        let n_answered = self.n_answered.fetch_add(1, Ordering::SeqCst);
        let was_alone = self.is_alone.load(Ordering::SeqCst);
        if n_answered.is_multiple_of(CALLS_BETWEEN) || was_alone && !self.is_hot.load(Ordering::SeqCst) {
            let alive = inspector().totals().alive;
            // 1 is this process. If the serving thread has taken the next call, the process of that call and the one that answers it are added.
            let own = if self.running.load(Ordering::SeqCst) == NO_CALL { 1 } else { 3 };
            self.is_alone.store(alive <= own, Ordering::SeqCst);
        }
        self.is_alone.load(Ordering::SeqCst)
    }

    /// Waits for the next call on this thread, so that no other thread has to be woken for it. `None` if none has come soon: the serving thread
    /// waits for it then.
    fn wait_for_call(&self) -> io::Result<Option<Started>> {
        if !self.may_wait() {
            return Ok(None);
        }
        if self.running.load(Ordering::SeqCst) != NO_CALL {
            // The serving thread has taken the next call already. `is_hot` stops it from reading more calls: the process that answers that call
            // reads them.
            self.is_hot.store(true, Ordering::SeqCst);
            return Ok(None);
        }
        self.is_hot.store(true, Ordering::SeqCst);
        loop {
            match self.receive(RecvFlags::empty(), None)? {
                Next::Call(call) => {
                    self.hot_calls.fetch_add(1, Ordering::SeqCst);
                    let has_frame = self.incoming.lock().unwrap_or_else(PoisonError::into_inner).has_frame();
                    self.is_hot.store(!has_frame, Ordering::SeqCst);
                    if has_frame {
                        // A request to shut down the call has come with the call. Only the serving thread handles it: this wakes that thread.
                        let _ = kill_process(getpid(), PARENT_DEATH);
                    }
                    return Ok(Some(call));
                }
                // The request is for a call that has ended.
                Next::Stop(_) => {}
                Next::Nothing => {
                    let is_hot = self.is_hot.load(Ordering::SeqCst) && !self.is_awaited.load(Ordering::SeqCst);
                    if !is_hot || self.running.load(Ordering::SeqCst) != NO_CALL {
                        self.is_hot.store(false, Ordering::SeqCst);
                        return Ok(None);
                    }
                }
                Next::End => end_with_group(&self.settings),
            }
        }
    }

    /// Ends this process, whose socket cannot be used any more.
    fn end_unreachable(&self, error: &io::Error) -> ! {
        if has_no_socket(error) {
            // Wakes the serving thread, whose wait for frames keeps the closed socket open.
            let _ = kill_process(getpid(), PARENT_DEATH);
            wait_for_kill(&self.settings);
        }
        if error.kind() == io::ErrorKind::InvalidData {
            fail(error);
        }
        end_with_group(&self.settings)
    }

    /// Ends this process if it is not the worker, but a fork: the function has forked the worker and has returned in both processes. Only the worker
    /// answers the call.
    fn end_if_forked(&self) {
        if getpid() != self.os_pid {
            let _ = kill_process(getpid(), Signal::KILL);
        }
    }

    /// Writes what the call has printed to standard output, also a line without a break: it belongs to the call. Waits for at most
    /// [`FLUSH_LIMIT`], because a thread of the function may hold the lock of standard output forever.
    async fn flush_output(self: &Arc<WorkerShared>) {
        // A flush that still waits for the lock writes what this one would.
        if self.is_flushing.swap(true, Ordering::SeqCst) {
            return;
        }
        let (flushed, wait) = oneshot::channel();
        let worker = self.clone();
        Task::start(async move {
            // An error means that nothing reads it.
            let _ = io::stdout().flush();
            worker.is_flushing.store(false, Ordering::SeqCst);
            let _ = flushed.send(());
        });
        // Usually, the flush runs here, so that no timer is set: a timer would wake another thread.
        tokio::task::yield_now().await;
        let _ = tokio::time::timeout(FLUSH_LIMIT, wait).await;
    }

    /// Returns the outcome of a call. A result or an exit that is too large becomes an error that says so.
    fn encode(&self, result: Result<Vec<u8>, Exit>) -> Vec<u8> {
        let too_large = |error: TooLarge, what| Exit::from(error.sentence_about(what));
        let result = result.and_then(|bytes| match check_length(bytes.len(), self.settings.max_payload) {
            Ok(()) => Ok(bytes),
            Err(error) => Err(too_large(error, "result")),
        });
        let outcome = Outcome::from_result(result).encode();
        match check_length(outcome.len(), self.settings.max_payload.saturating_add(MAX_EXTRA)) {
            Ok(()) => outcome,
            Err(error) => Outcome::from_result(Err(too_large(error, "error of the call"))).encode(),
        }
    }
}

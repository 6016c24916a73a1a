//! The loop of the serving thread of a worker.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cordial::process::{ProcessState, info};
use cordial::{Exit, Pid, Runtime, Task, Timeout};
use nix::sys::signal::{SIGCONT, SIGHUP, SIGTERM, SIGXCPU, SigSet};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
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

/// How long a worker without a socket waits until its pool has found that and kills it.
const UNTIL_KILLED: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// The number of no call.
const NO_CALL: u64 = 0;

/// What the serving thread and the processes of a worker share.
struct WorkerShared {
    /// The worker. A process that is forked from it has a copy of this.
    os_pid: OsPid,
    socket: OwnedFd,
    settings: WorkerSettings,
    /// Held while a frame is sent, so that frames do not mix.
    sending: Mutex<()>,
    /// The number of the call that runs, or [`NO_CALL`].
    running: AtomicU64,
    /// Whether a process of this worker is flushing the buffer of standard output.
    is_flushing: AtomicBool,
}

/// Serves calls until the pool is gone or needs the worker no longer.
pub(super) fn serve(functions: &Functions, settings: &WorkerSettings, socket: OwnedFd) -> ! {
    if tokio::runtime::Handle::try_current().is_err() {
        serve_here(functions, settings, socket);
    }
    // `init` was called within `#[tokio::main]`, or `test_main` within `#[tokio::test]`. This thread never returns to that runtime, which
    // may have no other one to drive it. So what serves must not belong to it.
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
        // This thread has held the last reference to the socket. The pool sees its end, kills this process, and reports that reason.
        Err(error) if has_no_socket(&error) => {
            let _ = poll(&mut [], Some(&UNTIL_KILLED));
            end_with_group(settings)
        }
        Err(error) => fail(error),
    }
}

/// Returns whether a function has closed the descriptor of the socket. It may be that of another file by now.
fn has_no_socket(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::BADF | Errno::NOTSOCK))
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
    // A function may have moved this process to the group of others, which are not to be killed.
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
    // One worker, because a process runs one call at a time. If the call blocks that worker while other tasks wait, the scheduler starts a
    // stand-in. If the runtime does not start, the process ends with its error.
    match Runtime::builder().workers(1).check_threads(false).install() {
        Ok(()) | Err(cordial::BuildError::AlreadyInUse) => {}
        Err(error) => return Err(io::Error::other(error)),
    }
    // Starts the threads before the memory limit is set, because the limit does not include what the worker has then.
    Task::spawn(async {}).wait().map_err(io::Error::other)?;
    let mut cpu_timer = settings.cpu_time.map(CpuTimer::new).transpose()?;
    let max_payload = settings.max_payload;
    let worker = WorkerShared {
        os_pid: getpid(),
        socket,
        settings: settings.clone(),
        sending: Mutex::new(()),
        running: AtomicU64::new(NO_CALL),
        is_flushing: AtomicBool::new(false),
    };
    let worker = Arc::new(worker);
    let mut incoming = Incoming::new(max_payload);
    if let Some(bytes) = settings.memory {
        limit_memory(bytes)?;
    }
    worker.send(Outgoing::new(Kind::Ready, 0, Vec::new()))?;
    let mut call: Option<(u64, Pid)> = None;
    let mut asked_to_stop = false;
    loop {
        if !worker.wait(&signals, asked_to_stop.then_some(UNTIL_STUCK))? {
            asked_to_stop = false;
            if let Some((number, pid)) = call
                && worker.is_running(number)
                && info(pid).is_some_and(|process| process.state != ProcessState::ShutdownRequested)
            {
                worker.send(Outgoing::new(Kind::Stuck, number, Vec::new()))?;
            }
            continue;
        }
        // What the previous call has left of its time must not end this one while its argument is read.
        if let Some(timer) = cpu_timer.as_mut().filter(|_| worker.is_running(NO_CALL)) {
            timer.restart()?;
        }
        loop {
            let frame = match incoming.receive(&worker.socket, RecvFlags::DONTWAIT)? {
                Received::Frame(frame) => frame,
                Received::Blocked => break,
                Received::Closed => return Ok(()),
            };
            match frame.kind {
                Kind::Call => {
                    asked_to_stop = false;
                    if let Some(timer) = &mut cpu_timer {
                        timer.restart()?;
                    }
                    call = worker.start(functions, frame)?;
                }
                Kind::Stop => {
                    if let Some((number, pid)) = call.filter(|(number, _)| *number == frame.call)
                        && worker.is_running(number)
                    {
                        cordial::process::exit(pid, Exit::Shutdown(None));
                        asked_to_stop = true;
                    }
                }
                // Runs the destructors of C libraries, as the end of any program does. The pool kills what this worker has started.
                Kind::Retire => process::exit(0),
                Kind::Ready | Kind::Done | Kind::Stuck => {}
            }
        }
    }
}

/// The signals that may mean that the pool is gone.
struct Signals {
    /// The parent-death signal. Other processes may send the same signal, so the parent is checked.
    parent_death: UnixStream,
    /// The kernel sends it to a stopped process whose parent has ended. Without a handler, it would end this process, but not
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
        loop {
            let mut fds = [
                PollFd::new(&self.socket, PollFlags::IN),
                PollFd::new(&signals.parent_death, PollFlags::IN),
                PollFd::new(&signals.hangup, PollFlags::IN),
            ];
            match poll(&mut fds, limit.as_ref()) {
                Err(Errno::INTR) => continue,
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(_) => return Ok(self.wait_by_trying(signals, limit.as_ref())),
            }
            if !fds[1].revents().is_empty() || !fds[2].revents().is_empty() {
                signals.check_parent(&self.settings);
            }
            if !fds[2].revents().is_empty() && signals.has_hangup() {
                end_by_hangup();
            }
            if !fds[0].revents().is_empty() {
                return Ok(true);
            }
        }
    }

    /// Does what `wait` does where the system refuses it, because a function has lowered the limit of open files below the number of descriptors.
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

    fn is_running(&self, call: u64) -> bool {
        self.running.load(Ordering::SeqCst) == call
    }

    fn send(&self, mut frame: Outgoing) -> io::Result<()> {
        let _sending: MutexGuard<'_, ()> = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        frame.send(&self.socket, SendFlags::empty()).map(drop)
    }

    /// Starts a call, and returns its number and its process. `None` if the function is not served: the call is answered then.
    fn start(self: &Arc<WorkerShared>, functions: &Functions, frame: Frame) -> io::Result<Option<(u64, Pid)>> {
        let number = frame.call;
        let Some((preface, input)) = frame.into_call() else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the frame of a call is malformed"));
        };
        let runner: Runner = match functions.find(&preface.name, preface.fingerprint) {
            Ok(runner) => runner,
            Err(unserved) => {
                self.send(Outgoing::new(Kind::Done, number, Outcome::unserved(unserved).encode()))?;
                return Ok(None);
            }
        };
        self.running.store(number, Ordering::SeqCst);
        let call = runner.start_with(input, preface.carried);
        let pid = call.pid();
        let worker = self.clone();
        Task::start(async move {
            let result = call.timeout(Timeout::Infinity).await;
            worker.end_if_forked();
            let outcome = worker.encode(result);
            worker.flush_output().await;
            worker.running.store(NO_CALL, Ordering::SeqCst);
            if let Err(error) = worker.send(Outgoing::new(Kind::Done, number, outcome)) {
                if has_no_socket(&error) {
                    // Wakes the serving thread, whose wait for frames keeps the closed socket open.
                    let _ = kill_process(getpid(), PARENT_DEATH);
                    let _ = poll(&mut [], Some(&UNTIL_KILLED));
                }
                end_with_group(&worker.settings);
            }
        });
        Ok(Some((number, pid)))
    }

    /// Ends a process that the function has forked, and in which it has returned as well: the call is that of the worker.
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

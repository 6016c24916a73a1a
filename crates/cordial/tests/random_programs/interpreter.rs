//! The interpreter: a process that executes its script and logs what happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cordial::process::{self, Exits};
use cordial::{Exit, Pid, Shutdown, Task, Timeout};
use futures::{FutureExt, StreamExt};
use tokio::sync::mpsc;

use crate::event::{AwaitedBy, Call, Event};
use crate::harness::{Harness, LoggedFuture, LoggedHandle, Value};
use crate::program::{How, Limit, Linkage, Name, OnFailure, Op, Reason};

/// The state of one process of a program.
struct Interpreter {
    harness: Arc<Harness>,
    name: Name,
    /// The handles that this process owns, the latest last.
    handles: Vec<LoggedHandle>,
    inbox: mpsc::UnboundedReceiver<LoggedHandle>,
    exits: Option<Exits>,
    /// The last exit that this process received from a monitor, a trap or a handle.
    last_received: Option<Exit>,
    panics_in_drop: Arc<AtomicBool>,
}

/// Spawns a process with a handle.
pub(crate) fn spawn(harness: &Arc<Harness>, name: Name, linkage: Linkage) -> LoggedHandle {
    let (interpreter, inbox) = Interpreter::new(harness, name);
    let (own_harness, panics) = (harness.clone(), interpreter.panics_in_drop.clone());
    let future = async move {
        match interpreter.act().await {
            Ok(value) => value,
            Err(exit) => end(&own_harness, name, exit).await,
        }
    };
    let future = LoggedFuture::new(harness, name, &panics, future);
    let task = match linkage {
        Linkage::Unlinked => Task::spawn(future),
        Linkage::Linked => Task::spawn_link(future),
    };
    harness.write(Event::Spawned { who: name, by: harness.own_name(), linkage, has_handle: true });
    harness.register(name, task.pid(), inbox);
    LoggedHandle::new(harness, name, task)
}

/// Starts a process without a handle.
pub(crate) fn start(harness: &Arc<Harness>, name: Name, linkage: Linkage) {
    let (interpreter, inbox) = Interpreter::new(harness, name);
    let (own_harness, panics) = (harness.clone(), interpreter.panics_in_drop.clone());
    let future = async move {
        interpreter.act().await.map(drop).inspect_err(|exit| {
            own_harness.write(Event::Failing(name, own_harness.cause(exit)));
        })
    };
    let future = LoggedFuture::new(harness, name, &panics, future);
    let pid = match linkage {
        Linkage::Unlinked => Task::start(future),
        Linkage::Linked => Task::start_link(future),
    };
    harness.write(Event::Spawned { who: name, by: harness.own_name(), linkage, has_handle: false });
    harness.register(name, pid, inbox);
}

async fn end(harness: &Harness, name: Name, exit: Exit) -> ! {
    harness.write(Event::Exiting(name, harness.cause(&exit)));
    cordial::exit(exit).await
}

impl Interpreter {
    fn new(harness: &Arc<Harness>, name: Name) -> (Interpreter, mpsc::UnboundedSender<LoggedHandle>) {
        let (sender, inbox) = mpsc::unbounded_channel();
        let harness = harness.clone();
        (
            Interpreter {
                harness,
                name,
                handles: Vec::new(),
                inbox,
                exits: None,
                last_received: None,
                panics_in_drop: Arc::default(),
            },
            sender,
        )
    }

    async fn act(mut self) -> Result<Value, Exit> {
        let harness = self.harness.clone();
        for (at, &op) in harness.program.script(self.name).iter().enumerate() {
            while let Ok(handle) = self.inbox.try_recv() {
                self.handles.push(handle);
            }
            let cannot_act = op.needs_handle() && self.handles.is_empty() || op.needs_trap() && self.exits.is_none();
            if cannot_act {
                continue;
            }
            self.write(Event::Step(self.name, op));
            self.harness.changed.notify_one();
            self.perform(op, at).await?;
        }
        Ok(Value::new(&self.harness, self.name))
    }

    fn write(&self, event: Event) {
        self.harness.write(event);
    }

    async fn perform(&mut self, op: Op, at: usize) -> Result<(), Exit> {
        let own = self.name;
        match op {
            Op::Spawn(child, linkage) => self.handles.push(spawn(&self.harness, child, linkage)),
            Op::Start(child, linkage) => start(&self.harness, child, linkage),
            Op::Link(name) => {
                process::link(self.harness.pid(name));
                self.write(Event::Linked(own, name));
            }
            Op::Unlink(name) => {
                process::unlink(self.harness.pid(name));
                self.write(Event::Unlinked(own, name));
            }
            Op::Monitor(name) => self.harness.monitor(name, AwaitedBy::Runner),
            Op::AwaitEnd(name, ms) => self.await_end(name, ms).await,
            Op::Send(to, reason) => {
                let exit = self.exit(reason, at);
                self.write(Event::Sent { by: own, to, cause: self.harness.cause(&exit) });
                process::exit(self.harness.pid(to), exit);
            }
            Op::Exit(reason) => end(&self.harness, own, self.exit(reason, at)).await,
            Op::Panic => {
                let message = format!("planned panic of {own}");
                self.write(Event::Panicked(own, message.clone()));
                panic!("{message}");
            }
            Op::PanicInDrop => self.panics_in_drop.store(true, Ordering::Relaxed),
            Op::YieldNow => tokio::task::yield_now().await,
            Op::Sleep(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
            Op::SetLabel => {
                let label = format!("process {own}, step {at}");
                process::set_label(label.as_str());
                let info = process::current().and_then(process::info).expect("the calling process is running");
                assert_eq!(info.label.as_deref(), Some(&*label), "a label is visible as soon as it is set");
            }
            Op::TrapExits | Op::StopTrapping | Op::AwaitExit(_) | Op::TakeExits => self.trap(op).await,
            Op::PollRequest | Op::AwaitRequest(_) | Op::Serve => self.poll_request(op).await,
            Op::Return => {}
            Op::Fail => return Err(self.exit(Reason::Error, at)),
            Op::Hang => std::future::pending().await,
            Op::Await { .. }
            | Op::YieldFor { .. }
            | Op::Drop { .. }
            | Op::Ignore { .. }
            | Op::Shutdown { .. }
            | Op::Give { .. } => return self.use_handle(op).await,
        }
        Ok(())
    }

    fn exit(&self, reason: Reason, at: usize) -> Exit {
        let text = format!("reason {at} of {}", self.name);
        match reason {
            Reason::Normal => Exit::Normal,
            Reason::Shutdown => Exit::Shutdown(None),
            Reason::ShutdownBecause => Exit::Shutdown(Some(text.into())),
            Reason::Killed => Exit::Killed,
            Reason::Error => Exit::from(std::io::Error::other(text)),
            Reason::LastReceived => self.last_received.clone().unwrap_or(Exit::NoProcess),
        }
    }

    async fn await_end(&mut self, of: Name, ms: u64) {
        let monitor = process::monitor(self.harness.pid(of));
        let number = self.harness.write(Event::MonitorCreated { of, awaited_by: AwaitedBy::Process });
        let answer = tokio::time::timeout(Duration::from_millis(ms), monitor).await;
        self.write(match &answer {
            Ok(exit) => Event::Down { number, cause: self.harness.cause(exit) },
            Err(_) => Event::MonitorDropped { number },
        });
        self.last_received = answer.ok().or(self.last_received.take());
    }

    async fn trap(&mut self, op: Op) {
        let own = self.name;
        if op == Op::TrapExits && self.exits.is_none() {
            self.exits = Some(process::trap_exits());
            return self.write(Event::Trapping(own));
        }
        let Some(exits) = &mut self.exits else { return };
        match op {
            Op::StopTrapping => {
                self.exits = None;
                self.write(Event::NotTrapping(own));
            }
            Op::AwaitExit(ms) => {
                let next = tokio::time::timeout(Duration::from_millis(ms), exits.next()).await;
                self.trapped(next.ok().map(|next| next.expect(ENDLESS)));
            }
            Op::TakeExits => {
                while let Some(next) = self.exits.as_mut().and_then(|exits| exits.next().now_or_never()) {
                    self.trapped(Some(next.expect(ENDLESS)));
                }
                self.trapped(None);
            }
            _ => {}
        }
    }

    fn trapped(&mut self, next: Option<(Pid, Exit)>) {
        let who = self.name;
        let Some((pid, exit)) = next else { return self.write(Event::NothingTrapped(who)) };
        self.write(Event::Trapped { who, from: self.harness.name_of(pid), cause: self.harness.cause(&exit) });
        self.last_received = Some(exit);
    }

    async fn poll_request(&self, op: Op) {
        let who = self.name;
        self.write(Event::OptedIn(who));
        let is_requested = match op {
            Op::AwaitRequest(ms) => {
                tokio::time::timeout(Duration::from_millis(ms), cordial::shutdown_requested()).await.is_ok()
            }
            Op::Serve => {
                cordial::shutdown_requested().await;
                true
            }
            _ => cordial::shutdown_requested().now_or_never().is_some(),
        };
        assert_eq!(
            cordial::is_shutdown_requested(),
            is_requested,
            "`is_shutdown_requested` and `shutdown_requested` disagree"
        );
        self.write(Event::RequestPolled { who, is_requested });
    }

    /// Executes an operation on one of the handles.
    async fn use_handle(&mut self, op: Op) -> Result<(), Exit> {
        let (Op::Await { handle, .. }
        | Op::YieldFor { handle, .. }
        | Op::Drop { handle }
        | Op::Ignore { handle }
        | Op::Shutdown { handle, .. }
        | Op::Give { handle, .. }) = op
        else {
            return Ok(());
        };
        let idx = handle % self.handles.len();
        let (of, was_taken) = (self.handles[idx].of, self.handles[idx].was_taken);
        match op {
            Op::Await { limit, on_failure, .. } => {
                let held = &mut self.handles[idx];
                held.set_limit(match limit {
                    Limit::Ms(ms) => Timeout::After(Duration::from_millis(ms)),
                    Limit::Default => Timeout::default(),
                    Limit::None => Timeout::Infinity,
                });
                self.harness.write(Event::Waiting { who: self.name, of });
                let answer = held.task().await;
                held.was_taken = true;
                self.log_result(of, Call::Await, was_taken, Some(&answer));
                if on_failure == OnFailure::ExitToo {
                    return answer.map(drop);
                }
            }
            Op::YieldFor { ms, .. } => {
                let held = &mut self.handles[idx];
                let answer = held.task().yield_for(Duration::from_millis(ms)).await;
                held.was_taken |= answer.is_some();
                self.log_result(of, Call::YieldFor, was_taken, answer.as_ref());
            }
            Op::Shutdown { how, .. } => {
                let mut held = self.handles.remove(idx);
                if !was_taken {
                    self.write(Event::ShutdownCalled { of, by: self.name, how });
                }
                let shutdown = match how {
                    How::Grace(ms) => Shutdown::After(Duration::from_millis(ms)),
                    How::BrutalKill => Shutdown::BrutalKill,
                    How::Infinity => Shutdown::Infinity,
                };
                self.harness.write(Event::Waiting { who: self.name, of });
                let answer = held.take_handle().shutdown(shutdown).await;
                held.settled();
                self.log_result(of, Call::Shutdown(how), was_taken, answer.as_ref());
            }
            Op::Ignore { .. } => {
                let mut held = self.handles.remove(idx);
                let answer = held.take_handle().ignore();
                held.settled();
                self.log_result(of, Call::Ignore, was_taken, answer.as_ref());
            }
            Op::Give { to, .. } => self.harness.give(self.handles.remove(idx), to),
            _ => drop(self.handles.remove(idx)),
        }
        Ok(())
    }

    fn log_result(&mut self, of: Name, call: Call, was_taken: bool, answer: Option<&Result<Value, Exit>>) {
        let cause = answer.map(|answer| match answer {
            Ok(_) => Ok(()),
            Err(exit) => Err(self.harness.cause(exit)),
        });
        self.write(Event::CallReturned { of, by: self.name, call, was_taken, answer: cause });
        if let Some(Err(exit)) = answer {
            self.last_received = Some(exit.clone());
        }
    }
}

const ENDLESS: &str = "the stream does not end while its process lives";

//! The interpreter: a process that does what its script says, and writes down what comes of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cordial::process::{self, Exits};
use cordial::{Exit, Pid, Shutdown, Task, Timeout};
use futures::{FutureExt, StreamExt};
use tokio::sync::mpsc;

use crate::event::{Call, Event, Keeper};
use crate::program::{How, Limit, Name, OnFailure, Op, Reason, Tie};
use crate::world::{Held, Probed, Value, World};

/// One process of a program.
struct Actor {
    world: Arc<World>,
    name: Name,
    /// The handles that it holds, the latest last.
    handles: Vec<Held>,
    inbox: mpsc::UnboundedReceiver<Held>,
    exits: Option<Exits>,
    /// The last exit that it was told of.
    seen: Option<Exit>,
    panics_in_drop: Arc<AtomicBool>,
}

/// Starts a process that others own.
pub(crate) fn spawn(world: &Arc<World>, name: Name, tie: Tie) -> Held {
    let (actor, inbox) = Actor::new(world, name);
    let (own_world, panics) = (world.clone(), actor.panics_in_drop.clone());
    let body = async move {
        match actor.act().await {
            Ok(value) => value,
            Err(exit) => end(&own_world, name, exit).await,
        }
    };
    let body = Probed::new(world, name, &panics, body);
    let task = match tie {
        Tie::Free => Task::spawn(body),
        Tie::Linked => Task::spawn_link(body),
    };
    world.write(Event::Born { who: name, by: world.own_name(), tie, has_handle: true });
    world.enter(name, task.pid(), inbox);
    Held::new(world, name, task)
}

/// Starts a process that nobody owns.
pub(crate) fn start(world: &Arc<World>, name: Name, tie: Tie) {
    let (actor, inbox) = Actor::new(world, name);
    let (own_world, panics) = (world.clone(), actor.panics_in_drop.clone());
    let body = async move {
        actor.act().await.map(drop).inspect_err(|exit| {
            own_world.write(Event::Failing(name, own_world.cause(exit)));
        })
    };
    let body = Probed::new(world, name, &panics, body);
    let pid = match tie {
        Tie::Free => Task::start(body),
        Tie::Linked => Task::start_link(body),
    };
    world.write(Event::Born { who: name, by: world.own_name(), tie, has_handle: false });
    world.enter(name, pid, inbox);
}

async fn end(world: &World, name: Name, exit: Exit) -> ! {
    world.write(Event::Exiting(name, world.cause(&exit)));
    cordial::exit(exit).await
}

impl Actor {
    fn new(world: &Arc<World>, name: Name) -> (Actor, mpsc::UnboundedSender<Held>) {
        let (sender, inbox) = mpsc::unbounded_channel();
        let world = world.clone();
        (
            Actor { world, name, handles: Vec::new(), inbox, exits: None, seen: None, panics_in_drop: Arc::default() },
            sender,
        )
    }

    async fn act(mut self) -> Result<Value, Exit> {
        let world = self.world.clone();
        for (at, &op) in world.program.script(self.name).iter().enumerate() {
            while let Ok(given) = self.inbox.try_recv() {
                self.handles.push(given);
            }
            let is_idle = op.needs_handle() && self.handles.is_empty() || op.needs_trap() && self.exits.is_none();
            if is_idle {
                continue;
            }
            self.write(Event::Did(self.name, op));
            self.world.changed.notify_one();
            self.perform(op, at).await?;
        }
        Ok(Value::new(&self.world, self.name))
    }

    fn write(&self, event: Event) {
        self.world.write(event);
    }

    async fn perform(&mut self, op: Op, at: usize) -> Result<(), Exit> {
        let own = self.name;
        match op {
            Op::Spawn(child, tie) => self.handles.push(spawn(&self.world, child, tie)),
            Op::Start(child, tie) => start(&self.world, child, tie),
            Op::Link(name) => {
                process::link(self.world.pid(name));
                self.write(Event::Linked(own, name));
            }
            Op::Unlink(name) => {
                process::unlink(self.world.pid(name));
                self.write(Event::Unlinked(own, name));
            }
            Op::Monitor(name) => self.world.watch(name, Keeper::Stage),
            Op::AwaitEnd(name, ms) => self.await_end(name, ms).await,
            Op::Send(to, reason) => {
                let exit = self.exit(reason, at);
                self.write(Event::Sent { by: own, to, cause: self.world.cause(&exit) });
                process::exit(self.world.pid(to), exit);
            }
            Op::Exit(reason) => end(&self.world, own, self.exit(reason, at)).await,
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
                let info = process::current().and_then(process::info).expect("it runs");
                assert_eq!(info.label.as_deref(), Some(&*label), "a label is there as soon as it is set");
            }
            Op::TrapExits | Op::StopTrapping | Op::AwaitExit(_) | Op::TakeExits => self.trap(op).await,
            Op::AskToBeTold | Op::AwaitRequest(_) | Op::Serve => self.listen(op).await,
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
            Reason::Seen => self.seen.clone().unwrap_or(Exit::NoProcess),
        }
    }

    async fn await_end(&mut self, of: Name, ms: u64) {
        let monitor = process::monitor(self.world.pid(of));
        let watch = self.world.write(Event::Watched { of, keeper: Keeper::Maker });
        let answer = tokio::time::timeout(Duration::from_millis(ms), monitor).await;
        self.write(match &answer {
            Ok(exit) => Event::Down { watch, cause: self.world.cause(exit) },
            Err(_) => Event::NotDown { watch },
        });
        self.seen = answer.ok().or(self.seen.take());
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
        let Some((pid, exit)) = next else { return self.write(Event::AllTrapped(who)) };
        self.write(Event::Trapped { who, from: self.world.name_of(pid), cause: self.world.cause(&exit) });
        self.seen = Some(exit);
    }

    async fn listen(&self, op: Op) {
        let who = self.name;
        self.write(Event::WantsNotice(who));
        let is_asked = match op {
            Op::AwaitRequest(ms) => {
                tokio::time::timeout(Duration::from_millis(ms), cordial::shutdown_requested()).await.is_ok()
            }
            Op::Serve => {
                cordial::shutdown_requested().await;
                true
            }
            _ => cordial::shutdown_requested().now_or_never().is_some(),
        };
        assert_eq!(cordial::is_shutdown_requested(), is_asked, "both tell the same");
        self.write(Event::Noticed { who, is_asked });
    }

    /// What the script says about one of the handles, if there is any.
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
                self.world.write(Event::Waiting { who: self.name, of });
                let answer = held.task().await;
                held.was_taken = true;
                self.answered(of, Call::Await, was_taken, Some(&answer));
                if on_failure == OnFailure::EndToo {
                    return answer.map(drop);
                }
            }
            Op::YieldFor { ms, .. } => {
                let held = &mut self.handles[idx];
                let answer = held.task().yield_for(Duration::from_millis(ms)).await;
                held.was_taken |= answer.is_some();
                self.answered(of, Call::YieldFor, was_taken, answer.as_ref());
            }
            Op::Shutdown { how, .. } => {
                let mut held = self.handles.remove(idx);
                if !was_taken {
                    self.write(Event::Stopping { of, by: self.name, how });
                }
                let shutdown = match how {
                    How::Grace(ms) => Shutdown::After(Duration::from_millis(ms)),
                    How::BrutalKill => Shutdown::BrutalKill,
                    How::Infinity => Shutdown::Infinity,
                };
                self.world.write(Event::Waiting { who: self.name, of });
                let answer = held.move_out().shutdown(shutdown).await;
                held.settled();
                self.answered(of, Call::Shutdown(how), was_taken, answer.as_ref());
            }
            Op::Ignore { .. } => {
                let mut held = self.handles.remove(idx);
                let answer = held.move_out().ignore();
                held.settled();
                self.answered(of, Call::Ignore, was_taken, answer.as_ref());
            }
            Op::Give { to, .. } => self.world.give(self.handles.remove(idx), to),
            _ => drop(self.handles.remove(idx)),
        }
        Ok(())
    }

    fn answered(&mut self, of: Name, call: Call, was_taken: bool, answer: Option<&Result<Value, Exit>>) {
        let cause = answer.map(|answer| match answer {
            Ok(_) => Ok(()),
            Err(exit) => Err(self.world.cause(exit)),
        });
        self.write(Event::Answered { of, by: self.name, call, was_taken, answer: cause });
        if let Some(Err(exit)) = answer {
            self.seen = Some(exit.clone());
        }
    }
}

const ENDLESS: &str = "the stream does not end while its process lives";

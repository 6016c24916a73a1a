//! `Context`: what a server has besides its state. The methods that handlers call are in the module `handling`.

use std::fmt;

use cordial_sched::TaskRef;

use super::envelope::{Item, Next};
use super::requested::Requested;
use super::shared::ServerRef;
use super::timers::Timers;
use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::{Exits, current_task, discard_in_place};

/// What a server can do while it handles a message.
pub struct Context<S> {
    pub(super) server: ServerRef<S>,
    pub(super) own: Pid,
    /// The task of the process.
    pub(super) task: Option<TaskRef>,
    pub(super) stop: Option<Exit>,
    pub(super) timers: Timers<Item<S>>,
    pub(super) exits: Option<Trap<S>>,
    pub(super) requested: Requested,
    /// About how many messages were handled in the current poll.
    pub(super) handled_in_poll: u32,
    /// Whether the mailbox comes before trapped exits and timers in the next turn, because the last message came from one of those.
    pub(super) mail_is_next: bool,
    /// What the server does next. `take_turn` and `poll_next` set it before they return false, and `take_other` takes it.
    pub(super) next: Option<Next<S>>,
}

/// The exits that a server traps, and how they become messages.
pub(super) struct Trap<S> {
    pub(super) exits: Exits,
    pub(super) into_item: fn(Pid, Exit) -> Item<S>,
}

impl<S: Send + 'static> Context<S> {
    /// Called in the process of the server.
    pub(super) fn new(server: ServerRef<S>, own: Pid) -> Context<S> {
        let timers = Timers::new(server.0.runtime.clone());
        let requested = Requested::new();
        Context {
            server,
            own,
            task: current_task(),
            stop: None,
            timers,
            exits: None,
            requested,
            handled_in_poll: 0,
            mail_is_next: false,
            next: None,
        }
    }
}

/// Discards `stop`: the exit may hold an error of the user, whose destructor may panic. A `Context` may be dropped while a handler or
/// another destructor unwinds, and then a second panic would abort the program.
impl<S> Drop for Context<S> {
    fn drop(&mut self) {
        discard_in_place(&mut self.stop);
    }
}

impl<S> fmt::Debug for Context<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("server", &self.server).finish_non_exhaustive()
    }
}

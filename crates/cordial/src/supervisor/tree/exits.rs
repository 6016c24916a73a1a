//! Delivers the exits of children, which happen on any thread, to the process of the supervisor.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::inbox::Inbox;
use super::shared::TreeShared;
use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::{Admission, ChildRegistry, NextIncarnation};
use crate::supervisor::startable::WillRestart;

/// The exit of one incarnation of a child.
#[derive(Debug)]
pub(super) struct ChildExit {
    pub(super) key: u64,
    pub(super) incarnation: u32,
    pub(super) exit: Exit,
    /// When the process exited, on the clock of the supervisor. The exit may be handled later.
    pub(super) at: Duration,
}

/// The exits that the supervisor has not handled yet, in the order in which they arrived. There is at most one for each
/// process that was started.
pub(super) struct ChildExits {
    inbox: Inbox<ChildExit>,
    sender: mpsc::UnboundedSender<ChildExit>,
}

impl ChildExits {
    pub(super) fn new() -> ChildExits {
        let (sender, receiver) = mpsc::unbounded_channel();
        ChildExits { inbox: Inbox::new(receiver), sender }
    }

    /// Returns a registry for this incarnation, which publishes its exit and sends it to this queue.
    pub(super) fn registry(&self, shared: &Arc<TreeShared>, incarnation: u32) -> Arc<dyn ChildRegistry> {
        Arc::new(ChildExitSender { incarnation, shared: shared.clone(), sender: self.sender.clone() })
    }

    /// Returns the next exit, if one has arrived.
    pub(super) fn try_next(&mut self) -> Option<ChildExit> {
        self.inbox.try_next()
    }

    /// Waits for the next exit. Cancel safe.
    pub(super) async fn next(&mut self) -> ChildExit {
        self.inbox.next().await
    }

    /// Makes an exit that was received the next one again.
    pub(super) fn put_back(&mut self, exit: ChildExit) {
        self.inbox.put_back(exit);
    }

    /// Waits for the exit of this incarnation of a child, and defers the exits that arrive before it. Cancel safe.
    pub(super) async fn next_of(&mut self, key: u64, incarnation: u32) -> Exit {
        self.inbox.next_where(|exit| exit.is_of(key, incarnation)).await.exit
    }

    /// Returns the exit of this incarnation of a child, if it has arrived. It stays in the queue.
    pub(super) fn peek_of(&mut self, key: u64, incarnation: u32) -> Option<&Exit> {
        self.inbox.peek_where(|exit| exit.is_of(key, incarnation)).map(|exit| &exit.exit)
    }
}

impl ChildExit {
    fn is_of(&self, key: u64, incarnation: u32) -> bool {
        self.key == key && self.incarnation == incarnation
    }
}

/// Sends the exit of one incarnation of a child to its supervisor.
#[derive(Debug)]
struct ChildExitSender {
    incarnation: u32,
    shared: Arc<TreeShared>,
    sender: mpsc::UnboundedSender<ChildExit>,
}

impl ChildRegistry for ChildExitSender {
    fn next_incarnation(&self, key: u64) -> NextIncarnation {
        // The supervisor may have started the next incarnation already.
        let has_started = self.shared.children.is_later(key, self.incarnation);
        if has_started || self.shared.will_restart(key) { NextIncarnation::Expected } else { NextIncarnation::Never }
    }

    fn registered(&self, _: u64, _: Pid) -> Admission {
        // The supervisor starts its children itself, and does not begin to stop while it spawns a process, so it refuses none.
        Admission::Open
    }

    fn exited(&self, key: u64, exit: Option<&Exit>) {
        if let Some(exit) = exit {
            let (incarnation, at) = (self.incarnation, self.shared.children.clock().now());
            self.shared.children.exited(key, incarnation, exit.is_abnormal(), at);
            // A supervisor that has exited does not need the exit.
            let _ = self.sender.send(ChildExit { key, incarnation, exit: exit.clone(), at });
        }
    }
}

//! The exits of children, from the threads on which they exit to the process of the supervisor.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::shared::TreeShared;
use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::{Admission, ChildRegistry};

/// The exit of one incarnation of a child.
#[derive(Debug)]
pub(super) struct ChildExit {
    pub(super) key: u32,
    pub(super) incarnation: u32,
    pub(super) exit: Exit,
    /// When the process exited, on the clock of the supervisor. The exit may be handled later.
    pub(super) at: Duration,
}

/// The exits that the supervisor has not handled yet, in the order in which they arrived. There is at most one for each
/// process that was started.
pub(super) struct ChildExits {
    receiver: mpsc::UnboundedReceiver<ChildExit>,
    sender: mpsc::UnboundedSender<ChildExit>,
    /// Exits that arrived during a wait for the exit of another child. They come before those in the channel.
    deferred: VecDeque<ChildExit>,
}

impl ChildExits {
    pub(super) fn new() -> ChildExits {
        let (sender, receiver) = mpsc::unbounded_channel();
        ChildExits { receiver, sender, deferred: VecDeque::new() }
    }

    /// Returns the registry that sends the exit of this incarnation here, and publishes it.
    pub(super) fn registry(&self, shared: &Arc<TreeShared>, incarnation: u32) -> Arc<dyn ChildRegistry> {
        Arc::new(ChildExitSender { incarnation, shared: shared.clone(), sender: self.sender.clone() })
    }

    /// Returns the next exit, if one has arrived.
    pub(super) fn try_next(&mut self) -> Option<ChildExit> {
        self.deferred.pop_front().or_else(|| self.receiver.try_recv().ok())
    }

    /// Waits for the next exit. Cancel safe.
    pub(super) async fn next(&mut self) -> ChildExit {
        match self.deferred.pop_front() {
            Some(exit) => exit,
            None => self.receive().await,
        }
    }

    /// Waits for the exit of this incarnation of a child, and defers the exits that arrive before it. Cancel safe.
    pub(super) async fn next_of(&mut self, key: u32, incarnation: u32) -> Exit {
        let is_wanted = |exit: &ChildExit| exit.key == key && exit.incarnation == incarnation;
        if let Some(exit) = self.deferred.iter().position(is_wanted).and_then(|at| self.deferred.remove(at)) {
            return exit.exit;
        }
        loop {
            let exit = self.receive().await;
            if is_wanted(&exit) {
                return exit.exit;
            }
            self.deferred.push_back(exit);
        }
    }

    /// Returns the exit of this incarnation of a child, if it has arrived. It stays in the queue.
    pub(super) fn peek_of(&mut self, key: u32, incarnation: u32) -> Option<&Exit> {
        while let Ok(exit) = self.receiver.try_recv() {
            self.deferred.push_back(exit);
        }
        let wanted = self.deferred.iter().find(|exit| exit.key == key && exit.incarnation == incarnation);
        wanted.map(|exit| &exit.exit)
    }

    async fn receive(&mut self) -> ChildExit {
        self.receiver.recv().await.expect("the channel is open, since `self` holds a sender")
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
    fn registered(&self, _: u32, _: Pid) -> Admission {
        // The supervisor starts its children one at a time and stops the child that it is starting,
        // so it refuses none.
        Admission::Open
    }

    fn exited(&self, key: u32, exit: Option<&Exit>) {
        if let Some(exit) = exit {
            let (incarnation, at) = (self.incarnation, self.shared.children.clock().now());
            self.shared.children.exited(key, incarnation, exit.is_abnormal(), at);
            // A supervisor that has exited has stopped or abandoned this child: no one needs the exit.
            let _ = self.sender.send(ChildExit { key, incarnation, exit: exit.clone(), at });
        }
    }
}

//! Which processes are in a poll that does not return.

use std::collections::BTreeMap;

use cordial_sched::PollId;

use crate::pid::Pid;
use crate::process::runtime::Handle;

/// The polls that went on at one moment, or, for each process, at the moment at which it was looked at last.
#[derive(Debug, Default)]
pub(crate) struct Polls(BTreeMap<Pid, PollId>);

impl Polls {
    /// Returns the polls of all processes at this moment.
    pub(crate) fn now(runtime: &Handle) -> Polls {
        Polls(runtime.current_polls())
    }

    /// Returns whether the process is still in the poll in which it was seen `before`. A process that is in no poll, because
    /// it waits for a thread, is not.
    pub(crate) fn is_same_poll(&self, before: &Polls, pid: Pid) -> bool {
        self.0.get(&pid).is_some_and(|poll| before.0.get(&pid) == Some(poll))
    }

    /// Takes over what `now` says about one process.
    pub(crate) fn update(&mut self, now: &Polls, pid: Pid) {
        match now.0.get(&pid) {
            Some(poll) => self.0.insert(pid, *poll),
            None => self.0.remove(&pid),
        };
    }
}

//! `NodeState`: what a node answers about itself, and the table through which its runs are ended. Used by the thread of
//! the connection, so a node answers even while user code blocks every worker of its runtime.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::{Notify, watch};

use crate::names::JobId;
use crate::net::{CancelReason, CancellationToken, NetError, ReplySubject};
use crate::nodes::Node;

/// The key of a run in the table of its node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RunKey {
    Job(JobId),
    /// The inbox to which the answers to the call go.
    Call(String),
}

/// The state of a node.
#[derive(Debug)]
pub(crate) struct NodeState {
    pub(crate) name: Arc<str>,
    group: Arc<str>,
    slots: usize,
    functions: Vec<String>,
    started: SystemTime,
    /// The calls that run, and the jobs from their arrival until their deliveries have ended.
    running: Mutex<HashMap<RunKey, Entry>>,
    n_hand_overs: watch::Sender<usize>,
    is_draining: AtomicBool,
    drain: Notify,
}

/// A run in the table of its node.
#[derive(Debug)]
struct Entry {
    cancellation: Arc<CancellationToken>,
    /// Why the server has not stored the last message of the run.
    problem: Option<String>,
    /// `None` for a call.
    delivery: Option<EntryDelivery>,
}

/// The delivery of a job that is in the table of a node.
#[derive(Debug)]
struct EntryDelivery {
    /// When the server has stored the job.
    submitted: String,
    reply: Arc<ReplySubject>,
    /// Identifies the delivery. Random, because a server that has forgotten a delivery gives the next one the same number. Not 0.
    arrival: u64,
}

/// A run that is in the table of a node. Dropping it removes the run from the table.
#[derive(Debug)]
pub(crate) struct RunRegistration {
    node: Arc<NodeState>,
    key: RunKey,
    cancellation: Arc<CancellationToken>,
}

/// A job whose result is on its way to the server: its function has ended or is not served, or it has no attempt left.
#[derive(Debug)]
pub(crate) struct HandOver(Arc<NodeState>);

impl NodeState {
    pub(crate) fn new(name: Arc<str>, group: Arc<str>, slots: usize, functions: Vec<String>) -> NodeState {
        NodeState {
            name,
            group,
            slots,
            functions,
            started: SystemTime::now(),
            running: Mutex::default(),
            n_hand_overs: watch::Sender::new(0),
            is_draining: AtomicBool::new(false),
            drain: Notify::new(),
        }
    }

    pub(crate) fn register(
        self: &Arc<NodeState>,
        key: RunKey,
        cancellation: Arc<CancellationToken>,
    ) -> RunRegistration {
        self.insert(key, cancellation, None)
    }

    /// Adds an arrived job to the table. `submitted` is when the server has stored it, `reply` where its acknowledgements go, and `arrival` the
    /// random number of this delivery.
    pub(crate) fn register_job(
        self: &Arc<NodeState>,
        id: JobId,
        cancellation: Arc<CancellationToken>,
        submitted: String,
        reply: Arc<ReplySubject>,
        arrival: u64,
    ) -> RunRegistration {
        self.insert(RunKey::Job(id), cancellation, Some(EntryDelivery { submitted, reply, arrival }))
    }

    fn insert(
        self: &Arc<NodeState>,
        key: RunKey,
        cancellation: Arc<CancellationToken>,
        delivery: Option<EntryDelivery>,
    ) -> RunRegistration {
        self.lock().insert(key.clone(), Entry { cancellation: cancellation.clone(), problem: None, delivery });
        RunRegistration { node: self.clone(), key, cancellation }
    }

    /// Lets the run of a job on this node answer a later delivery of the job in place of its own. The later delivery shows that the server has
    /// forgotten the first one, and the server takes no `-NAK` for a delivery that it has forgotten. Returns `false` if no run of the job is
    /// here, if its lease has run out, or if it has answered already.
    pub(crate) fn take_over(&self, id: &JobId, submitted: &str, reply: &str) -> bool {
        let running = self.lock();
        let Some(Entry { cancellation, delivery: Some(delivery), .. }) = running.get(&RunKey::Job(id.clone())) else {
            return false;
        };
        delivery.submitted == submitted && cancellation.holds_lease() && delivery.reply.replace(reply)
    }

    /// Returns whether the job is here in the delivery with the number `arrival`, has its lease, and has no answer yet.
    pub(crate) fn holds(&self, id: &JobId, arrival: u64) -> bool {
        let running = self.lock();
        let Some(Entry { cancellation, delivery: Some(delivery), .. }) = running.get(&RunKey::Job(id.clone())) else {
            return false;
        };
        delivery.arrival == arrival && cancellation.holds_lease() && delivery.reply.current().is_some()
    }

    /// Requests the end of a run, if it is here.
    pub(crate) fn cancel(&self, key: &RunKey, reason: CancelReason) {
        let cancellation = self.lock().get(key).map(|entry| entry.cancellation.clone());
        if let Some(cancellation) = cancellation {
            cancellation.cancel(reason);
        }
    }

    /// Requests the end of all runs.
    pub(crate) fn cancel_all(&self, reason: CancelReason) {
        for entry in self.lock().values() {
            entry.cancellation.cancel(reason);
        }
    }

    /// Counts a result as on its way to the server until the returned value is dropped.
    pub(crate) fn begin_hand_over(self: &Arc<NodeState>) -> HandOver {
        self.n_hand_overs.send_modify(|n| *n += 1);
        HandOver(self.clone())
    }

    /// Returns how many results are on their way to the server.
    pub(crate) fn n_hand_overs(&self) -> usize {
        *self.n_hand_overs.borrow()
    }

    /// Waits until at most `n` results are on their way to the server.
    pub(crate) async fn wait_hand_overs(&self, n: usize) {
        // Fails only if the sender is gone, and `self` has it.
        let _ = self.n_hand_overs.subscribe().wait_for(|now| *now <= n).await;
    }

    /// Requests that the node takes no new work.
    pub(crate) fn start_draining(&self) {
        self.is_draining.store(true, Ordering::SeqCst);
        self.drain.notify_one();
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::SeqCst)
    }

    /// Waits for a request to drain. Awaited by the pull loop alone.
    pub(crate) async fn wait_drain(&self) {
        while !self.is_draining() {
            self.drain.notified().await;
        }
    }

    /// Returns what other programs see of the node.
    pub(crate) fn describe(&self) -> Node {
        let (running, problem) = {
            let running = self.lock();
            // If several runs have a problem, the same one is shown each time.
            (running.len(), running.values().filter_map(|entry| entry.problem.as_ref()).min().cloned())
        };
        Node {
            name: self.name.to_string(),
            group: self.group.to_string(),
            slots: self.slots,
            running,
            functions: self.functions.clone(),
            is_draining: self.is_draining(),
            started: self.started,
            problem,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RunKey, Entry>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunRegistration {
    /// Notes that the server has kept what the run has sent.
    pub(crate) fn note_kept(&self) {
        self.set_problem(None);
    }

    /// Notes that the server has not kept something that the run has sent.
    pub(crate) fn note_not_kept(&self, what: &str, error: &NetError) {
        let advice = if error.is_full() { "; make room in its store, or raise its limits" } else { "" };
        self.set_problem(Some(format!("the server does not keep {what}: {error}{advice}")));
    }

    fn set_problem(&self, problem: Option<String>) {
        if let Some(entry) = self.node.lock().get_mut(&self.key).filter(|entry| self.has(entry)) {
            entry.problem = problem;
        }
    }

    /// Returns whether the entry belongs to this run. A job whose lease ran out may have come back to this node while its first run was ending:
    /// then the entry belongs to the second run.
    fn has(&self, entry: &Entry) -> bool {
        Arc::ptr_eq(&entry.cancellation, &self.cancellation)
    }
}

impl Drop for HandOver {
    fn drop(&mut self) {
        self.0.n_hand_overs.send_modify(|n| *n -= 1);
    }
}

impl Drop for RunRegistration {
    fn drop(&mut self) {
        let mut running = self.node.lock();
        if running.get(&self.key).is_some_and(|entry| self.has(entry)) {
            running.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_to_end_a_call_ends_no_job() {
        let node = Arc::new(NodeState::new("n".into(), "g".into(), 2, Vec::new()));
        let cancellation = Arc::new(CancellationToken::default());
        let job = JobId::keyed("g", "a").unwrap();
        let _run = node.register(RunKey::Job(job.clone()), cancellation.clone());
        node.cancel(&RunKey::Call(job.to_string()), CancelReason::CallerGone);
        assert_eq!(cancellation.reason(), None);
    }

    #[test]
    fn the_end_of_a_first_run_leaves_the_second_one_of_the_same_job_in_the_table() {
        let node = Arc::new(NodeState::new("n".into(), "g".into(), 2, Vec::new()));
        let key = RunKey::Job(JobId::keyed("g", "a").unwrap());
        let first = node.register(key.clone(), Arc::default());
        let cancellation = Arc::new(CancellationToken::default());
        let second = node.register(key.clone(), cancellation.clone());
        drop(first);
        node.cancel(&key, CancelReason::Cancelled);
        assert_eq!(cancellation.reason(), Some(CancelReason::Cancelled));
        drop(second);
        assert_eq!(node.describe().running, 0);
    }
}

//! One delivery of a job.
//!
//! ```text
//!  delivered ─► late, with a key, or again: result there already? ─► acknowledged
//!      │ no
//!      ├─ late, and the lease is over ─► left alone: delivered elsewhere
//!      ├─ the pool takes no calls ─────► given back after a second
//!      ▼
//!    claim ─── all attempts have begun before ─► dead letter ─► result ─► acknowledged
//!      │   ├── an earlier run has its lease ────────────────────────────► left alone: that run renews its lease
//!      │   └── the result is there already ─────────────────────────────► acknowledged
//!      ▼
//!   running ── lease lost ─────────► killed; the server delivers the job again
//!      │    ── cancelled ──────────► shut down ──────────────────────► acknowledged
//!      │    ── worker stops ───────► killed; given back: delivered again at once
//!      ├─ its pool was stopped ────► record; given back after a second
//!      ├─ Ok ──────────────────────► result, the first one wins ─────► acknowledged
//!      ├─ Err, attempts left ──────► record; given back with a delay
//!      └─ Err, the last attempt ───► dead letter ─► result ──────────► acknowledged
//!         or not served
//! ```
//!
//! The result is in its stream before the job leaves its own. So a job whose worker is killed between the two is delivered
//! again, and the worker that gets it finds the result.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_nats::{HeaderMap, Message};
use bytes::Bytes;
use cordial::{Exit, Shutdown, Task};
use cordial_isolate::dispatch::{Outcome, without_values};
use futures_util::future::lazy;
use tracing::{debug, warn};

use super::claim::{Claim, claim};
use super::delivery::{Delivery, DeliveryInfo, delivery_info};
use super::node::{NodeState, RunRegistration};
use super::received_job::ReceivedJob;
use super::run_call::{KILL_LIMIT, end_task, fitting};
use super::settings::Settings;
use crate::attempt::{ATTEMPT, Attempt};
use crate::cluster::ClusterShared;
use crate::dead_letters::{AttemptRecord, add_dead_letter};
use crate::failure::last_attempt_lost;
use crate::job::look_up;
use crate::names::JobId;
use crate::net::{CancelReason, CancellationToken, KeepAliveGuard, KeepAliveKind, NetError, publish_to_stream};
use crate::unwind::contain;
use crate::wire::{ATTEMPT as ATTEMPT_HEADER, JobHeaders, NODE, STATE, State, read_carried, write_maker};

/// How long one try to hand a result over may take.
const RESULT_LIMIT: Duration = Duration::from_secs(2);

/// How long a worker waits before it repeats a failed request about a job.
const REQUEST_RETRY_DELAY: Duration = Duration::from_millis(200);

/// How long a worker keeps a job that it cannot run because its pool takes no calls.
const POOL_DELAY: Duration = Duration::from_secs(1);

/// How long a worker waits until the server has kept the record of a run that a stop has ended, or that has not begun in time.
const STOP_RECORD_LIMIT: Duration = Duration::from_secs(1);

/// How often the claim of a run is sent again in the time for which the server keeps it.
const RENEWALS_OF_CLAIM: u32 = 4;

/// Runs a delivered job, and settles the delivery.
pub(super) async fn run_job(settings: Settings, node: Arc<NodeState>, received: ReceivedJob) {
    let shared = settings.shared.clone();
    let ReceivedJob { message, is_late, sent_after, reply, arrival, cancellation, registered, lease } = received;
    let Message { subject, payload, headers, .. } = message;
    let Some(reply) = reply else { return };
    let headers = headers.unwrap_or_default();
    let delivery = Delivery::new(shared.clone(), reply.clone(), cancellation.clone());
    let info = reply.current().as_deref().and_then(delivery_info);
    let (Some(id), Some(registered), Some(job), Some(info)) =
        (JobId::of_subject(&subject), registered, JobHeaders::read(&headers), info)
    else {
        // The message is not a job of this library, so no program waits for its result.
        contain(|| warn!(target: "cordial::fleet", subject = subject.as_str(), "not_a_job"));
        delivery.settle("+TERM");
        return;
    };
    let renew =
        || shared.connection.keep_alive(KeepAliveKind::Lease(shared.lease), reply, cancellation.clone(), sent_after);
    let lease = lease.unwrap_or_else(renew);
    let run = JobRun { shared, node, id, job, headers, input: payload, cancellation, delivery, registered, lease };
    run.run(&settings, &info, arrival, is_late).await;
}

/// A delivered job, and what each way to end the delivery needs. Holds no value of the user, because the thread of the connection may drop it.
struct JobRun {
    shared: Arc<ClusterShared>,
    node: Arc<NodeState>,
    id: JobId,
    job: JobHeaders,
    headers: HeaderMap,
    input: Bytes,
    cancellation: Arc<CancellationToken>,
    delivery: Delivery,
    /// Kept until the delivery has ended, as the lease is.
    registered: RunRegistration,
    lease: KeepAliveGuard,
}

impl JobRun {
    async fn run(self, settings: &Settings, info: &DeliveryInfo, arrival: u64, is_late: bool) {
        let JobRun { shared, node, id, job, cancellation, registered, lease, .. } = &self;
        // At its first delivery, a job without a key has no result, unless it was on its way for long. A cancellation writes a result too, but it
        // also removes the job from its stream, and asks the workers to end its run.
        if info.delivery > 1 || id.is_keyed() || is_late {
            match has_result(shared, id, cancellation).await {
                Some(false) => {}
                Some(true) => return self.delivery.settle("+ACK"),
                // Meanwhile the lease ran out, the worker was stopped, or the job was cancelled, and so removed.
                None => return self.delivery.abandon(),
            }
        }
        if cancellation.is_lease_expired() {
            // The job was on its way for longer than its lease.
            return self.delivery.leave();
        }
        match cancellation.reason() {
            None => {}
            Some(CancelReason::Cancelled) => return self.delivery.settle("+ACK"),
            Some(_) => return self.delivery.abandon(),
        }
        if let Some(error) = settings.pool_refusal() {
            // The job is not claimed first: a pool may be away for long, and each claim would stay in the stream of the results.
            return self.give_back_without_pool(&error.to_string()).await;
        }
        let (number, limit) = loop {
            match claim(shared, id, job, info, arrival).await {
                Ok(Claim::Run { number, limit, claim }) => {
                    registered.note_kept();
                    if let Some(kept_for) = settings.claims_kept_for {
                        lease.renew_claim(claim.subject, claim.payload, kept_for / RENEWALS_OF_CLAIM);
                    }
                    break (number, limit);
                }
                Ok(Claim::Done) => return self.delivery.settle("+ACK"),
                Ok(Claim::Held) => {
                    contain(|| debug!(target: "cordial::fleet", job = %id, "left_to_earlier_run"));
                    return self.delivery.leave();
                }
                Ok(Claim::UsedUp { n_runs }) => {
                    let exit = last_attempt_lost(&job.function, n_runs, "unknown");
                    let reason = exit.to_string();
                    return self.fail_for_good(n_runs, Outcome::from_result(Err(exit)), reason, None);
                }
                Err(error) => {
                    contain(|| warn!(target: "cordial::fleet", job = %id, %error, "attempt_not_claimed"));
                    registered.note_not_kept(&format!("the start of an attempt of the job {id}"), &error);
                    if !wait_to_try_again(shared, id, cancellation, &error).await {
                        return self.delivery.abandon();
                    }
                }
            }
        };
        let started = SystemTime::now();
        // The claim may have lasted long. Meanwhile the job may have been cancelled, its lease may have run out, or the worker may have to stop.
        match cancellation.reason().or(cancellation.is_lease_expired().then_some(CancelReason::LeaseLost)) {
            None => {}
            Some(CancelReason::Cancelled) => return self.delivery.settle("+ACK"),
            Some(_) => {
                let exit = Exit::from("its lease ran out, or its worker was stopped, before it began");
                AttemptRecord::uncounted(number, &node.name, started, &exit).keep(shared, id, STOP_RECORD_LIMIT).await;
                return self.delivery.abandon();
            }
        }
        let runner = match settings.find(&job.function, job.fingerprint) {
            Ok(runner) => runner,
            Err(unserved) => {
                let text = unserved.to_string();
                let record = AttemptRecord::ended(number, &node.name, started, &Exit::from(text.clone()));
                return self.fail_for_good(number, Outcome::unserved(unserved), text, Some(record));
            }
        };
        let attempt = Attempt { job: id.clone(), number, limit };
        let carried = read_carried(&self.headers);
        let input = self.input.to_vec();
        let mut task = ATTEMPT.scope(attempt, lazy(|_| settings.start(&runner, input, carried))).await;
        let result = tokio::select! {
            result = &mut task => result,
            reason = cancellation.cancelled() => return self.end(settings, task, reason, number, started).await,
        };
        if let Err(exit) = &result
            && settings.is_pool_refusal(exit)
        {
            let record = AttemptRecord::uncounted(number, &node.name, started, exit);
            record.keep(shared, id, RESULT_LIMIT).await;
            return self.give_back_without_pool(&record.reason).await;
        }
        match result.map_err(without_values) {
            Ok(bytes) => {
                let outcome = fitting(shared, Outcome::from_result(Ok(bytes)));
                self.go_on_in_thread(move |run| run.hand_over(number, State::Done, outcome));
            }
            Err(exit) if number < limit => {
                contain(|| debug!(target: "cordial::fleet", job = %id, attempt = number, %exit, "attempt_failed"));
                let record = AttemptRecord::ended(number, &node.name, started, &exit);
                record.publish(shared, id);
                let delay = job.delay_after(number);
                let JobRun { delivery, lease, .. } = self;
                // The renewals end before the job is given back: a renewal that follows would replace the delay by a whole lease.
                drop(lease);
                delivery.give_back_after(delay);
            }
            Err(exit) => {
                let record = AttemptRecord::ended(number, &node.name, started, &exit);
                // If this worker is killed before the job is a dead letter, another worker makes it one, and finds this record.
                record.publish(shared, id);
                let text = exit.to_string();
                self.fail_for_good(number, Outcome::from_result(Err(exit)), text, Some(record));
            }
        }
    }

    /// Ends the function, which has no result yet, and the delivery.
    async fn end(
        self,
        settings: &Settings,
        task: Task<Vec<u8>>,
        reason: CancelReason,
        number: u32,
        started: SystemTime,
    ) {
        let JobRun { shared, node, id, .. } = &self;
        match reason {
            CancelReason::Cancelled => {
                // A function that has opted in to graceful shutdown has time to clean up.
                end_task(task, settings.cancel_grace.into()).await;
                self.delivery.settle("+ACK");
            }
            CancelReason::WorkerStops => {
                // Code that blocks ends later. Its result is not awaited.
                let _ = tokio::time::timeout(KILL_LIMIT, end_task(task, Shutdown::BrutalKill)).await;
                // The record is kept before the job is given back, because the next worker looks for the record.
                let record = AttemptRecord::stopped(number, &node.name, started);
                record.keep(shared, id, STOP_RECORD_LIMIT).await;
                self.delivery.abandon();
            }
            CancelReason::LeaseLost | CancelReason::CallerGone => {
                end_task(task, Shutdown::BrutalKill).await;
                contain(|| warn!(target: "cordial::fleet", job = %id, attempt = number, "lease_lost"));
                self.delivery.leave();
            }
        }
    }

    /// Gives back a job that has not run, or was ended, because the pool takes no calls. Not at once: otherwise a node without its pool would take
    /// most jobs of the group.
    async fn give_back_without_pool(self, reason: &str) {
        let JobRun { id, cancellation, .. } = &self;
        contain(|| warn!(target: "cordial::fleet", job = %id, reason, "pool_unavailable"));
        tokio::select! {
            _ = cancellation.cancelled() => {}
            () = tokio::time::sleep(POOL_DELAY) => {}
        }
        match cancellation.reason() {
            Some(CancelReason::Cancelled) => self.delivery.settle("+ACK"),
            Some(CancelReason::LeaseLost | CancelReason::CallerGone) => self.delivery.leave(),
            Some(CancelReason::WorkerStops) | None => {
                drop(self.lease);
                drop(self.delivery);
            }
        }
    }

    /// Does the rest on the thread of the connection, so that the slot is free when the caller returns. The rest runs no user code, so it
    /// does not block that thread. The thread also receives the answers of the server, so it wakes no other thread for them.
    fn go_on_in_thread<F>(self, rest: impl FnOnce(JobRun) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let hand_over = self.node.begin_hand_over();
        let connection = self.shared.connection.clone();
        connection.run(move || async move {
            rest(self).await;
            drop(hand_over);
        });
    }

    /// Puts the job among the dead letters, and hands its last exit over as the result. `last` is the record of this attempt, if there was one.
    fn fail_for_good(self, number: u32, outcome: Outcome, reason: String, last: Option<AttemptRecord>) {
        let JobRun { id, job, .. } = &self;
        contain(
            || warn!(target: "cordial::fleet", job = %id, function = job.function, attempts = number, reason, "dead_letter"),
        );
        let outcome = fitting(&self.shared, outcome);
        self.go_on_in_thread(move |run| async move {
            let JobRun { shared, id, headers, input, cancellation, .. } = &run;
            let mut state = State::Dead;
            while let Err(error) = add_dead_letter(shared, id, headers, input, number, last.as_ref(), &reason).await {
                contain(|| warn!(target: "cordial::fleet", job = %id, %error, "dead_letter_not_kept"));
                run.registered.note_not_kept(&format!("the dead letter of the job {id}"), &error);
                if error.is_too_large() {
                    // No other try can succeed: an operator has given the stream a limit. The submitter gets a result that names no dead letter.
                    state = State::Done;
                    break;
                }
                if !wait_to_try_again(shared, id, cancellation, &error).await {
                    return run.delivery.abandon();
                }
            }
            run.hand_over(number, state, outcome).await;
        });
    }

    /// Hands the result over. The stream keeps the first one, and refuses others.
    async fn hand_over(self, number: u32, state: State, mut outcome: Bytes) {
        let JobRun { shared, node, id, job, cancellation, delivery, registered, lease, .. } = self;
        let subject = shared.subjects.of("result", &id);
        // Made anew for each try: usually there is one, and a copy takes as long.
        let headers = || {
            let mut headers = HeaderMap::new();
            headers.insert(STATE, state.as_str());
            headers.insert(NODE, &*node.name);
            headers.insert(ATTEMPT_HEADER, &*number.to_string());
            write_maker(&mut headers, &job);
            headers
        };
        let mut is_replaced = false;
        loop {
            let sent = publish_to_stream(&shared.connection, &subject, headers(), outcome.clone(), RESULT_LIMIT);
            match sent.await {
                Ok(_) => break,
                Err(error) if error.is_second_of_subject() => {
                    contain(|| debug!(target: "cordial::fleet", job = %id, attempt = number, "result_refused"));
                    break;
                }
                // An operator has given the stream a limit, or the client has connected to a server with another one.
                Err(error) if error.is_too_large() && !is_replaced => {
                    is_replaced = true;
                    let text =
                        format!("the result has {} bytes, and the server does not keep it: {error}", outcome.len());
                    outcome = Outcome::from_result(Err(Exit::from(text))).encode().into();
                }
                Err(error) => {
                    contain(|| warn!(target: "cordial::fleet", job = %id, %error, "result_not_kept"));
                    registered.note_not_kept(&format!("the result of the job {id}"), &error);
                    if !wait_to_try_again(&shared, &id, &cancellation, &error).await {
                        return delivery.abandon();
                    }
                }
            }
        }
        registered.note_kept();
        delivery.settle("+ACK");
        drop((registered, lease));
    }
}

/// Returns whether the job has a result. Asks until the server answers; `None` if the run is cancelled before, for any reason.
async fn has_result(shared: &ClusterShared, id: &JobId, cancellation: &CancellationToken) -> Option<bool> {
    loop {
        match look_up(shared, id).await {
            Ok(message) => return Some(message.is_some()),
            Err(error) => {
                contain(|| warn!(target: "cordial::fleet", job = %id, %error, "result_unknown"));
                if !wait_to_try_again(shared, id, cancellation, &error).await {
                    return None;
                }
            }
        }
    }
}

/// Waits after a failed request. Returns `false` if the lease is lost, the job is cancelled, or the worker stops.
async fn wait_to_try_again(
    shared: &ClusterShared,
    id: &JobId,
    cancellation: &CancellationToken,
    error: &NetError,
) -> bool {
    if let NetError::NoResponders | NetError::Silent = error {
        // A stream was deleted, or its servers have no leader.
        let _ = shared.ensure_again(&id.group().into()).await;
    }
    tokio::select! {
        _ = cancellation.cancelled() => false,
        () = tokio::time::sleep(REQUEST_RETRY_DELAY) => true,
    }
}

//! Reports when commands wait and no worker of the group takes them, when a worker takes commands again, and when the server does not keep
//! what a worker sends.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::connect::{AnsweringWorkers, Fleet};

/// The time between two questions to the workers.
const PERIOD: Duration = Duration::from_secs(1);

/// The same while commands wait and no worker takes them.
const SHORT_PERIOD: Duration = Duration::from_millis(250);

/// How long no worker may take commands before the run says so: a busy machine may delay an answer.
const SILENCE: Duration = Duration::from_secs(3);

/// Queries the workers of a group for as long as the run lasts. Sends a message when commands wait and no worker takes them, when a worker
/// takes commands again, and when the problem of a worker with the server persists.
pub(crate) async fn watch_workers(fleet: Fleet, messages: mpsc::Sender<String>) {
    let mut answered = Instant::now();
    let mut is_reported = false;
    // Whether a worker has answered that it stops since a worker last took commands.
    let mut has_stopped = false;
    // Since when a worker has a problem.
    let mut problem_since: Option<Instant> = None;
    let mut is_problem_reported = false;
    loop {
        let is_silent = answered.elapsed() >= SILENCE;
        sleep(if answered.elapsed() < PERIOD / 2 { PERIOD } else { SHORT_PERIOD }).await;
        let AnsweringWorkers { serving, problem, n_stopping, n_ending } = fleet.answering_workers().await;
        if let Some((worker, problem)) = problem {
            let has_lasted = problem_since.get_or_insert_with(Instant::now).elapsed() >= SILENCE;
            if has_lasted && !is_problem_reported {
                is_problem_reported = true;
                let message = format!("the worker {worker} of the group {:?} waits: {problem}", fleet.group);
                if messages.send(message).await.is_err() {
                    return;
                }
            }
        } else if serving.is_some() || n_stopping > 0 {
            // Not if no worker has answered.
            (problem_since, is_problem_reported) = (None, false);
        }
        has_stopped = serving.is_none() && (has_stopped || n_stopping > 0);
        let message = match serving {
            Some(worker) => {
                answered = Instant::now();
                std::mem::take(&mut is_reported)
                    .then(|| format!("the worker {worker} serves the group {:?} now; the commands go on", fleet.group))
            }
            // Maybe no command waits: the stopping workers run as many commands as this run has sent. If these are not the same
            // commands, that shows when those workers are gone.
            None if fleet.sent.number() <= n_ending => {
                answered = Instant::now();
                None
            }
            // Without the server, nothing is known of the workers.
            None if is_silent && !is_reported && fleet.cluster.is_served(&fleet.group).await.is_ok() => {
                is_reported = true;
                let what = if has_stopped { "takes commands any more" } else { "answers" };
                let advice = fleet.how_to_start();
                Some(format!("no worker of the group {:?} {what}, so the commands wait: {advice}", fleet.group))
            }
            None => None,
        };
        if let Some(message) = message
            && messages.send(message).await.is_err()
        {
            return;
        }
    }
}

//! Says when no worker of the group takes commands while some wait, and when one does again.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::connect::{AnsweringWorkers, Fleet};

/// How often the workers are asked.
const PERIOD: Duration = Duration::from_secs(1);

/// How often they are asked after one time without an answer.
const SHORT_PERIOD: Duration = Duration::from_millis(250);

/// How long all workers have to be silent before the run says so: a busy machine may delay an answer.
const SILENCE: Duration = Duration::from_secs(3);

/// Asks the workers of a group for as long as the run lasts. Sends one message when none takes commands while some wait, and one when a
/// worker takes commands again.
pub(crate) async fn watch_workers(fleet: Fleet, messages: mpsc::Sender<String>) {
    let mut answered = Instant::now();
    let mut is_reported = false;
    // Whether a worker has said that it stops, since one has taken commands.
    let mut has_stopped = false;
    loop {
        let is_silent = answered.elapsed() >= SILENCE;
        sleep(if answered.elapsed() < PERIOD / 2 { PERIOD } else { SHORT_PERIOD }).await;
        let AnsweringWorkers { serving, n_stopping, n_ending } = fleet.answering_workers().await;
        has_stopped = serving.is_none() && (has_stopped || n_stopping > 0);
        let message = match serving {
            Some(worker) => {
                answered = Instant::now();
                std::mem::take(&mut is_reported)
                    .then(|| format!("the worker {worker} serves the group {:?} now; the commands go on", fleet.group))
            }
            // No command waits: each one that was sent may run on a worker that finishes what it has. If it does not, that shows when the worker is gone.
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

//! Reports when commands wait and no worker of the group takes them, or the server does not answer; when a worker takes commands again; and when the
//! server does not keep what a worker sends.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::connect::{AnsweringWorkers, Fleet};
use super::silence::MayBeSilence;

/// The time between two questions to the workers.
const PERIOD: Duration = Duration::from_secs(1);

/// The same while commands wait and no worker takes them.
const SHORT_PERIOD: Duration = Duration::from_millis(250);

/// How long no worker may take commands before the run says so: a busy machine may delay an answer.
const SILENCE: Duration = Duration::from_secs(3);

const SERVER_IS_BACK: &str = "the NATS server answers again; the commands go on";

/// What the run has said last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    NoWorker,
    NoServer,
}

/// Queries the workers of a group for as long as the run lasts. Sends one message when no worker takes commands while some wait, or the server does
/// not answer, and one when a worker takes commands again; and one when a problem of workers with the server lasts.
pub(crate) async fn watch_workers(fleet: Fleet, messages: mpsc::Sender<String>) {
    let mut answered = Instant::now();
    let mut said = Said::Nothing;
    // Whether a worker has answered that it stops, since the last time that one took commands.
    let mut has_stopped = false;
    let mut problems = Problems::default();
    loop {
        let is_silent = answered.elapsed() >= SILENCE;
        sleep(if answered.elapsed() < PERIOD / 2 { PERIOD } else { SHORT_PERIOD }).await;
        let AnsweringWorkers { serving, problems: found, n_stopping, n_ending } = fleet.answering_workers().await;
        // Without an answer, nothing is known of the problems.
        if serving.is_some() || n_stopping > 0 {
            for (worker, problem) in problems.note(&found, Instant::now()) {
                let message = format!("the worker {worker} of the group {:?} waits: {problem}", fleet.group);
                if messages.send(message).await.is_err() {
                    return;
                }
            }
        }
        has_stopped = serving.is_none() && (has_stopped || n_stopping > 0);
        let message = match serving {
            Some(worker) => {
                answered = Instant::now();
                match std::mem::replace(&mut said, Said::Nothing) {
                    Said::Nothing => None,
                    Said::NoWorker => {
                        Some(format!("the worker {worker} serves the group {:?} now; the commands go on", fleet.group))
                    }
                    Said::NoServer => Some(SERVER_IS_BACK.to_owned()),
                }
            }
            // Maybe no command waits: the stopping workers run as many commands as this run has sent. If these are not the same
            // commands, that shows when those workers are gone.
            None if fleet.sent.number() <= n_ending => {
                answered = Instant::now();
                None
            }
            None if is_silent => match fleet.cluster.is_served(&fleet.group).await {
                // The workers connect again as well, which takes them a moment.
                Ok(_) if said == Said::NoServer => {
                    (answered, said) = (Instant::now(), Said::Nothing);
                    Some(SERVER_IS_BACK.to_owned())
                }
                Ok(_) if said != Said::NoWorker => {
                    said = Said::NoWorker;
                    let what = if has_stopped { "takes commands any more" } else { "answers" };
                    let advice = fleet.how_to_start();
                    Some(format!("no worker of the group {:?} {what}, so the commands wait: {advice}", fleet.group))
                }
                Err(error) if error.is_silence() && said != Said::NoServer => {
                    said = Said::NoServer;
                    Some(format!(
                        "the NATS server at {} does not answer, so the commands wait until it does",
                        fleet.url
                    ))
                }
                Ok(_) | Err(_) => None,
            },
            None => None,
        };
        if let Some(message) = message
            && messages.send(message).await.is_err()
        {
            return;
        }
    }
}

/// The problems that workers have with the server. Many jobs of many workers have one problem when, say, a stream is full: it is one problem here.
#[derive(Debug, Default)]
struct Problems(HashMap<String, Problem>);

#[derive(Debug)]
struct Problem {
    since: Instant,
    is_reported: bool,
}

impl Problems {
    /// Takes all problems that workers have now, each with the name of its worker. Returns those that have lasted and were not returned before.
    fn note<'a>(&mut self, found: &'a [(String, String)], now: Instant) -> Vec<(&'a str, &'a str)> {
        self.0.retain(|kind, _| found.iter().any(|(_, problem)| kind_of(problem) == kind));
        let mut lasting = Vec::new();
        for (worker, problem) in found {
            let known = self.0.entry(kind_of(problem).to_owned()).or_insert(Problem { since: now, is_reported: false });
            if now.duration_since(known.since) >= SILENCE && !std::mem::replace(&mut known.is_reported, true) {
                lasting.push((&**worker, &**problem));
            }
        }
        lasting
    }
}

/// Returns what is wrong, without the job that it is about.
fn kind_of(problem: &str) -> &str {
    problem.split_once(": ").map_or(problem, |(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(problems: &[(&str, &str)]) -> Vec<(String, String)> {
        problems.iter().map(|(worker, problem)| ((*worker).to_owned(), (*problem).to_owned())).collect()
    }

    #[test]
    fn each_problem_that_lasts_is_reported_once() {
        let mut problems = Problems::default();
        let start = Instant::now();
        let full = found(&[("one", "the server does not keep the result of the job g/1: the store is full")]);
        let both = found(&[
            ("two", "the server does not keep the result of the job g/2: the store is full"),
            ("three", "the server does not keep the result of the job g/3: no permission"),
        ]);
        assert!(problems.note(&full, start).is_empty());
        // The second problem has not lasted yet.
        assert_eq!(problems.note(&both, start + SILENCE), [("two", &*both[0].1)]);
        assert_eq!(problems.note(&both, start + 2 * SILENCE), [("three", &*both[1].1)]);
        assert!(problems.note(&both, start + 3 * SILENCE).is_empty());
        // A problem that was over begins anew.
        assert!(problems.note(&[], start + 4 * SILENCE).is_empty());
        assert!(problems.note(&full, start + 5 * SILENCE).is_empty());
        assert_eq!(problems.note(&full, start + 6 * SILENCE).len(), 1);
    }
}

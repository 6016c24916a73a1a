//! Reports why the commands of a run wait: no worker of the group takes them, the server does not answer, or the stream of the commands cannot be
//! used. Also reports that this reason is gone, and that the server does not store what a worker sends.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::connect::{AnsweringWorkers, Fleet};
use super::silence::MayBeSilence;

/// The time between two questions to the workers.
const PERIOD: Duration = Duration::from_secs(1);

/// The time between two questions to the workers while commands wait and no worker takes them.
const SHORT_PERIOD: Duration = Duration::from_millis(250);

/// How long no worker takes commands before the run reports that. A busy machine may delay an answer for almost as long.
const SILENCE: Duration = Duration::from_secs(3);

const SERVER_IS_BACK: &str = "the NATS server answers again; the commands continue";
const STREAM_IS_BACK: &str = "the stream of the commands can be used again; the commands continue";

/// The last message of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    NoWorker,
    NoServer,
    NoStream,
}

/// Queries the workers of a group as long as the run lasts. Sends one message when commands wait because no worker takes them, because the server
/// does not answer, or because the stream cannot be used. Sends another message when that is over. Also sends a message when a problem of workers
/// with the server lasts.
pub(crate) async fn watch_workers(fleet: Fleet, messages: mpsc::Sender<String>) {
    let mut answered = Instant::now();
    let mut missing_since = None;
    let mut said = Said::Nothing;
    // Whether a worker has answered that it is stopping, since a worker last took commands.
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
        missing_since = missing_since.filter(|_| serving.is_some());
        let message = match serving {
            // Workers answer even if the stream cannot be used: the server that stores it may be down, or its servers may have no leader.
            Some(_) if is_missing(&fleet, &mut missing_since).await => {
                answered = Instant::now();
                (std::mem::replace(&mut said, Said::NoStream) != Said::NoStream).then(|| {
                    format!(
                        "no server gives access to the stream of the group {:?}, so the commands wait until one does",
                        fleet.group
                    )
                })
            }
            Some(worker) => {
                answered = Instant::now();
                match std::mem::replace(&mut said, Said::Nothing) {
                    Said::Nothing => None,
                    Said::NoWorker => Some(format!(
                        "the worker {worker} serves the group {:?} now; the commands continue",
                        fleet.group
                    )),
                    Said::NoServer => Some(SERVER_IS_BACK.to_owned()),
                    Said::NoStream => Some(STREAM_IS_BACK.to_owned()),
                }
            }
            // Perhaps no command waits, because the stopping workers run at least as many commands as this run has sent. If some of them
            // are commands of other runs, commands of this run do wait. This is reported after these workers have exited.
            None if fleet.sent.number() <= n_ending => {
                answered = Instant::now();
                None
            }
            None if is_silent => match fleet.cluster.is_served(&fleet.group).await {
                // The workers need a moment to connect again.
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

/// Returns whether the stream of the group has been unavailable for `SILENCE`. Asks for the consumer that the workers use.
async fn is_missing(fleet: &Fleet, since: &mut Option<Instant>) -> bool {
    let asked = Instant::now();
    match fleet.cluster.is_served(&fleet.group).await {
        Err(error) if error.is_silence() => since.get_or_insert(asked).elapsed() >= SILENCE,
        // A refusal is an answer. The commands are refused too, and report it.
        Ok(_) | Err(_) => {
            *since = None;
            false
        }
    }
}

/// The problems that workers have with the server. A full stream, for example, affects many jobs of many workers, and counts as one problem.
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

/// Returns the text of a problem without the job that has it.
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
        // A problem that ended and then returned is a new one.
        assert!(problems.note(&[], start + 4 * SILENCE).is_empty());
        assert!(problems.note(&full, start + 5 * SILENCE).is_empty());
        assert_eq!(problems.note(&full, start + 6 * SILENCE).len(), 1);
    }
}

//! Random messages, crashes, restarts, callers that give up, full mailboxes and stops, against a model.
//!
//! The server logs each message that it begins to handle. What must be true of each run:
//!
//! - no message is handled twice, and none is handled whose sender was refused;
//! - a message that was accepted is handled, unless its caller had given up, or the server stopped for good;
//! - the messages of one sender are handled in the order in which they were sent;
//! - every call is answered exactly once, with the number of its message if that was handled to its end;
//! - the server counts as handled the messages that were handled to their end, and counts no more skipped messages than calls were given up.
//!
//! `CORDIAL_MODEL_SEEDS` sets how many seeds are tried, for a longer run.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cordial::server::{Context, Handle, Server, ServerRef, TryCastError};
use cordial::{Exit, Refusal, Restart, Task, Timeout, testing};
use fastrand::Rng;

use crate::harness::limited;

/// The number of seeds of a usual run.
const SEEDS: u64 = 500;

/// One message: its number, how long it takes, and whether its handler panics then.
struct Job {
    number: u32,
    takes: Duration,
    crashes: bool,
}

/// The numbers of the messages that the server has begun to handle, and how each of them ended.
#[derive(Default)]
struct History {
    begun: Vec<u32>,
    /// The messages that were handled to the end.
    done: BTreeSet<u32>,
    crashed: BTreeSet<u32>,
}

struct Worker(Arc<Mutex<History>>);

impl Server for Worker {}

impl Handle<Job> for Worker {
    type Reply = u32;
    async fn handle(&mut self, job: Job, _: &mut Context<Self>) -> u32 {
        self.0.lock().unwrap().begun.push(job.number);
        if !job.takes.is_zero() {
            tokio::time::sleep(job.takes).await;
        }
        if job.crashes {
            self.0.lock().unwrap().crashed.insert(job.number);
            panic!("crash of {}", job.number);
        }
        self.0.lock().unwrap().done.insert(job.number);
        job.number
    }
}

/// The outcome of a message, as its sender has seen it.
#[derive(Debug)]
enum Outcome {
    Answered(u32),
    Failed(Exit),
    /// The limit of the call has passed, or its future was dropped.
    GivenUp,
    /// A cast that is in the mailbox.
    Accepted,
    /// A message that was not accepted.
    Refused,
}

/// Sends messages one after the other, and returns the outcome of each.
async fn sender(server: ServerRef<Worker>, numbers: std::ops::Range<u32>, seed: u64) -> Vec<(u32, Outcome)> {
    let mut rng = Rng::with_seed(seed);
    let mut outcomes = Vec::new();
    for number in numbers {
        let takes = Duration::from_millis(if rng.bool() { 0 } else { rng.u64(1..30) });
        let job = Job { number, takes, crashes: rng.u8(..10) == 0 };
        let limit = Duration::from_millis(rng.u64(1..60));
        let outcome = match rng.u8(..10) {
            0..4 => match server.call(job).timeout(Timeout::Infinity).await {
                Ok(answer) => Outcome::Answered(answer),
                Err(exit) => Outcome::Failed(exit),
            },
            4..6 => match server.call(job).timeout(limit).await {
                Ok(answer) => Outcome::Answered(answer),
                Err(Exit::Timeout(_)) => Outcome::GivenUp,
                Err(exit) => Outcome::Failed(exit),
            },
            6 => match tokio::time::timeout(limit, server.call(job)).await {
                Ok(Ok(answer)) => Outcome::Answered(answer),
                Ok(Err(exit)) => Outcome::Failed(exit),
                Err(_) => Outcome::GivenUp,
            },
            7 | 8 => match server.cast(job).timeout(limit).await {
                Ok(()) => Outcome::Accepted,
                Err(_) => Outcome::Refused,
            },
            _ => match server.try_cast(job) {
                Ok(()) => Outcome::Accepted,
                Err(TryCastError::Full(back) | TryCastError::Stopped(back)) => {
                    assert_eq!(back.number, number);
                    Outcome::Refused
                }
            },
        };
        outcomes.push((number, outcome));
        if rng.bool() {
            tokio::time::sleep(Duration::from_millis(rng.u64(..20))).await;
        }
    }
    outcomes
}

async fn run(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let history = Arc::new(Mutex::new(History::default()));
    let of_server = history.clone();
    let create = move || Worker(of_server.clone());
    let server = ServerRef::builder(create)
        .unlinked()
        .mailbox(rng.usize(1..6))
        .restart(Restart::Permanent)
        .max_restarts(1_000_000, Duration::from_secs(1))
        .start();
    let stops = rng.u8(..4) == 0;
    let n_senders = rng.u32(1..6);
    let senders = (0..n_senders).map(|n| {
        let seed = rng.u64(..);
        Task::spawn(sender(server.clone(), n * 1000..n * 1000 + 12, seed)).timeout(Timeout::Infinity)
    });
    let senders: Vec<_> = senders.collect();
    if stops {
        tokio::time::sleep(Duration::from_millis(rng.u64(..200))).await;
        let report = server.stop().await;
        assert!(report.is_clean(), "{report}");
    }
    let mut outcomes = Vec::new();
    for sender in senders {
        outcomes.push(sender.await.unwrap());
    }
    // What was accepted is handled.
    while !stops && (server.mailbox().length > 0 || server.mailbox().in_hand.is_some()) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let History { begun, done, crashed } = &*history.lock().unwrap();
    let handled: BTreeSet<u32> = begun.iter().copied().collect();
    assert_eq!(handled.len(), begun.len(), "a message was handled twice: {begun:?}");
    let mut n_given_up_in_mailbox = 0;
    for (number, outcome) in outcomes.iter().flatten() {
        match outcome {
            Outcome::Answered(answer) => assert!(answer == number && done.contains(number)),
            Outcome::Failed(Exit::Panic(report)) => {
                assert!(crashed.contains(number) && report.message() == format!("crash of {number}"));
            }
            Outcome::Failed(exit) => {
                assert!(stops && matches!(exit, Exit::Refused(Refusal::ServerStopped)), "{number}: {exit}");
                assert!(!handled.contains(number));
            }
            Outcome::GivenUp => n_given_up_in_mailbox += u64::from(!handled.contains(number)),
            Outcome::Accepted => assert!(stops || handled.contains(number), "{number} was accepted and is lost"),
            Outcome::Refused => assert!(!handled.contains(number)),
        }
    }
    for sender in &outcomes {
        let of_sender: Vec<u32> = begun.iter().copied().filter(|n| sender.iter().any(|(own, _)| own == n)).collect();
        assert!(of_sender.is_sorted(), "{of_sender:?}");
    }
    let mailbox = server.mailbox();
    assert_eq!(mailbox.handled, done.len() as u64);
    // A call that gave up while it waited for room was never in the mailbox, and is not counted.
    assert!(mailbox.skipped <= n_given_up_in_mailbox, "{mailbox:?}");
    assert_eq!(mailbox.waiting, 0);
}

#[test]
fn random_messages_crashes_stops_and_callers_that_give_up() {
    let seeds = std::env::var("CORDIAL_MODEL_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS);
    for seed in 0..seeds {
        let _watch = limited::watch();
        testing::run_seeded(seed, run(seed));
    }
}

//! Dead letters: jobs that failed for good, with what happened in each of their attempts.
//!
//! How an attempt failed is kept in the stream of the results, under a subject of its own, so that the worker of the last attempt knows
//! what happened on other nodes. A dead letter is one message: the argument of the job, and its history in a header if there is room.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_nats::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cordial::Exit;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracing::debug;

use crate::cluster::{Cluster, ClusterShared};
use crate::connect_error::ConnectError;
use crate::names::{JobId, checked, text_of};
use crate::net::{API_LIMIT, NetError, OutgoingMessage, publish_to_stream, request_api};
use crate::streams::{find_message, refused};
use crate::unwind::contain;
use crate::wire::{FUNCTION, HISTORY, REASON, SUBMITTER, escaped, header};

/// The largest number of bytes of the text of one failed attempt: a panic can have a large message.
const MAX_REASON: usize = 2000;

/// The largest number of bytes of the history of a dead letter. A stream refuses a message with more than 64 KiB of headers.
const MAX_HISTORY: usize = 32 * 1024;

/// An attempt that has left no result, and how it ended.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// Its number, counted from 1.
    pub number: u32,
    /// The node that ran it. Empty if the node was lost.
    pub node: String,
    /// When it started, by the clock of its node.
    pub started: Option<SystemTime>,
    /// How long it ran.
    pub ran_for: Option<Duration>,
    /// How it ended.
    pub reason: String,
    /// Whether it does not count against the limit of the job: it was ended because its worker or the pool of its worker was stopped, or its
    /// function has not begun, because that pool took no calls, the worker was stopped, or the lease of the job ran out before.
    #[serde(default)]
    pub was_stopped: bool,
}

/// A job that failed in the last attempt that it was allowed, or whose function its worker did not serve.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its id.
    pub id: JobId,
    /// The name of its function.
    pub function: String,
    /// The name of the program that submitted it. Empty, like `reason` and `attempts`, if the argument has left no room for headers.
    pub submitter: String,
    /// Why the last attempt failed.
    pub reason: String,
    /// Its last attempts, at most 50, the oldest first.
    pub attempts: Vec<AttemptRecord>,
    /// Its argument, encoded.
    pub input: Bytes,
    /// The sequence number of its message.
    number: u64,
}

impl AttemptRecord {
    pub(crate) fn ended(number: u32, node: &str, started: SystemTime, exit: &Exit) -> AttemptRecord {
        AttemptRecord {
            number,
            node: node.to_owned(),
            started: Some(started),
            ran_for: started.elapsed().ok(),
            reason: shortened(&format!("{exit:#}"), MAX_REASON),
            was_stopped: false,
        }
    }

    /// Returns the record of an attempt that is ended because its worker stops.
    pub(crate) fn stopped(number: u32, node: &str, started: SystemTime) -> AttemptRecord {
        let exit = Exit::from("its worker was stopped");
        AttemptRecord::uncounted(number, node, started, &exit)
    }

    /// Returns the record of an attempt that does not count.
    pub(crate) fn uncounted(number: u32, node: &str, started: SystemTime, exit: &Exit) -> AttemptRecord {
        AttemptRecord { was_stopped: true, ..AttemptRecord::ended(number, node, started, exit) }
    }

    /// Returns the record of an attempt that has failed or was stopped. `None` if there is none, for example because its node was lost.
    pub(crate) async fn find(
        shared: &ClusterShared,
        id: &JobId,
        number: u32,
    ) -> Result<Option<AttemptRecord>, NetError> {
        let (stream, subject) = (shared.subjects.results_stream(), shared.subjects.attempt(id, number));
        let record = find_message(&shared.connection, &stream, &subject, API_LIMIT).await?;
        Ok(record.and_then(|record| serde_json::from_slice(&record.payload).ok()))
    }

    fn of_lost_node(number: u32) -> AttemptRecord {
        let reason = "its node was killed, or went silent until the lease ran out".to_owned();
        AttemptRecord { number, node: String::new(), started: None, ran_for: None, reason, was_stopped: false }
    }

    /// Sends the record to its stream, and waits until it is kept, for at most `limit`.
    pub(crate) async fn keep(&self, shared: &ClusterShared, id: &JobId, limit: Duration) {
        let subject = shared.subjects.attempt(id, self.number);
        let payload = serde_json::to_vec(self).unwrap_or_default().into();
        let kept = publish_to_stream(&shared.connection, &subject, HeaderMap::new(), payload, limit).await;
        if let Err(error) = kept {
            contain(|| debug!(target: "cordial::fleet", job = %id, attempt = self.number, %error, "record_not_kept"));
        }
    }

    /// Sends the record to its stream, and does not wait until it is kept. If it is lost, the attempt counts all the same: the next worker asks this
    /// node, which has no such run any more. If the server has forgotten the delivery as well, the job waits for another lease. The history of a dead
    /// letter then says that the node was lost.
    pub(crate) fn publish(&self, shared: &ClusterShared, id: &JobId) {
        let subject = shared.subjects.attempt(id, self.number);
        shared.connection.publish(OutgoingMessage::new(subject, serde_json::to_vec(self).unwrap_or_default()));
    }
}

fn shortened(text: &str, limit: usize) -> String {
    let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= limit).last().unwrap_or(0);
    if text.len() <= limit { text.to_owned() } else { format!("{}…", &text[..end]) }
}

/// Returns the history as one line. Its texts are shortened until it fits into a header.
fn history_of(mut attempts: Vec<AttemptRecord>) -> String {
    let mut limit = MAX_REASON;
    loop {
        // JSON escapes line ends.
        let history = serde_json::to_string(&attempts).unwrap_or_default();
        if history.len() <= MAX_HISTORY || limit == 0 {
            return history;
        }
        limit /= 2;
        for attempt in &mut attempts {
            attempt.reason = shortened(&attempt.reason, limit);
        }
    }
}

/// Puts a job among the dead letters, with the history of its attempts. `last` is the record of the last one: its stream may not have it yet.
pub(crate) async fn add_dead_letter(
    shared: &Arc<ClusterShared>,
    id: &JobId,
    headers: &HeaderMap,
    input: &Bytes,
    n_attempts: u32,
    last: Option<&AttemptRecord>,
    reason: &str,
) -> Result<(), NetError> {
    /// How many records fit into a header once their texts are shortened. Each one costs a request.
    const MAX_RECORDS: u32 = 50;
    let mut attempts = Vec::new();
    for number in n_attempts.saturating_sub(MAX_RECORDS) + 1..=n_attempts {
        if let Some(last) = last.filter(|last| last.number == number) {
            attempts.push(last.clone());
            continue;
        }
        let record = AttemptRecord::find(shared, id, number).await?;
        attempts.push(record.unwrap_or_else(|| AttemptRecord::of_lost_node(number)));
    }
    let mut dead = HeaderMap::new();
    for name in [FUNCTION, SUBMITTER] {
        if let Some(value) = header(headers, name) {
            dead.insert(name, value);
        }
    }
    dead.insert(REASON, &*escaped(&shortened(reason, MAX_REASON)));
    dead.insert(HISTORY, &*history_of(attempts));
    let subject = shared.subjects.of("dead", id);
    let limit = Duration::from_secs(2);
    let kept = publish_to_stream(&shared.connection, &subject, dead, input.clone(), limit).await;
    match kept {
        // An argument that nearly fills a message has no room for its history.
        Err(error) if error.is_too_large() => {
            let mut dead = HeaderMap::new();
            dead.insert(FUNCTION, header(headers, FUNCTION).unwrap_or_default());
            publish_to_stream(&shared.connection, &subject, dead, input.clone(), limit).await.map(drop)
        }
        kept => kept.map(drop),
    }
}

impl Cluster {
    /// Returns the dead letters of a group, the oldest first: at most 1000, and no more after their arguments have 32 MiB together.
    /// [`dead_letters_after`](Cluster::dead_letters_after) returns the following ones.
    ///
    /// # Errors
    ///
    /// If the name of the group is invalid, the server does not answer, or the login has no permission.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn dead_letters(&self, group: &str) -> Result<Vec<DeadLetter>, ConnectError> {
        self.dead_letters_from(&checked("group", group)?, 1).await
    }

    /// Returns the dead letters of the same group that were added after this one, within the limits of [`dead_letters`](Cluster::dead_letters). The
    /// result is empty after the last one. The letter itself may have been removed meanwhile.
    ///
    /// # Errors
    ///
    /// As [`dead_letters`](Cluster::dead_letters).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn dead_letters_after(&self, letter: &DeadLetter) -> Result<Vec<DeadLetter>, ConnectError> {
        self.dead_letters_from(letter.id.group(), letter.number + 1).await
    }

    async fn dead_letters_from(&self, group: &str, first: u64) -> Result<Vec<DeadLetter>, ConnectError> {
        const MAX: usize = 1000;
        const MAX_BYTES: usize = 32 * 1024 * 1024;
        let shared = &self.shared;
        let stream = shared.subjects.dead_stream();
        let error = |error| refused("read the dead letters", error);
        let (mut letters, mut n_bytes) = (Vec::new(), 0);
        let mut number = first;
        while letters.len() < MAX && n_bytes < MAX_BYTES {
            // Gets the first message of these subjects from this sequence number on.
            let get = json!({ "seq": number, "next_by_subj": shared.subjects.of_group("dead", group) });
            let reply = request_api(&shared.connection, &format!("STREAM.MSG.GET.{stream}"), &get).await;
            let message = match reply {
                Ok(mut reply) => reply["message"].take(),
                Err(NetError::Api { code: 10037, .. }) => break,
                // If the stream does not exist, there is no dead letter.
                Err(failed) if failed.is_no_stream() => break,
                Err(failed) => return Err(error(failed)),
            };
            let found = message["seq"].as_u64().unwrap_or(u64::MAX - 1);
            number = found + 1;
            if let Some(letter) = read(&message, found) {
                n_bytes += letter.input.len();
                letters.push(letter);
            }
        }
        Ok(letters)
    }

    /// Removes a dead letter. Returns whether there was one.
    ///
    /// # Errors
    ///
    /// If the server does not answer, or the login has no permission.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the dead letter may have been removed.
    pub async fn remove_dead_letter(&self, id: &JobId) -> Result<bool, ConnectError> {
        let shared = &self.shared;
        let purge = format!("STREAM.PURGE.{}", shared.subjects.dead_stream());
        let filter = json!({ "filter": shared.subjects.of("dead", id) });
        match request_api(&shared.connection, &purge, &filter).await {
            Ok(purged) => Ok(purged["purged"].as_u64().unwrap_or_default() > 0),
            Err(error) if error.is_no_stream() => Ok(false),
            Err(error) => Err(refused("remove a dead letter", error)),
        }
    }
}

/// Reads a message in the form in which the API returns it: headers and payload are base64.
fn read(message: &Value, number: u64) -> Option<DeadLetter> {
    let decode = |field: &str| STANDARD.decode(message[field].as_str().unwrap_or_default()).ok();
    let headers = String::from_utf8_lossy(&decode("hdrs")?).into_owned();
    let value = |name: &str| {
        let line = headers.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(|text| text.trim().to_owned()).unwrap_or_default()
    };
    Some(DeadLetter {
        id: JobId::of_subject(message["subject"].as_str()?)?,
        function: text_of(&value(FUNCTION)).unwrap_or_default(),
        submitter: value(SUBMITTER),
        reason: value(REASON),
        attempts: serde_json::from_str(&value(HISTORY)).unwrap_or_default(),
        input: decode("data")?.into(),
        number,
    })
}

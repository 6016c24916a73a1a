//! Requests to JetStream: its API, messages for a stream, and direct gets of messages of a stream.
//!
//! The requests and answers are those that the servers document as `io.nats.jetstream.api.v1`, of version 2.9 and later.

use std::time::Duration;

use async_nats::{HeaderMap, Message, StatusCode};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::connection::Connection;
use super::net_error::NetError;

/// How long a request to JetStream may take, unless the caller sets another limit.
pub(crate) const API_LIMIT: Duration = Duration::from_millis(2800);

/// How long most tries of [`with_tries`] may take.
pub(crate) const TRY_LIMIT: Duration = Duration::from_secs(2);

/// For how long [`with_tries`] repeats a request. A server comes back in that time.
const TRY_FOR: Duration = Duration::from_secs(60);

#[derive(Debug, Deserialize)]
struct ErrorReply {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

/// The answer to a message for a stream.
#[derive(Debug, Deserialize)]
struct Kept {
    error: Option<ErrorReply>,
    /// The stream that has it. Without this, another program has answered.
    stream: Option<IgnoredAny>,
    /// Whether the stream had the message already.
    #[serde(default)]
    duplicate: bool,
}

/// The answer to a request: its fields, if there is no error.
pub(crate) type ApiReply = Value;

/// A message that a stream has kept.
#[derive(Debug)]
pub(crate) struct StoredMessage {
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Bytes,
}

impl StoredMessage {
    /// Returns the sequence number of the message in its stream.
    pub(crate) fn number(&self) -> Result<u64, NetError> {
        let number = self.headers.get("Nats-Sequence").and_then(|number| number.as_str().parse().ok());
        number.ok_or_else(|| NetError::Broken("the answer to a direct get has no number".into()))
    }
}

/// Sends a request to `$JS.API.` and this subject.
pub(crate) async fn request_api(connection: &Connection, subject: &str, body: &Value) -> Result<ApiReply, NetError> {
    request_api_within(connection, subject, body, API_LIMIT).await
}

/// Does the same as [`request_api`], with another limit.
pub(crate) async fn request_api_within(
    connection: &Connection,
    subject: &str,
    body: &Value,
    limit: Duration,
) -> Result<ApiReply, NetError> {
    let payload = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    let subject = format!("$JS.API.{subject}");
    let answer = connection.request(&subject, HeaderMap::new(), payload, limit).await?;
    read_reply(&answer)
}

/// Publishes a message and waits until the stream has kept it. Returns whether the stream had it already (its message id is known).
pub(crate) async fn publish_to_stream(
    connection: &Connection,
    subject: &str,
    headers: HeaderMap,
    payload: Bytes,
    limit: Duration,
) -> Result<bool, NetError> {
    let answer = connection.request(subject, headers, payload, limit).await?;
    match serde_json::from_slice(&answer.payload).map_err(unreadable)? {
        Kept { error: Some(error), .. } => Err(NetError::of_api(error.err_code, &error.description)),
        Kept { stream: Some(_), duplicate, .. } => Ok(duplicate),
        Kept { .. } => Err(NetError::Broken("the answer of JetStream names no stream".into())),
    }
}

fn unreadable(error: serde_json::Error) -> NetError {
    NetError::Broken(format!("the answer of JetStream cannot be read: {error}").into())
}

fn read_reply(answer: &Message) -> Result<Value, NetError> {
    let mut reply: Value = serde_json::from_slice(&answer.payload).map_err(unreadable)?;
    match reply.get_mut("error").map(Value::take) {
        None | Some(Value::Null) => Ok(reply),
        Some(error) => {
            let error: ErrorReply = serde_json::from_value(error).map_err(unreadable)?;
            Err(NetError::of_api(error.err_code, &error.description))
        }
    }
}

/// Returns the last message of a subject, or `None` if there is none, by a direct get: any replica of the stream answers. If the stream does not
/// exist, there is no answer, not even that there are no responders.
pub(crate) async fn direct_get(
    connection: &Connection,
    stream: &str,
    subject: &str,
    limit: Duration,
) -> Result<Option<StoredMessage>, NetError> {
    let get = format!("$JS.API.DIRECT.GET.{stream}.{subject}");
    stored(connection.request(&get, HeaderMap::new(), Bytes::new(), limit).await?)
}

/// Reads the answer to a direct get.
fn stored(answer: Message) -> Result<Option<StoredMessage>, NetError> {
    match answer.status {
        Some(StatusCode::NOT_FOUND) => Ok(None),
        Some(status) if !status.is_success() => Err(NetError::Broken(
            format!("the answer to a direct get has the status {status}: {}", answer.description.unwrap_or_default())
                .into(),
        )),
        _ => Ok(Some(StoredMessage { headers: answer.headers.unwrap_or_default(), payload: answer.payload })),
    }
}

/// Repeats a request for a minute while the server does not answer, no server has the stream, or the answer cannot be read: another program may have
/// answered in place of JetStream.
pub(crate) async fn with_tries<T, F>(request: impl Fn() -> F) -> Result<T, NetError>
where
    F: Future<Output = Result<T, NetError>>,
{
    let deadline = Instant::now() + TRY_FOR;
    loop {
        match request().await {
            // A deadline, not a number of tries: "no responders" comes at once.
            Err(NetError::Silent | NetError::NoResponders | NetError::Broken(_)) if Instant::now() < deadline => {
                sleep(TRY_LIMIT / 10).await;
            }
            done => return done,
        }
    }
}

/// Returns the first message of a subject whose sequence number is at least `from`, and that number, by a direct get.
pub(crate) async fn direct_get_next(
    connection: &Connection,
    stream: &str,
    subject: &str,
    from: u64,
) -> Result<Option<(u64, StoredMessage)>, NetError> {
    let get = format!("$JS.API.DIRECT.GET.{stream}");
    let body = json!({ "seq": from, "next_by_subj": subject }).to_string();
    let answer = connection.request(&get, HeaderMap::new(), body.into(), API_LIMIT).await?;
    let Some(message) = stored(answer)? else { return Ok(None) };
    Ok(Some((message.number()?, message)))
}

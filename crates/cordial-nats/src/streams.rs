//! The streams of a fleet, and the consumer of a group: made if they are missing, and checked if they are there.
//!
//! | JetStream | made with | for |
//! |---|---|---|
//! | stream `PREFIX-jobs-GROUP` | retention `workqueue`: an acknowledged job is removed | a job that is done is not delivered again |
//! | | discard `new`: a full stream refuses, and drops nothing | a submit is refused or kept |
//! | | one message per subject, `discard_new_per_subject` | a key that waits or runs is not queued twice |
//! | | `duplicate_window` | a submit that is sent again because its answer was lost is kept once |
//! | stream `PREFIX-results` | one message per subject, `discard_new_per_subject` | the first result of a job wins |
//! | | `republish` of accepted results | submitters wait on a plain subscription, without a consumer for each job |
//! | | `allow_direct` | a result is looked up by its subject |
//! | | `max_age` | results expire |
//! | stream `PREFIX-dead` | `max_age` | dead letters |
//! | object store `PREFIX-files` | `max_age`, `allow_rollup_hdrs` | files for jobs |
//! | consumer `workers` | pull, explicit acknowledgements, `ack_wait` | leases |

use std::time::Duration;

use serde_json::{Value, json};

use crate::connect_error::{CONSUMER_DIFFERS, ConnectError};
use crate::names::Subjects;
use crate::net::{ApiReply, Connection, NetError, StoredMessage, direct_get, request_api, request_api_within};
use crate::options::StreamOptions;

/// The consumer that all workers of a group share.
pub(crate) const CONSUMER: &str = "workers";

/// How many pull requests of all workers of a group together may be open. A worker has one or a few, and up to 64 if an operator limits how many
/// jobs a request may ask for.
const MAX_WAITING: u64 = 4096;

/// Error codes of JetStream.
const CONSUMER_NOT_FOUND: u64 = 10014;
const STREAM_NAME_IN_USE: u64 = 10058;
const NOT_ENABLED: u64 = 10076;
const NOT_ENABLED_FOR_ACCOUNT: u64 = 10039;

/// Checks that the server keeps streams for this account.
pub(crate) async fn check_jetstream(
    connection: &Connection,
    servers: &str,
    subjects: &Subjects,
) -> Result<(), ConnectError> {
    let name = subjects.results_stream();
    match request_api(connection, &format!("STREAM.INFO.{name}"), &Value::Null).await {
        // A login that may only call functions may not look at streams. The first use of a stream then reports what is wrong.
        Ok(_) | Err(NetError::Denied(_)) => Ok(()),
        Err(error) if error.is_no_stream() => Ok(()),
        Err(NetError::NoResponders | NetError::Api { code: NOT_ENABLED | NOT_ENABLED_FOR_ACCOUNT, .. }) => {
            Err(ConnectError::NoJetStream { servers: servers.into() })
        }
        Err(error) => Err(refused("look at its streams", error)),
    }
}

/// Makes the streams for results and dead letters, or checks them.
pub(crate) async fn ensure_common(
    connection: &Connection,
    subjects: &Subjects,
    options: StreamOptions,
) -> Result<(), ConnectError> {
    let dest = subjects.prefix();
    let results = json!({
        "name": subjects.results_stream(),
        "subjects": [subjects.of_all("result"), format!("{}.*", subjects.of_all("attempt"))],
        "retention": "limits",
        "discard": "new",
        "max_msgs_per_subject": 1,
        "discard_new_per_subject": true,
        "max_age": nanoseconds(options.keep_results),
        "duplicate_window": nanoseconds(options.duplicate_window.min(options.keep_results)),
        "allow_direct": true,
        "republish": {
            "src": subjects.of_all("result"),
            "dest": format!("{dest}.done.{{{{wildcard(1)}}}}.{{{{wildcard(2)}}}}.{{{{wildcard(3)}}}}"),
        },
        "storage": "file",
        "num_replicas": options.replicas.unwrap_or(1),
    });
    ensure_stream(connection, results, options).await?;
    let dead = json!({
        "name": subjects.dead_stream(),
        "subjects": [subjects.of_all("dead")],
        "retention": "limits",
        "discard": "old",
        "max_msgs_per_subject": 1,
        "max_age": nanoseconds(options.keep_dead),
        "allow_direct": true,
        "storage": "file",
        "num_replicas": options.replicas.unwrap_or(1),
    });
    ensure_stream(connection, dead, options).await
}

/// Makes the object store, or checks it.
pub(crate) async fn ensure_files(
    connection: &Connection,
    subjects: &Subjects,
    options: StreamOptions,
) -> Result<(), ConnectError> {
    let files = json!({
        "name": subjects.files_stream(),
        "subjects": subjects.all_objects(),
        "retention": "limits",
        "discard": "new",
        "max_age": nanoseconds(options.keep_results),
        "duplicate_window": nanoseconds(options.duplicate_window.min(options.keep_results)),
        "allow_rollup_hdrs": true,
        "allow_direct": true,
        "storage": "file",
        "num_replicas": options.replicas.unwrap_or(1),
    });
    ensure_stream(connection, files, StreamOptions { max_jobs: None, max_bytes: None, ..options }).await
}

/// Makes the stream for the jobs of a group, or checks it.
pub(crate) async fn ensure_jobs(
    connection: &Connection,
    subjects: &Subjects,
    group: &str,
    options: StreamOptions,
) -> Result<(), ConnectError> {
    let mut jobs = json!({
        "name": subjects.jobs_stream(group),
        "subjects": [subjects.of_group("job", group)],
        "retention": "workqueue",
        "discard": "new",
        "max_msgs_per_subject": 1,
        "discard_new_per_subject": true,
        "duplicate_window": nanoseconds(options.duplicate_window.min(options.keep_results)),
        "storage": "file",
        "num_replicas": options.replicas.unwrap_or(1),
    });
    if let Some(n) = options.max_jobs {
        jobs["max_msgs"] = n.into();
    }
    if let Some(bytes) = options.max_bytes {
        jobs["max_bytes"] = bytes.into();
    }
    ensure_stream(connection, jobs, options).await
}

/// The limits of the requests for jobs. An operator may have given the consumer or the server smaller ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PullLimits {
    /// How many jobs.
    pub(crate) batch: usize,
    /// For how long.
    pub(crate) expires: Duration,
    /// How many requests of all workers of the group together may be open.
    pub(crate) waiting: usize,
}

/// Makes the consumer of a group, or checks its lease. Returns its limits.
pub(crate) async fn ensure_consumer(
    connection: &Connection,
    subjects: &Subjects,
    group: &str,
    lease: Duration,
) -> Result<PullLimits, ConnectError> {
    let stream = subjects.jobs_stream(group);
    let what = format!("look at the consumer {CONSUMER:?} of the stream {stream:?}");
    match request_api(connection, &format!("CONSUMER.INFO.{stream}.{CONSUMER}"), &Value::Null).await {
        Ok(info) => {
            let ack_wait = info["config"]["ack_wait"].as_u64().unwrap_or_default();
            if ack_wait == nanoseconds(lease) {
                return Ok(limits_of(&info));
            }
            let difference = format!(
                "{CONSUMER_DIFFERS} {CONSUMER:?} is {:?}, and that of this program {lease:?}",
                Duration::from_nanos(ack_wait)
            );
            return Err(ConnectError::OtherSettings { stream: stream.into(), difference: difference.into() });
        }
        Err(NetError::Api { code: CONSUMER_NOT_FOUND, .. }) => {}
        Err(error) => return Err(refused(&what, error)),
    }
    let consumer = json!({
        "stream_name": stream,
        "config": {
            "durable_name": CONSUMER,
            "deliver_policy": "all",
            "ack_policy": "explicit",
            "ack_wait": nanoseconds(lease),
            // No limit: the workers count the runs of a job, which are not its deliveries, and make it a dead letter after the last one.
            "max_deliver": -1,
            "max_ack_pending": -1,
            "max_waiting": MAX_WAITING,
            "replay_policy": "instant",
        },
    });
    let create = format!("CONSUMER.DURABLE.CREATE.{stream}.{CONSUMER}");
    let made = request_api(connection, &create, &consumer).await;
    made.map(|made| limits_of(&made))
        .map_err(|error| refused(&format!("make the consumer {CONSUMER:?} of the stream {stream:?}"), error))
}

fn limits_of(consumer: &ApiReply) -> PullLimits {
    let limit = |field: &str| consumer["config"][field].as_u64().filter(|limit| *limit > 0);
    let number = |field: &str| limit(field).and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
    PullLimits {
        batch: number("max_batch"),
        expires: limit("max_expires").map_or(Duration::MAX, Duration::from_nanos),
        waiting: number("max_waiting"),
    }
}

/// Returns whether a stream exists.
pub(crate) async fn has_stream(connection: &Connection, name: &str) -> Result<bool, NetError> {
    match request_api(connection, &format!("STREAM.INFO.{name}"), &Value::Null).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_no_stream() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns how long a stream keeps a message; `None` if it has no limit for that. An operator may have given it another limit than this library.
pub(crate) async fn max_age(connection: &Connection, name: &str) -> Result<Option<Duration>, ConnectError> {
    let info = request_api(connection, &format!("STREAM.INFO.{name}"), &Value::Null).await;
    info.map(|info| max_age_of(&info)).map_err(|error| refused(&format!("look at the stream {name:?}"), error))
}

fn max_age_of(info: &ApiReply) -> Option<Duration> {
    info["config"]["max_age"].as_u64().filter(|age| *age > 0).map(Duration::from_nanos)
}

/// Returns whether a worker of a group waits for a job. False if the group has no consumer.
pub(crate) async fn has_open_requests(
    connection: &Connection,
    subjects: &Subjects,
    group: &str,
) -> Result<bool, NetError> {
    let subject = format!("CONSUMER.INFO.{}.{CONSUMER}", subjects.jobs_stream(group));
    match request_api(connection, &subject, &Value::Null).await {
        Ok(info) => Ok(info["num_waiting"].as_u64().unwrap_or(0) > 0),
        Err(NetError::Api { code: CONSUMER_NOT_FOUND, .. }) => Ok(false),
        Err(error) if error.is_no_stream() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns whether a stream has a message of this subject. The leader of the stream answers, never a replica that lags behind.
pub(crate) async fn has_message(connection: &Connection, stream: &str, subject: &str) -> Result<bool, NetError> {
    n_messages(connection, stream, subject).await.map(|n| n > 0)
}

/// Returns how many messages of this subject a stream has, as [`has_message`] does.
pub(crate) async fn n_messages(connection: &Connection, stream: &str, subject: &str) -> Result<u64, NetError> {
    const LIMIT: Duration = Duration::from_millis(1700);
    let filter = json!({ "subjects_filter": subject });
    match request_api_within(connection, &format!("STREAM.INFO.{stream}"), &filter, LIMIT).await {
        Ok(info) if has_leader(&info) => Ok(info["state"]["subjects"][subject].as_u64().unwrap_or(0)),
        Ok(_) => Err(NetError::Silent),
        Err(error) if error.is_no_stream() => Ok(0),
        Err(error) => Err(error),
    }
}

/// Returns the last message of a subject. Any replica of the stream answers. One that lags behind may not have the message yet, so the leader is
/// asked before the result is `None`; if it has the message, the result is [`NetError::Silent`], and another try may succeed.
pub(crate) async fn find_message(
    connection: &Connection,
    stream: &str,
    subject: &str,
    limit: Duration,
) -> Result<Option<StoredMessage>, NetError> {
    match direct_get(connection, stream, subject, limit).await? {
        None if has_message(connection, stream, subject).await? => Err(NetError::Silent),
        found => Ok(found),
    }
}

/// Returns whether the leader of a stream has answered a question about it. In a cluster whose servers have no leader for the stream, any of them
/// answers, also one that has missed the last messages.
fn has_leader(info: &ApiReply) -> bool {
    let cluster = &info["cluster"];
    cluster.is_null() || cluster["leader"].as_str().is_some_and(|leader| !leader.is_empty())
}

/// Calls a function for each subject that matches a filter and has messages. Returns how long the stream keeps a message; `None` if it has no limit
/// for that.
pub(crate) async fn for_each_subject(
    connection: &Connection,
    stream: &str,
    filter: &str,
    mut visit: impl FnMut(&str),
) -> Result<Option<Duration>, NetError> {
    /// The server sorts all subjects before it answers.
    const LIMIT: Duration = Duration::from_secs(30);
    let mut n_visited = 0;
    loop {
        let filter = json!({ "subjects_filter": filter, "offset": n_visited });
        let info = request_api_within(connection, &format!("STREAM.INFO.{stream}"), &filter, LIMIT).await?;
        if !has_leader(&info) {
            return Err(NetError::Silent);
        }
        // An answer has at most 100,000 of them.
        let subjects = info["state"]["subjects"].as_object();
        for (subject, _) in subjects.into_iter().flatten() {
            visit(subject);
        }
        let n_subjects = subjects.map_or(0, serde_json::Map::len);
        n_visited += n_subjects;
        if n_subjects == 0 || n_visited as u64 >= info["total"].as_u64().unwrap_or(0) {
            return Ok(max_age_of(&info));
        }
    }
}

async fn ensure_stream(connection: &Connection, config: Value, options: StreamOptions) -> Result<(), ConnectError> {
    let name = config["name"].as_str().unwrap_or_default().to_owned();
    match request_api(connection, &format!("STREAM.INFO.{name}"), &Value::Null).await {
        Ok(info) => return check(&name, &config, &info, options),
        Err(error) if error.is_no_stream() => {}
        Err(error) => return Err(refused(&format!("look at the stream {name:?}"), error)),
    }
    match request_api(connection, &format!("STREAM.CREATE.{name}"), &config).await {
        Ok(_) => Ok(()),
        // Another program made it in the meantime.
        Err(NetError::Api { code: STREAM_NAME_IN_USE, .. }) => {
            let info = request_api(connection, &format!("STREAM.INFO.{name}"), &Value::Null).await;
            check(
                &name,
                &config,
                &info.map_err(|error| refused(&format!("look at the stream {name:?}"), error))?,
                options,
            )
        }
        Err(error) => Err(refused(&format!("make the stream {name:?}"), error)),
    }
}

/// The settings on which the guarantees rest. All others may differ, because an operator may have changed them, unless the user has set them.
const FIXED: &[&str] = &[
    "subjects",
    "retention",
    "discard",
    "max_msgs_per_subject",
    "discard_new_per_subject",
    "allow_direct",
    "republish",
];

fn check(name: &str, wanted: &Value, info: &ApiReply, options: StreamOptions) -> Result<(), ConnectError> {
    let found = &info["config"];
    let set_by_user = [
        ("num_replicas", options.replicas.is_some()),
        ("max_msgs", options.max_jobs.is_some()),
        ("max_bytes", options.max_bytes.is_some()),
    ];
    let set_by_user = set_by_user.iter().filter(|(_, is_set)| *is_set).map(|(field, _)| *field);
    for field in FIXED.iter().copied().chain(set_by_user) {
        if !wanted[field].is_null() && !is_within(&wanted[field], &found[field]) {
            let difference = format!("`{field}` is {}, and has to be {}", found[field], wanted[field]);
            return Err(ConnectError::OtherSettings { stream: name.into(), difference: difference.into() });
        }
    }
    Ok(())
}

/// Returns whether the server has all wanted fields with their values. Newer servers add fields, also to nested objects.
fn is_within(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            wanted.iter().all(|(field, value)| found.get(field).is_some_and(|found| is_within(value, found)))
        }
        _ => wanted == found,
    }
}

/// Returns what a failed request means for the caller.
pub(crate) fn refused(what: &str, error: NetError) -> ConnectError {
    match error {
        NetError::Silent => ConnectError::Silent { what: what.into() },
        NetError::NoResponders => ConnectError::NoLeader { what: what.into() },
        NetError::Ended => ConnectError::Ended { what: what.into() },
        error => ConnectError::Refused { what: what.into(), reason: error.to_string().into() },
    }
}

/// Returns the nanoseconds of a duration, up to the largest number that the server reads.
fn nanoseconds(duration: Duration) -> u64 {
    duration.as_nanos().min(i64::MAX as u128) as u64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::has_leader;

    #[test]
    fn a_server_alone_and_a_leader_are_believed_and_a_replica_without_a_leader_is_not() {
        let replicas = json!([{ "name": "server-0", "current": false, "lag": 3 }]);
        assert!(has_leader(&json!({ "state": {} })));
        assert!(has_leader(&json!({ "cluster": { "name": "c", "leader": "server-1", "replicas": replicas } })));
        assert!(!has_leader(&json!({ "cluster": { "name": "c", "replicas": replicas } })));
        assert!(!has_leader(&json!({ "cluster": { "name": "c", "leader": "", "replicas": replicas } })));
    }
}

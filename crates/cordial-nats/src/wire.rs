//! The headers of jobs, results, dead letters and calls, and the payloads of heartbeats and of requests to end a call.

use std::time::Duration;

use async_nats::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cordial_isolate::Signature;
use cordial_isolate::dispatch::Carried;

use crate::names::{JobId, function_token, text_of, token};

/// The standard header of JetStream for message ids.
pub(crate) const MESSAGE_ID: &str = "Nats-Msg-Id";

pub(crate) const FUNCTION: &str = "Cordial-Function";
pub(crate) const FINGERPRINT: &str = "Cordial-Fingerprint";
pub(crate) const ATTEMPTS: &str = "Cordial-Attempts";
pub(crate) const BACKOFF: &str = "Cordial-Backoff-Ms";
pub(crate) const SUBMITTER: &str = "Cordial-Submitter";
pub(crate) const SPAWNED_AT: &str = "Cordial-Spawned-At";
pub(crate) const NODE: &str = "Cordial-Node";
pub(crate) const ATTEMPT: &str = "Cordial-Attempt";
/// What travels beside the argument: base64 of its bytes.
pub(crate) const CARRIED: &str = "Cordial-Carried";
/// The trace context again, in the header of the W3C, for other programs that look at messages.
pub(crate) const TRACEPARENT: &str = "traceparent";
pub(crate) const STATE: &str = "Cordial-State";
pub(crate) const REASON: &str = "Cordial-Reason";
pub(crate) const HISTORY: &str = "Cordial-History";

/// What a message to the submitter of a job, or to a caller, is about. The value of the header [`STATE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// A worker has taken the call.
    Accepted,
    /// The worker has no free slot, or stops.
    Busy,
    /// The payload is an outcome.
    Done,
    /// The payload is an outcome, and the job is among the dead letters.
    Dead,
    /// The job was cancelled.
    Cancelled,
}

impl State {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            State::Accepted => "accepted",
            State::Busy => "busy",
            State::Done => "done",
            State::Dead => "dead",
            State::Cancelled => "cancelled",
        }
    }

    pub(crate) fn of(headers: &HeaderMap) -> Option<State> {
        let text = header(headers, STATE)?;
        [State::Accepted, State::Busy, State::Done, State::Dead, State::Cancelled]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// How a job is run, from its headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JobHeaders {
    pub(crate) function: String,
    pub(crate) fingerprint: u64,
    pub(crate) attempts: u32,
    /// The first and the longest delay before another attempt.
    pub(crate) backoff: (Duration, Duration),
}

impl JobHeaders {
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        headers.insert(FUNCTION, &*token(&self.function));
        headers.insert(FINGERPRINT, &*format!("{:016x}", self.fingerprint));
        headers.insert(ATTEMPTS, &*self.attempts.to_string());
        let (first, max) = self.backoff;
        headers.insert(BACKOFF, &*format!("{} {}", first.as_millis(), max.as_millis()));
    }

    /// `None` if this is not a job of this library.
    pub(crate) fn read(headers: &HeaderMap) -> Option<JobHeaders> {
        let (first, max) = header(headers, BACKOFF)?.split_once(' ')?;
        let duration = |text: &str| text.parse().ok().map(Duration::from_millis);
        Some(JobHeaders {
            function: text_of(header(headers, FUNCTION)?)?,
            fingerprint: u64::from_str_radix(header(headers, FINGERPRINT)?, 16).ok()?,
            attempts: header(headers, ATTEMPTS)?.parse().ok()?,
            backoff: (duration(first)?, duration(max)?),
        })
    }

    /// Returns the delay after the failed attempt with this number: twice as long each time, plus a random part of up to the
    /// same length, so that jobs that failed together are not tried again together. At most the longest delay.
    pub(crate) fn delay_after(&self, attempt: u32) -> Duration {
        let (first, max) = self.backoff;
        let steps = attempt.saturating_sub(1).min(30);
        let delay = first.saturating_mul(1 << steps).min(max);
        delay.mul_f64(1.0 + fastrand::f64()).min(max.max(first))
    }
}

/// Adds the function to the headers of a call.
pub(crate) fn write_signature(headers: &mut HeaderMap, signature: Signature) {
    headers.insert(FUNCTION, &*token(signature.name()));
    headers.insert(FINGERPRINT, &*format!("{:016x}", signature.fingerprint()));
}

/// Adds to the headers of a result which function has made it.
pub(crate) fn write_maker(headers: &mut HeaderMap, job: &JobHeaders) {
    headers.insert(FUNCTION, &*function_token(&job.function));
    headers.insert(FINGERPRINT, &*format!("{:016x}", job.fingerprint));
}

/// Returns the name of the function that has made a result, if the function is not the one of this signature, or had other types or another
/// version at that time. Returns `None` for a result that does not name its function.
pub(crate) fn other_maker(headers: &HeaderMap, signature: Signature) -> Option<String> {
    let (function, fingerprint) = (header(headers, FUNCTION)?, header(headers, FINGERPRINT)?);
    let is_same =
        function == function_token(signature.name()) && fingerprint == format!("{:016x}", signature.fingerprint());
    (!is_same).then(|| text_of(function).unwrap_or_else(|| function.to_owned()))
}

/// How many bytes a call or a job may carry beside its argument. A stream refuses a message with more than 64 KiB of headers.
pub(crate) const MAX_CARRIED: usize = 16 * 1024;

/// Adds what a call or a job carries. Returns the number of its bytes if these are too many.
pub(crate) fn write_carried(headers: &mut HeaderMap, carried: &Carried) -> Result<(), usize> {
    if carried.is_empty() {
        return Ok(());
    }
    let bytes = carried.encode();
    if bytes.len() > MAX_CARRIED {
        return Err(bytes.len());
    }
    headers.insert(CARRIED, &*STANDARD.encode(bytes));
    // A line end in the value would begin another header.
    if let Some(context) = carried.traceparent().filter(|context| context.bytes().all(|byte| byte.is_ascii_graphic())) {
        headers.insert(TRACEPARENT, context);
    }
    Ok(())
}

/// Returns what a call or a job carries. Empty if the header is missing or invalid.
pub(crate) fn read_carried(headers: &HeaderMap) -> Carried {
    let bytes = header(headers, CARRIED).and_then(|text| STANDARD.decode(text).ok());
    bytes.map(|bytes| Carried::decode(&bytes)).unwrap_or_default()
}

/// Returns the text of the error of [`write_carried`].
pub(crate) fn too_much_carried(size: usize) -> String {
    format!(
        "what travels beside the argument has {size} bytes, and {MAX_CARRIED} are allowed; make the values of `Functions::travels` \
         smaller, or pass them in the argument"
    )
}

/// The payload of a heartbeat to the caller of a call.
pub(crate) const HEARTBEAT: &[u8] = b"beat";

/// Returns the request to a node to end the call whose answers go to this inbox.
pub(crate) fn end_of_call(inbox: &str) -> Bytes {
    Bytes::from(format!("end {inbox}"))
}

/// Returns the question to a node whether the delivery of a job that has this random number still has its lease there.
pub(crate) fn question_of_lease(id: &JobId, arrival: u64) -> Bytes {
    Bytes::from(format!("holds {arrival} {id}"))
}

/// Reads the question to a node whether a delivery has its lease there. `None` if this is another request.
pub(crate) fn lease_asked_for(request: &[u8]) -> Option<(JobId, u64)> {
    let (arrival, id) = std::str::from_utf8(request).ok()?.strip_prefix("holds ")?.split_once(' ')?;
    Some((id.parse().ok()?, arrival.parse().ok()?))
}

/// The answer of the worker that has the lease.
pub(crate) const HOLDS: &[u8] = b"holds";

pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(async_nats::HeaderValue::as_str)
}

/// Escapes the control characters of a text, because a line end would begin another header.
pub(crate) fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_debug());
        } else {
            line.push(c);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_nats::HeaderMap;

    use super::{JobHeaders, escaped};

    #[test]
    fn headers_are_read_back() {
        let job = JobHeaders {
            function: "pictures.resize".to_owned(),
            fingerprint: 7,
            attempts: 5,
            backoff: (Duration::from_millis(200), Duration::from_secs(60)),
        };
        let mut headers = HeaderMap::new();
        job.write(&mut headers);
        assert_eq!(JobHeaders::read(&headers), Some(job));
        assert_eq!(JobHeaders::read(&HeaderMap::new()), None);
    }

    #[test]
    fn only_control_characters_of_a_text_are_escaped() {
        assert_eq!(escaped("it's a \"word\"\r\n\u{1b}[0m \\ é"), "it's a \"word\"\\r\\n\\u{1b}[0m \\ é");
    }

    #[test]
    fn delays_grow_up_to_the_longest_and_are_never_zero() {
        let (first, max) = (Duration::from_millis(200), Duration::from_secs(60));
        let job = JobHeaders { function: String::new(), fingerprint: 0, attempts: 5, backoff: (first, max) };
        for attempt in 1..100 {
            let delay = job.delay_after(attempt);
            assert!(delay >= first && delay <= max, "{delay:?}");
        }
        assert!(job.delay_after(4) >= first * 8);
    }
}

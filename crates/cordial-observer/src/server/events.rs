//! The answer of `/api/events`: a stream of server-sent events.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderName, HeaderValue, StatusCode, header};
use tokio::sync::watch;

use super::reply::Refusal;
use crate::shared::ObserverShared;

/// How many streams may be open at once.
const MAX_STREAMS: usize = 32;

/// Sent first: says how long a browser waits before it connects again, in milliseconds.
const RETRY: &str = "retry: 1000\n\n";

/// Answers with a stream: an event at once, and then one a second. A client that reads slowly misses events: only the newest one waits for it.
pub(super) async fn events(shared: &Arc<ObserverShared>) -> Result<Response, Refusal> {
    if shared.ticks.receiver_count() >= MAX_STREAMS {
        let error = format!("{MAX_STREAMS} pages of this observer are open; close one of them");
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error));
    }
    let ticks = shared.ticks.subscribe();
    let first = shared.ask(|shared, collector| shared.event(collector)).await?;
    let first = Bytes::from([RETRY.as_bytes(), &first].concat());
    let body = Body::from_stream(stream::unfold((Some(first), ticks), next));
    // A proxy such as nginx would otherwise keep the events until its buffer is full.
    let buffering = HeaderName::from_static("x-accel-buffering");
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (buffering, HeaderValue::from_static("no")),
    ];
    Ok((headers, body).into_response())
}

type StreamState = (Option<Bytes>, watch::Receiver<Bytes>);

async fn next((first, mut ticks): StreamState) -> Option<(Result<Bytes, Infallible>, StreamState)> {
    if let Some(first) = first {
        return Some((Ok(first), (None, ticks)));
    }
    ticks.changed().await.ok()?;
    let event = ticks.borrow_and_update().clone();
    // The observer was stopped.
    if event.is_empty() {
        return None;
    }
    Some((Ok(event), (None, ticks)))
}

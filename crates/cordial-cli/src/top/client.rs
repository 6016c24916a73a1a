//! Requests to an observer.

use std::time::Duration;

use cordial_observer::view::{ActionAnswer, ActionKind, Failure};
use futures_util::future::join;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, ORIGIN};
use hyper::http::request::Builder;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

use super::address::Address;
use crate::text::io_error;

/// How long the answer to a request may take, unless it is an action.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long the answer to an action may take: children may use up their grace times one after the other.
const ACTION_TIMEOUT: Duration = Duration::from_secs(300);

/// The longest answer, in bytes.
const MAX_ANSWER: usize = 64 << 20;

/// Fetches an endpoint, and decodes its JSON.
///
/// # Errors
///
/// Returns a sentence for the user.
pub(super) async fn get<T: DeserializeOwned>(address: &Address, path: &str) -> Result<T, String> {
    decode(&get_bytes(address, path).await?, path)
}

/// Fetches an endpoint.
///
/// # Errors
///
/// Returns a sentence for the user.
pub(super) async fn get_bytes(address: &Address, path: &str) -> Result<Bytes, String> {
    within(TIMEOUT, address, send(address, Request::get(uri(address, path)), Bytes::new())).await
}

/// Asks the program to act on a process, and returns a sentence that says what has happened. `csrf` is the value that the
/// program puts into its pages: the program requires it in a request whose headers have no token.
///
/// # Errors
///
/// Returns a sentence for the user.
pub(super) async fn act(address: &Address, kind: ActionKind, pid: &str, csrf: &str) -> Result<String, String> {
    let body = serde_json::json!({ "kind": kind.name(), "pid": pid }).to_string();
    let path = "/api/actions";
    let request = Request::post(uri(address, path))
        .header(CONTENT_TYPE, "application/json")
        .header(ORIGIN, format!("http://{}", address.authority))
        .header("x-cordial-csrf", csrf);
    let answer = within(ACTION_TIMEOUT, address, send(address, request, body.into())).await?;
    let answer: ActionAnswer = decode(&answer, path)?;
    Ok(answer.result)
}

fn decode<T: DeserializeOwned>(answer: &[u8], path: &str) -> Result<T, String> {
    serde_json::from_slice(answer).map_err(|error| {
        format!(
            "the answer to {path} cannot be decoded: {error}; the program may have another version of cordial-observer"
        )
    })
}

fn uri(address: &Address, path: &str) -> String {
    format!("{}{path}", address.prefix)
}

async fn within(
    limit: Duration,
    address: &Address,
    answer: impl Future<Output = Result<Bytes, String>>,
) -> Result<Bytes, String> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("{} has not answered for {limit:?}", address.authority)),
    }
}

async fn send(address: &Address, request: Builder, body: Bytes) -> Result<Bytes, String> {
    let unreachable = |error: &dyn std::fmt::Display| {
        let reason = io_error::without_number(&error.to_string());
        format!("cannot reach {}: {reason}; is the program running?", address.authority)
    };
    let stream = TcpStream::connect(&address.authority).await.map_err(|error| {
        format!("cannot reach {}: {}", address.authority, io_error::describe_or(&error, "is the program running?"))
    })?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| unreachable(&error))?;
    let mut request = request.header(HOST, &address.authority).header(CONNECTION, "close");
    if let Some(token) = &address.token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let request =
        request.body(Full::new(body)).map_err(|error| format!("the address or the token is not valid: {error}"))?;
    let answer = async move {
        let response = sender.send_request(request).await.map_err(|error| unreachable(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
        let body = body.map_err(|error| match error.is::<LengthLimitError>() {
            true => format!(
                "the answer of {} is longer than {} MiB; is an observer listening there?",
                address.authority,
                MAX_ANSWER >> 20
            ),
            false => format!("the answer of {} has ended too early: {error}", address.authority),
        })?;
        Ok::<(StatusCode, Bytes), String>((status, body.to_bytes()))
    };
    // The future of the connection reads and writes the bytes. It ends after the answer, because the request asks to close the connection.
    let (answer, _) = join(answer, connection).await;
    let (status, body) = answer?;
    match status {
        _ if status.is_success() => Ok(body),
        StatusCode::UNAUTHORIZED => {
            Err("the token is missing or wrong: give the whole address that the program has printed, or --token"
                .to_owned())
        }
        _ => Err(serde_json::from_slice(&body)
            .map_or_else(|_| format!("{} has answered {status}", address.authority), |failure: Failure| failure.error)),
    }
}

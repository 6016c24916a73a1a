//! Answers: JSON, and failures as sentences.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::answer::BadRequest;
use crate::shared::Unavailable;
use crate::view::{Ended, Failure};

/// Returns an answer in JSON.
pub(super) fn json(status: StatusCode, answer: &impl Serialize) -> Response {
    let text = serde_json::to_vec(answer).expect("numbers and texts are valid JSON");
    let mime = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, mime)], text).into_response()
}

/// A request that failed: a status and a sentence.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    error: String,
    field: Option<&'static str>,
    ended: Option<Ended>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Refusal {
        Refusal { status, error: error.into(), field: None, ended: None }
    }

    /// Returns the sentence for the client.
    pub(super) fn sentence(&self) -> &str {
        &self.error
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns whether the client was refused because it has no token, a wrong one, or one that was not checked.
    pub(super) fn is_about_token(&self) -> bool {
        [StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS].contains(&self.status)
    }

    pub(super) fn ended(error: impl Into<String>, ended: Ended) -> Refusal {
        Refusal { status: StatusCode::GONE, error: error.into(), field: None, ended: Some(ended) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        json(self.status, &Failure { error: self.error, field: self.field.map(str::to_owned), ended: self.ended })
    }
}

impl From<BadRequest> for Refusal {
    fn from(bad: BadRequest) -> Refusal {
        Refusal { field: Some(bad.field), ..Refusal::new(StatusCode::BAD_REQUEST, bad.error) }
    }
}

impl From<Unavailable> for Refusal {
    fn from(_: Unavailable) -> Refusal {
        let error = "the observer was stopped, or has failed in this request";
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error)
    }
}

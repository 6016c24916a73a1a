//! The events of a server. The crate page lists them.

use std::fmt;
use std::io;
use std::time::Duration;

use tokio::time::Instant;

use super::client_limits::ExceededLimit;

/// The least time between two `accept_failed`.
const ACCEPT_FAILED_EVERY: Duration = Duration::from_secs(1);

/// Emits `accept_failed`, and counts what it leaves out.
#[derive(Debug, Default)]
pub(super) struct AcceptFailures {
    last: Option<Instant>,
    left_out: u64,
}

impl AcceptFailures {
    pub(super) fn emit(&mut self, error: &io::Error) {
        let now = Instant::now();
        if self.last.is_some_and(|last| now - last < ACCEPT_FAILED_EVERY) {
            self.left_out += 1;
            return;
        }
        self.last = Some(now);
        let left_out = std::mem::take(&mut self.left_out);
        tracing::warn!(name: "accept_failed", %error, left_out, "a connection cannot be accepted; the server goes on");
    }
}

/// Emits `connection_failed`: the handshake, the make-service or the connection has returned an error.
pub(super) fn connection_failed(error: &dyn fmt::Display) {
    tracing::debug!(name: "connection_failed", %error, "a connection failed");
}

/// Emits `client_too_slow`: the client exceeded a limit.
pub(super) fn client_too_slow(limit: ExceededLimit) {
    let limit = match limit {
        ExceededLimit::Header | ExceededLimit::Idle => "header_limit",
        ExceededLimit::Write => "write_limit",
    };
    tracing::debug!(name: "client_too_slow", limit, "a client exceeded a limit, and its connection is closed");
}

/// Emits `connection_cut_off`: the grace time was over before all responses were sent.
pub(super) fn connection_cut_off() {
    tracing::warn!(
        name: "connection_cut_off",
        "the server stops, and a connection with a request in flight was closed after the grace time"
    );
}

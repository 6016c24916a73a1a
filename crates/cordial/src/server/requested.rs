//! The requests to shut down, as a server sees them.

use std::pin::Pin;
use std::task::Context;

use crate::process::{ShutdownRequested, shutdown_requested};

/// The requests to shut down.
pub(super) struct Requested {
    request: ShutdownRequested,
    is_armed: bool,
}

impl Requested {
    /// Opts the calling process in to graceful shutdown.
    pub(super) fn new() -> Requested {
        Requested { request: shutdown_requested(), is_armed: false }
    }

    /// Returns whether a request has come. If not, the process is woken when one comes.
    pub(super) fn is_given(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.is_armed {
            self.is_armed = true;
            return Pin::new(&mut self.request).poll(cx).is_ready();
        }
        self.request.is_given()
    }
}

//! SIGINT and SIGTERM.

use std::io;

use futures_util::future::{Either, select};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::OsSignal;
use crate::process::Handle;

/// Both signals, from now on.
pub(crate) struct OsSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl OsSignals {
    pub(crate) fn listen(runtime: &Handle) -> io::Result<OsSignals> {
        let _entered = runtime.executor().tokio().enter();
        Ok(OsSignals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// The next one. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> OsSignal {
        let interrupt = std::pin::pin!(self.interrupt.recv());
        let terminate = std::pin::pin!(self.terminate.recv());
        match select(interrupt, terminate).await {
            Either::Left((Some(()), _)) => OsSignal::Interrupt,
            Either::Right((Some(()), _)) => OsSignal::Terminate,
            // The tokio runtime beside ours is gone: no more signals.
            _ => std::future::pending().await,
        }
    }
}

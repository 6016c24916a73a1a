//! SIGINT and SIGTERM.

use std::io;

use futures_util::future::{Either, select};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::OsSignal;
use crate::process::runtime::Handle;

/// Receives both signals.
pub(in crate::process::program) struct OsSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl OsSignals {
    /// Installs the signal handlers.
    pub(in crate::process::program) fn listen(runtime: &Handle) -> io::Result<OsSignals> {
        let _entered = runtime.executor().tokio().enter();
        Ok(OsSignals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next signal. Dropping the future loses nothing.
    pub(in crate::process::program) async fn next(&mut self) -> OsSignal {
        let interrupt = std::pin::pin!(self.interrupt.recv());
        let terminate = std::pin::pin!(self.terminate.recv());
        match select(interrupt, terminate).await {
            Either::Left((Some(()), _)) => OsSignal::Interrupt,
            Either::Right((Some(()), _)) => OsSignal::Terminate,
            // The tokio runtime beside this runtime was shut down: it delivers no more signals.
            _ => std::future::pending().await,
        }
    }
}

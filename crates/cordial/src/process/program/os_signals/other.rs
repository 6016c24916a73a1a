//! Ctrl-C, where there are no Unix signals.

use std::io;

use super::OsSignal;
use crate::process::runtime::Handle;

/// Receives Ctrl-C.
pub(in crate::process::program) struct OsSignals {
    ctrl_c: tokio::signal::windows::CtrlC,
}

impl OsSignals {
    /// Installs the signal handler.
    pub(in crate::process::program) fn listen(runtime: &Handle) -> io::Result<OsSignals> {
        let _entered = runtime.executor().tokio().enter();
        Ok(OsSignals { ctrl_c: tokio::signal::windows::ctrl_c()? })
    }

    /// Waits for the next signal. Dropping the future loses nothing.
    pub(in crate::process::program) async fn next(&mut self) -> OsSignal {
        match self.ctrl_c.recv().await {
            Some(()) => OsSignal::Interrupt,
            // The tokio runtime beside this runtime was shut down: it delivers no more signals.
            None => std::future::pending().await,
        }
    }
}

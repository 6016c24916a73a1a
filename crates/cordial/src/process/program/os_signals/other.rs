//! Ctrl-C, where there are no Unix signals.

use std::io;

use tokio::sync::Mutex;

use super::OsSignal;
use crate::process::runtime::{RuntimeHandle, block_on};

/// Receives Ctrl-C.
pub(in crate::process::program) struct OsSignals {
    ctrl_c: Mutex<tokio::signal::windows::CtrlC>,
}

impl OsSignals {
    /// Installs the signal handler. A Ctrl-C that has come before is not taken: tokio does not keep it.
    pub(in crate::process::program) fn listen(
        runtime: &RuntimeHandle,
        _takes_unhandled: bool,
    ) -> io::Result<OsSignals> {
        let _entered = runtime.executor().tokio().enter();
        Ok(OsSignals { ctrl_c: Mutex::new(tokio::signal::windows::ctrl_c()?) })
    }

    /// Polls the future on the calling thread.
    pub(in crate::process::program) fn block_on<F: Future>(&self, future: F) -> F::Output {
        block_on(future)
    }

    /// Waits for the next signal. Dropping the future loses nothing.
    pub(in crate::process::program) async fn next(&self) -> OsSignal {
        match self.ctrl_c.lock().await.recv().await {
            Some(()) => OsSignal::Interrupt,
            // The tokio runtime beside this runtime was shut down: it delivers no more signals.
            None => std::future::pending().await,
        }
    }

    /// Takes a signal that another run has noticed already. There is none: on Windows, every run notices all signals itself.
    pub(in crate::process::program) fn take_numbered(&self) -> Option<OsSignal> {
        None
    }

    /// Marks the signals that the run has taken as handled. Nothing to do here: for Windows, the handler of tokio has handled them.
    pub(in crate::process::program) fn set_handled(&self) {}

    /// Lets the end of the run mark all signals as handled. Nothing to do here, for the same reason.
    pub(in crate::process::program) fn disregard_rest(&self) {}
}

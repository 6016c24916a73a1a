//! Ctrl-C, where there are no Unix signals.

use std::io;

use super::OsSignal;
use crate::process::Handle;

/// Ctrl-C, from now on.
pub(crate) struct OsSignals {
    ctrl_c: tokio::signal::windows::CtrlC,
}

impl OsSignals {
    pub(crate) fn listen(runtime: &Handle) -> io::Result<OsSignals> {
        let _entered = runtime.executor().tokio().enter();
        Ok(OsSignals { ctrl_c: tokio::signal::windows::ctrl_c()? })
    }

    /// The next one. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> OsSignal {
        match self.ctrl_c.recv().await {
            Some(()) => OsSignal::Interrupt,
            // The tokio runtime beside ours is gone: no more signals.
            None => std::future::pending().await,
        }
    }
}

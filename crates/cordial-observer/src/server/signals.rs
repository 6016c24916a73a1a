//! SIGUSR1 prints the state of the program as text, if the program has asked for that.

use std::io;
use std::sync::Arc;

#[cfg(unix)]
use tokio::sync::oneshot;

#[cfg(unix)]
use crate::program_code::on_own_thread;
use crate::shared::ObserverShared;

/// The signals that ask for a text.
#[derive(Debug)]
pub(super) struct Signals(#[cfg(unix)] Option<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Signals {
    /// Installs the handler. Needs the context of a tokio runtime.
    pub(super) fn new(is_wanted: bool) -> io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};

        is_wanted.then(|| signal(SignalKind::user_defined1())).transpose().map(Signals)
    }
}

/// Prints a text to standard error for each signal. Signals that arrive while a text is made share the next one.
#[cfg(unix)]
pub(super) async fn dumps(shared: &Arc<ObserverShared>, signals: Signals) {
    use std::io::Write;

    let Signals(Some(mut signals)) = signals else { return std::future::pending().await };
    while signals.recv().await.is_some() {
        let Ok(text) = shared.ask_dump().await else { continue };
        let (printed, is_printed) = oneshot::channel();
        // The text is written on a thread of its own: the reader of standard error may be slow, or a terminal on which Ctrl-S was pressed. Standard
        // error may also be closed. The limits of `program_code` do not apply: a text is also printed while all calls that they allow are stuck.
        on_own_thread(move || drop(printed.send(io::stderr().write_all(text.as_bytes()))));
        let _ = is_printed.await;
    }
}

#[cfg(not(unix))]
impl Signals {
    #[expect(clippy::unnecessary_wraps, reason = "on Unix it can fail")]
    pub(super) fn new(_is_wanted: bool) -> io::Result<Signals> {
        Ok(Signals())
    }
}

#[cfg(not(unix))]
pub(super) async fn dumps(_: &Arc<ObserverShared>, _: Signals) {
    std::future::pending().await
}

//! The life of a supervisor's process, from its first poll to its exit: the part that both kinds share.
//!
//! ```text
//!  first poll ─► run, until there is a reason to stop ─► stop the children ─► leave the report ─► exit
//!                  └── future dropped: kill the children ───┘
//! ```

use super::exit_signals::ExitSignals;
use super::incarnation::{Incarnation, Incarnations};
use super::kill_on_drop::KillOnDrop;
use super::stop_reason::StopReason;
use crate::exit::Exit;
use crate::process::{ExitReceiver, StopReport, current};

/// What one kind of supervisor does in its process.
pub(super) trait Serve {
    fn incarnations(&self) -> &Incarnations;

    /// Returns a function that kills all children. It runs if the future of the process is dropped before the children
    /// have been stopped.
    fn kill_children(&self) -> impl FnOnce() + Send + use<Self>;

    /// Supervises the children until there is a reason to stop.
    async fn run(&mut self, signals: &mut ExitSignals) -> StopReason;

    /// Stops all children, and reports those that had to be killed or abandoned.
    async fn stop_children(&mut self, signals: &mut ExitSignals) -> StopReport;
}

/// Runs one incarnation of a supervisor in its process, and returns the exit of that process.
pub(super) async fn serve(server: &mut impl Serve, incarnation: &Incarnation, exit_signals: ExitReceiver) -> Exit {
    let pid = current().expect("a supervisor is polled as a process");
    let runtime = server.incarnations().runtime().clone();
    server.incarnations().started(incarnation, pid);
    let kill_on_drop = KillOnDrop::new(server.kill_children());
    let mut signals = ExitSignals::new(runtime, pid, exit_signals, incarnation.stop.clone());
    let reason = server.run(&mut signals).await;
    if matches!(reason, StopReason::OwnerExited) {
        signals.wait_for_later_supervisor().await;
    }
    let report = server.stop_children(&mut signals).await;
    kill_on_drop.disarm();
    incarnation.report.put(report);
    let exit = signals.exit_for(reason);
    server.incarnations().exiting(exit.clone());
    exit
}

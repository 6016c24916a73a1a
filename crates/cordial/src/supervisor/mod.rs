//! Supervisors: processes that own others, start them again, and end them in order.
//!
//! ```text
//!                      Supervisor            few children, which depend on each other: a strategy, an order
//!                    ┌─────┼────────┐
//!               listener  metrics  TaskSupervisor      many children, which do not
//!                                   ┌──┬──┬──┐
//!                                  connections
//! ```
//!
//! What is decided without looking at a process is pure: how many restarts are too many (`intensity`), and who is stopped and
//! started in which order (`order`). A supervisor is a process of its own, a *guardian* of the layer below: it hears of its
//! owner's end whatever that is, and a kill ends it only after what it owns.

mod clock;
mod ear;
mod factory;
mod intensity;
mod life;
mod nested;
mod order;
mod spec;
mod startable;
mod tasks;
mod tree;

pub use order::Strategy;
pub use spec::{ChildSpec, Restart};
pub use startable::Startable;
pub use tasks::{TaskSupervisor, TaskSupervisorBuilder};
pub use tree::{AutoShutdown, ChildInfo, ChildKind, ChildState, Counts, Supervisor, SupervisorBuilder};

use self::ear::Why;
use self::intensity::Limits;
use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::{Handle, StopReport, Stopped};
use crate::{telemetry, unwind};

/// Whom a supervisor belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Belongs {
    /// The process that starts it, if there is one.
    ToStarter,
    ToRuntime,
}

/// A child would have to be started again once too often: tells of it, and gives the reason for which its supervisor ends.
fn give_up(runtime: &Handle, child: &telemetry::Child<'_>, reason: &Exit, limits: Limits) -> Why {
    let Limits { max_restarts, window } = limits;
    unwind::ignore_panic(|| telemetry::give_up(child, reason, max_restarts, window));
    let supervisor = child.label.map_or_else(|| child.supervisor.to_string(), |label| format!("{label:?}"));
    let restarts = if max_restarts == 1 { "restart" } else { "restarts" };
    // The text of an error is made by code of the user's.
    let reason = unwind::catch(|| reason.to_string()).unwrap_or_default();
    Why::GaveUp(runtime.restart_limit_exits().exit(format!(
        "supervisor {supervisor} gave up on child {:?}, after {max_restarts} {restarts} within {window:?}: {reason}",
        child.child
    )))
}

/// Tells of those that did not end when they were asked.
fn tell_forced(supervisor: Pid, report: &StopReport) {
    let tell = |stopped: &Stopped, how| {
        let Stopped { pid, label, spawned_at, .. } = stopped;
        unwind::ignore_panic(|| telemetry::forced(supervisor, *pid, label.as_deref(), spawned_at, how));
    };
    report.killed.iter().for_each(|stopped| tell(stopped, "killed"));
    report.abandoned.iter().for_each(|stopped| tell(stopped, "abandoned"));
}

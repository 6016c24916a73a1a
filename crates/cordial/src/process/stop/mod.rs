//! Stopping processes: one of them, a group of them, or a whole program in order.
//!
//! Every stop takes the same steps, which are written once, in [`Step`]:
//!
//! ```text
//!  request ─── grace ───► kill ─── 100 ms ───► abandon
//!     │                     │
//!     └ ends: not reported  └ ends: reported as killed
//! ```
//!
//! A process is abandoned only if one poll of it has lasted for the whole 100 ms. Stops with a limit wait less: for a poll that
//! began after the kill, 80 ms ([`LateEnds::Limit`]); after the second signal to a program, 35 ms (`kill_group`). A killed process
//! that is in no poll waits for a thread, and ends as soon as it gets one. A killed guardian ends when the processes that it owns
//! have ended.
//!
//! To stop one process and to wait for that, await [`stop_one`]. To wait in some other way, for example for the reply of a task, take the
//! steps as an [`Escalation`] says. Three stops have no `Escalation` for each process:
//!
//! - `group` searches the table before each step, because a group may grow while it is stopped;
//! - `supervisor/tasks/stop` has one timer for all children, because there may be a million of them, each with its own grace time;
//! - `stream/deadlines` runs in the waker of a timer, because a busy consumer does not poll its stream.
//!
//! Where a kill is reported, call [`kill_one`] instead of `Step::Kill.take(..)`: it describes the process before the kill.

mod polls;

mod describe;
mod escalate;
mod group;
mod order;

pub(crate) use describe::{describe_all, describe_one};
pub(crate) use escalate::{Escalation, Step, StopOutcome, abandon, abandon_on_timer_thread, kill_one, stop_one};
pub(crate) use group::{LateEnds, stop_all, stop_these};
pub(crate) use order::stop_in_order;
pub(crate) use polls::{ABANDON_AFTER, Polls};

pub(super) use describe::describe;
pub(super) use group::kill_group;
pub(super) use order::{collect_in_order, stop_within};

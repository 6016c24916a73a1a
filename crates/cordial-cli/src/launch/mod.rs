//! The threads that start commands and wait for them.
//!
//! ```text
//! tasks ──► requests ──► workers: one slot per running command ──► replies ──► tasks
//!           (some wait)           its exit starts the next one
//! ```
//!
//! These threads are not workers of the library, for two reasons. First, the exit of one command
//! has to start the next command directly, without waking the task of its item, the printer, and
//! the next task; therefore some requests wait here, in the order of the items. Second, starting a
//! command blocks a thread for a fraction of a millisecond, which must not delay tasks.
//!
//! This folder decides neither which items run nor how failures are handled, with two exceptions: no command may start
//! after the item that halts the run, so ends are counted here; and none may start before the last item of its
//! slot is recorded.

mod child;
mod feeder;
mod fleet_child;
mod fleet_files;
mod fleet_output;
mod launcher;
mod output_reader;
mod request;
mod slot_limit;
mod throttle;
mod workers;

pub(crate) use fleet_files::{FleetDirectory, FleetFiles, FleetFilesConfig};
pub(crate) use launcher::Launcher;
pub(crate) use request::{FleetLaunch, LaunchConfig, OutputTarget, RemoteLaunch, StopWatch};
pub(crate) use slot_limit::SlotLimit;
pub(crate) use throttle::Throttle;

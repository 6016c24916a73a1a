//! The threads that start commands and wait for them.
//!
//! ```text
//! tasks ──► waiting requests ──► slots of the threads, one command each ──► replies ──► tasks
//!                    ▲                      │ a command exits
//!                    └──────────────────────┘
//! ```
//!
//! These threads are not workers of the library, for two reasons. First, the exit of a command has to start the next command
//! directly. It must not first wake three others: the task of the item that has ended, the printer, and the task of the next item. Therefore
//! some requests wait here, in the order of the items. Second, starting a command blocks a thread for a fraction of a millisecond, which must
//! not delay tasks.
//!
//! The module `map` decides which items run, and whether a failed item is tried again. Three parts of that work are here:
//!
//! - Outcomes are counted here, because no command may start after the item that halts the run.
//! - The last attempt of an item is recorded here, because no command may start in a slot before the previous item of that slot is
//!   recorded.
//! - An attempt is repeated here if the system had too few processes or open files for it, or if the connection to its machine has
//!   failed.

mod child;
mod feeder;
mod fleet_child;
mod fleet_files;
mod fleet_output;
mod item_variables;
mod launcher;
mod output_reader;
mod request;
mod slot_limit;
mod throttle;
mod workers;

pub(crate) use fleet_files::{FleetDirectory, FleetFiles, FleetFilesConfig};
pub(crate) use item_variables::functions_mention_parallel_names;
pub(crate) use launcher::Launcher;
pub(crate) use request::{FleetLaunch, LaunchConfig, OutputTarget, RemoteLaunch, TerminalStops};
pub(crate) use slot_limit::SlotLimit;
pub(crate) use throttle::Throttle;

//! The executor as the layer above sees it: nothing that is ready is forgotten, and nothing that a task does stops the rest.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod cell;
mod hooks;
mod panic;
mod shutdown;
mod simulation;
mod traps;
mod wake_races;

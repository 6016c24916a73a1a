//! The executor as the layer above uses it: every task that is ready is polled, and no task can stop the others.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod cell;
mod crowded;
mod fairness;
mod hooks;
mod long_polls;
mod panic;
#[cfg(target_os = "linux")]
mod policy;
#[path = "../../../cordial/tests/harness/program_limit.rs"]
mod program_limit;
mod shutdown;
mod simulation;
mod stand_ins;
mod traps;
mod wake_races;

//! Parallel streams as their users see them: one file per behavior, through the public interface.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

#[macro_use]
#[path = "../harness/mod.rs"]
mod harness;

mod abandoned;
mod bounds;
mod cleanup;
mod consumers;
mod failing_sources;
mod failures;
mod items;
mod limits;
mod model;
mod panics;
mod retry_errors;
mod sources;
mod supervised;
mod wakers;

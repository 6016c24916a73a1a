//! The behavior of a server, through its public API. Tests whose subject is time run on the virtual clock, over streams in memory;
//! the others use real sockets.
#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "tests")]

mod endless_responses;
mod harness;

mod http2;
mod limits;
mod protocol;
mod requests;
mod services;
mod shutdown;
mod shutdown_races;
mod sockets;
mod task_layer;
mod upgrades;

//! Tests of the crate with real NATS servers.
#![expect(clippy::disallowed_methods, reason = "tests measure how long errors take, on the real clock")]
#![expect(
    clippy::print_stdout,
    reason = "counts are printed, and a process of another role prints what its test waits for"
)]
#![allow(clippy::unwrap_used, reason = "a test fails where something unexpected happens")]

mod attempts;
mod boundaries;
mod credentials;
mod dead_letters;
mod dropped;
mod errors;
mod faults;
mod forgotten_deliveries;
mod free_port;
mod full_queue;
mod functions;
mod harness;
mod isolated;
mod jobs;
mod lagging_replica;
mod leases;
mod lost_jobs;
mod namespaces;
mod objects;
mod permissions;
mod problems;
mod processes;
mod proxy;
mod ready_client;
mod reconnects;
mod server_faults;
mod server_restarts;
#[cfg(target_os = "linux")]
mod shortages;
mod slots;
mod submit_faults;
mod tls;
mod travels;
mod user_code;
mod wrong_clock;

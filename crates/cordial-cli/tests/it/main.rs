//! Runs the real binary with real pipes, processes and signals.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

mod command;
mod comparison;
mod environment;
mod failures;
mod findutils;
mod guard;
mod harness;
mod input;
mod killed;
mod limits;
mod memory;
mod nonblocking;
mod options;
mod order;
mod orphans;
mod other_options;
mod pipe;
mod placeholders;
mod records;
mod remote;
mod retries;
mod shortages;
mod slots;
mod sources;
mod spill;
mod ssh_servers;
mod stop;
mod terminal;
mod terminal_use;
mod usage;

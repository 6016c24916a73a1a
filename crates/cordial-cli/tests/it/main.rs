//! Runs the real binary with real pipes, processes and signals.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

mod bash_lines;
mod command;
mod comparison;
mod environment;
mod failures;
mod findutils;
mod fleet;
mod fleet_files;
mod fleet_losses;
mod fleet_streams;
mod fleet_tls;
#[path = "../../../cordial-nats/tests/it/free_port.rs"]
mod free_port;
mod guard;
mod harness;
mod input;
mod joblog_pipe;
mod killed;
mod limits;
mod memory;
mod nonblocking;
mod observer;
mod options;
mod order;
mod ordered_lines;
mod orphans;
mod other_options;
mod pipe;
mod placeholders;
mod records;
mod remote;
mod remote_files;
mod remote_line;
mod retries;
mod shell_evaluation;
mod shortages;
mod slots;
mod sources;
mod spill;
mod ssh_servers;
mod stop;
mod terminal;
mod terminal_use;
mod time_limit;
mod usage;

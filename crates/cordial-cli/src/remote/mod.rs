//! Commands on other machines, over the system's `ssh` (`-S`).
//!
//! ```text
//! -S a,b ──► hosts ──► probe: which answer, how many cores ──► pool: a free slot for an item ──► script: what ssh runs there
//! ```
//!
//! Each command has a connection of its own, and its files have further ones. The `ssh` of a command is a process like any other
//! command, so limits, output and records are those of local commands. `launch` keeps the standard input of `ssh` open. After an exit
//! that may mean a failed connection, `launch` asks the host, repeats the attempt, and leaves out a host that does not answer.

mod commands;
mod files;
mod host;
mod line_size;
mod pool;
mod probe;
mod script;

pub(crate) use commands::{ConnectionAnswer, Remote, RemoteCommand, RemoteConfig, fill, path_of, same_directory};
pub(crate) use files::split_base;
pub(crate) use pool::HostSlot;

//! Commands on other machines, over the system's `ssh` (`-S`).
//!
//! ```text
//! -S a,b ──► hosts ──► probe: which answer, how many cores ──► pool: a free slot for an item ──► script: what ssh runs there
//! ```
//!
//! Each command has its own connection; copying its files takes further connections. The `ssh` of a command is a process like any
//! other command, so limits, output and records work as for local commands. `launch` keeps the standard input of `ssh` open. If the
//! exit status may mean a failed connection, `launch` asks the host whether the command has exited. If the command has not, `launch`
//! repeats the attempt. A host that does not answer is left out.

mod commands;
mod files;
mod host;
mod line_size;
mod pool;
mod probe;
mod script;

pub(crate) use commands::{
    ConnectionAnswer, RemoteCommand, RemoteCommands, RemoteConfig, fill, path_of, remote_directory,
};
pub(crate) use files::{check_removable, split_base};
pub(crate) use pool::HostSlot;

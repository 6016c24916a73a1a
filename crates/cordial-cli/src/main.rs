//! The program `cordial`: glue between a command line and the library.
//!
//! ```text
//! args ──► map ──► input   standard input, line by line, as items
//!           ├────► job     one item: command, then child with its capture
//!           └────► report  prints outcomes in order, counts failures
//! ```
//!
//! Nothing here decides how tasks run; that is the library's part. What differs between operating systems is in `system`.

mod args;
mod capture;
mod child;
mod command;
mod failure;
mod input;
mod item;
mod job;
mod map;
mod report;
mod shown;
mod system;
mod verdict;

use std::process::ExitCode;

use crate::args::{Args, Command};

fn main() -> ExitCode {
    match args::parse() {
        Ok(Args { command: Command::Map(options) }) => map::run(options),
        Err(status) => status,
    }
}

//! The program `cordial`: glue between a command line and the library.
//!
//! ```text
//! args ──► plan ──► map ──► work ─┬── source    values from a file, standard input or the command line, as items
//!                         ├── job       one item: an attempt after the other, its record
//!                         ├── launch    one thread that starts commands and waits for them
//!                         └── report    prints outcomes, counts failures
//! ```
//!
//! Which item runs when, in what order results come and what a failure does to the others is the library's part. What differs between
//! operating systems is in `system`.

mod args;
mod exit_reason;
mod input;
mod item;
mod item_failure;
mod launch;
mod map;
mod outcome;
mod output;
mod records;
mod report;
mod stop;
mod system;
mod template;
mod text;

use std::process::ExitCode;

use crate::args::{Args, Command};

/// One heap for all threads. That of libc gives each thread its own, and with items that come from one thread and go in another, all of
/// them grow for long.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    match args::parse() {
        Ok(Args { command: Command::Map(options) }) => map::run(*options),
        Ok(Args { command: Command::Completions { shell } }) => args::completions(shell),
        Ok(Args { command: Command::Manual }) => args::manual(),
        Ok(Args { command: Command::Guard }) => system::guard(),
        Err(status) => status,
    }
}

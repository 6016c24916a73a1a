//! The program `cordial`.
//!
//! ```text
//! args ──► map ─┬── input     items from a file, standard input or the command line
//!               ├── pipe      blocks of one input, which commands read
//!               ├── template  the command for an item
//!               ├── launch    threads that start commands and wait for them
//!               ├── remote    commands on other machines, over ssh
//!               ├── fleet     commands on a fleet, over NATS, and the worker that runs them
//!               ├── output    captures what commands write
//!               ├── records   joblog and results, to resume a run
//!               └── report    prints outcomes and counts failures
//!      └► top   shows in a terminal what runs in a program that has an observer
//! ```
//!
//! The library `cordial` limits how many items run at once, restores the order of results, and retries. `stop` says how
//! urgently the run is stopping, and `blocking_io` has the threads that read and write. Everything that
//! differs between operating systems is in `system`.

mod args;
mod blocking_io;
mod child_times;
mod command_size;
mod exit_reason;
mod fleet;
mod input;
mod item;
mod item_failure;
mod launch;
mod map;
mod outcome;
mod output;
mod pipe;
mod records;
mod remote;
mod report;
mod stop;
mod system;
mod template;
mod text;
mod top;

use std::process::ExitCode;
use std::thread;

use crate::args::{Args, Command};
use crate::blocking_io::print_message;
use crate::exit_reason::ExitReason;
use crate::text::io_error;

/// An allocator with one heap for all threads. The allocator of glibc gives threads several heaps. Items are allocated on one
/// thread and freed on another, so all of these heaps would grow.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// The stack that the main thread needs at most, in bytes.
const STACK_BYTES: usize = 2 << 20;

fn main() -> ExitCode {
    if system::main_stack_bytes().is_none_or(|bytes| bytes >= STACK_BYTES as u64) {
        return run();
    }
    // The stack of the main thread may be small, for example after `ulimit -s 64`. This limit does not apply to a thread that is started
    // with a stack size.
    let builder = thread::Builder::new().name("main".to_owned()).stack_size(STACK_BYTES);
    match system::check_room_for_thread().and_then(|()| builder.spawn(run)) {
        // An error means that the thread has panicked, and the panic hook has printed the message.
        Ok(thread) => thread.join().unwrap_or(ExitReason::Error.into()),
        Err(error) => {
            print_message(format_args!(
                "cannot start a thread, which is needed because the stack of the main thread is limited (ulimit -s): {}",
                io_error::describe(&error)
            ));
            ExitReason::Error.into()
        }
    }
}

fn run() -> ExitCode {
    match args::parse() {
        Ok(Args { command: Command::Map(options) }) => map::run(*options),
        Ok(Args { command: Command::Worker(options) }) => fleet::run(options),
        Ok(Args { command: Command::Top(options) }) => top::run(options),
        Ok(Args { command: Command::Completions { shell } }) => args::print_completions(shell),
        Ok(Args { command: Command::Manual }) => args::print_manual(),
        Ok(Args { command: Command::Guard }) => system::run_guard(),
        Err(status) => status,
    }
}

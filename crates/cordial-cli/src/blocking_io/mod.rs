//! Input and output that may block: on threads of their own, or on the calling thread.
//!
//! tokio's threads for blocking calls do not fit: if the system refuses such a thread, tokio panics in a read, and discards
//! what was to be written.

use std::fmt::Display;
use std::io::ErrorKind;

use crate::exit_reason::ExitReason;
use crate::system::{StandardError, StandardOutput};
use crate::text::io_error;

mod reader;
mod thread;
mod writer;

pub(crate) use reader::{read, start_reader};
pub(crate) use thread::start_thread;
pub(crate) use writer::{Writer, write_all};

/// Prints a message of this program to standard error, and waits for room. If standard error cannot be written, the message
/// is lost: there is nowhere to report that.
pub(crate) fn print_message(message: impl Display) {
    let _ = write_all(&mut StandardError, format!("cordial: {message}\n").as_bytes());
}

/// Prints a text to standard output, as the last action of the program, and returns why the program exits. A failed write is reported,
/// unless the reader has closed standard output.
pub(crate) fn print_text(text: &[u8]) -> ExitReason {
    match write_all(&mut StandardOutput, text) {
        Ok(()) => ExitReason::Finished { failed: 0 },
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitReason::OutputClosed,
        Err(error) => {
            print_message(format_args!("cannot write to standard output: {}", io_error::describe(&error)));
            ExitReason::Error
        }
    }
}

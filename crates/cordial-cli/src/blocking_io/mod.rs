//! Input and output that may block, on threads of their own.
//!
//! tokio's threads for blocking calls are no choice here: if the system refuses such a thread,
//! tokio panics in a read, and discards what was to be written.

mod reader;
mod writer;

pub(crate) use reader::{read, start_reader, start_thread};
pub(crate) use writer::Writer;

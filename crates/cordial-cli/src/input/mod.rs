//! Items from standard input, a file or the command line, as a stream that uses a bounded amount of memory.

mod product;
mod read_ahead;
mod source;
mod splitter;

pub(crate) use product::Product;
pub(crate) use source::{Known, Source};

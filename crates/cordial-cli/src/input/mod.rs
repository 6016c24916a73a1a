//! Items from standard input, a file or the command line, as a stream. Its memory is bounded,
//! except with `--halt` and a percentage, which needs the number of items first.
//!
//! ```text
//! input ──► ReadAhead: chunks (16 KiB), at most 4 ──► Splitter: values ──┐
//!                                                                        ├──► ItemSource: items, until the run is stopped
//! ::: a b ::: 1 2 ──────────────────────────────────► Product: values ───┘
//! ```

mod product;
mod read_ahead;
mod source;
mod splitter;
mod value_count;

pub(crate) use product::Product;
pub(crate) use source::ItemSource;
pub(crate) use value_count::ValueCount;

//! Items from standard input, files and the command line, as a stream. The memory of one input is bounded. Several
//! sources, whose combinations are the items, are read into memory; and so are all items with `--halt` and a percentage,
//! which needs the number of items first.
//!
//! ```text
//! one input ──► ReadAhead: chunks (16 KiB), at most 4 ──► Splitter: values ──┐
//!                                                                            ├──► ItemSource: records, then items
//! several inputs, ::: a b ::: 1 2 ──────────────► Lists: combinations ───────┘
//! ```

mod grouping;
mod lists;
mod read_ahead;
mod separator;
mod source;
mod sources;
mod splitter;
mod value_count;
mod value_edit;
mod words;

pub(crate) use grouping::{Grouping, MAX_COMMAND_BYTES, SizeLimit};
pub(crate) use lists::Combination;
pub(crate) use separator::ItemSeparator;
pub(crate) use source::ItemSource;
pub(crate) use sources::{Origin, Source, Sources};
pub(crate) use value_count::ValueCount;
pub(crate) use value_edit::{Trim, ValueEdit};

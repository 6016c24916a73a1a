//! Items from standard input, files and the command line, as a stream. The memory of one input is bounded. Several
//! sources are read into memory, because the items are their combinations. A percentage in `--halt` needs the number of
//! items, so all items are then read into memory before the first one runs.
//!
//! ```text
//! one input ──► ReadAhead: chunks (16 KiB), at most 4 ──► Splitter: values ──┐
//!                                                                            ├──► ItemSource: records, then items
//! several inputs, ::: a b ::: 1 2 ──────────────► Lists: combinations ───────┘
//! ```

mod grouping;
mod lists;
mod read_ahead;
mod record_count;
mod separator;
mod source;
mod sources;
mod splitter;
mod value_edit;
mod words;

pub(crate) use grouping::{Grouping, MAX_COMMAND_BYTES, SizeLimit};
pub(crate) use lists::Combination;
pub(crate) use record_count::RecordCount;
pub(crate) use separator::ItemSeparator;
pub(crate) use source::ItemSource;
pub(crate) use sources::{Origin, Source, Sources};
pub(crate) use value_edit::{Trim, ValueEdit};

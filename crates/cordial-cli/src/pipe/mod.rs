//! One input, cut into blocks of whole records, which commands read from their standard input (`--pipe`).
//!
//! ```text
//! input ──► reader thread: a buffer, cut after its last whole record ──► Blocks ──► one item per block
//!                 ▲                                                        └──► with --round-robin, one item per slot
//!                 └── pool: buffers of blocks that were dropped
//! ```
//!
//! A record is never cut, so a record that is longer than a block makes its block longer. The number of blocks that exist at once is
//! limited. So their memory is limited as well, unless records are long, or a block is a number of records (`-N`). On Linux, most blocks
//! of a regular file stay in the file (`file_blocks`).

mod block;
mod cutter;
mod file_blocks;
mod input;
mod reader;
mod separator;

pub(crate) use block::{Block, BlockBytes};
pub(crate) use input::{ItemInput, SharedBlocks};
pub(crate) use reader::{BlockOptions, Blocks};
pub(crate) use separator::Separator;

//! Items from the blocks of the input (`--pipe`).

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::input::{Origin, RecordCount};
use crate::item::{Item, Value};
use crate::launch::SlotLimit;
use crate::pipe::{BlockOptions, Blocks};
use crate::stop::token::{StopLevel, StopToken};
use crate::system::StandardInput;
use crate::text::io_error;

/// The items of a run, one for each block or, with `--round-robin`, one for each slot.
pub(super) struct BlockSource {
    blocks: Blocks,
    index: u64,
    count: Arc<RecordCount>,
    stop: StopToken,
}

/// Starts to read the input.
///
/// # Errors
///
/// A message, when the system refuses a thread.
pub(super) fn start(
    origin: Origin,
    options: BlockOptions,
    stdin: StandardInput,
    limit: SlotLimit,
) -> Result<Blocks, String> {
    // For each slot there is one block that its command reads and one that waits, and two more blocks are being cut. With
    // `--round-robin`, each command keeps its first block until the command ends, even if the limit has become smaller.
    let least = options.n_sharing.unwrap_or(0);
    let max_blocks = move || limit.get().max(least).saturating_mul(2).saturating_add(2);
    let blocks = match origin {
        Origin::File { file, .. } => Blocks::start(file, options, max_blocks),
        Origin::Stdin | Origin::Words(_) => Blocks::start(stdin, options, max_blocks),
    };
    blocks.map_err(|error| format!("cannot start the thread that reads the input: {}", io_error::describe(&error)))
}

impl BlockSource {
    pub(super) fn new(blocks: Blocks, stop: StopToken) -> BlockSource {
        BlockSource { blocks, index: 0, count: Arc::default(), stop }
    }

    /// Returns the count of items.
    pub(super) fn count(&self) -> Arc<RecordCount> {
        Arc::clone(&self.count)
    }

    /// Returns whether the commands share the rest of the input (`--round-robin`). Running commands get it when all items are
    /// returned, or after `end`.
    pub(super) fn is_shared(&self) -> bool {
        self.blocks.shared().is_some()
    }

    /// Ends the items before the input has ended, because no further command starts. With `--round-robin`, the commands that run
    /// get the rest of the input.
    pub(super) fn end(&mut self) {
        self.blocks.share_rest();
        // Commands that may finish read the input to its end, so the input has no further items.
        if self.is_shared() && self.stop.level() <= StopLevel::Drain {
            self.count.complete();
        }
    }

    /// Returns the next item; `None` after the last, and when the run is stopped.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Item>>> {
        if self.stop.level() > StopLevel::Running {
            return Poll::Ready(None);
        }
        let next = ready!(self.blocks.poll_next(cx));
        Poll::Ready(match next {
            Some(Ok((name, input))) => {
                self.index += 1;
                self.count.add(1);
                let values = vec![Value::Whole(name.into_bytes())];
                Some(Ok(Item { index: self.index, values, input: Some(Arc::new(input)) }))
            }
            Some(Err(error)) => Some(Err(error)),
            None => {
                self.count.complete();
                None
            }
        })
    }
}

//! The blocks that one command reads from its standard input.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::block::Block;

/// How long to wait for the end of the input after all commands of `--round-robin` have ended. The thread that reads the input may be just
/// about to see its end.
const END_OF_INPUT_TIME: Duration = Duration::from_millis(100);

/// The input of one command: a block of its own, and with `--round-robin` also blocks that all commands share.
#[derive(Debug)]
pub(crate) struct ItemInput {
    /// `None` after the last attempt of the item.
    block: Mutex<Option<Arc<Block>>>,
    /// `None` without `--round-robin`.
    shared: Option<Arc<SharedBlocks>>,
    sent: AtomicU64,
}

impl ItemInput {
    pub(super) fn new(block: Block, shared: Option<Arc<SharedBlocks>>) -> ItemInput {
        ItemInput { block: Mutex::new(Some(Arc::new(block))), shared, sent: AtomicU64::new(0) }
    }

    /// Returns the block, unless it was released.
    pub(crate) fn block(&self) -> Option<Arc<Block>> {
        self.block.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Frees the memory of the block, because no further attempt follows.
    pub(crate) fn release(&self) {
        *self.block.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Returns the next shared block that no command has taken. `None` at the end of the input, after an error of the input, and without
    /// `--round-robin`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no block.
    pub(crate) async fn next_block(&self) -> Option<Block> {
        self.shared.as_ref()?.next().await
    }

    /// Adds to the number of bytes that were written to the standard input of the command.
    pub(crate) fn add_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Returns the number of bytes that were written to the standard input of all attempts of the command.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

/// The blocks that the commands of `--round-robin` share. A command gets another block when its previous block was written.
#[derive(Debug)]
pub(crate) struct SharedBlocks {
    /// The rest of the input, after the first block of each command. `None` until `open`.
    blocks: tokio::sync::Mutex<Option<mpsc::Receiver<io::Result<Block>>>>,
    is_open: watch::Sender<bool>,
    error: Mutex<Option<io::Error>>,
}

impl SharedBlocks {
    pub(super) fn new() -> Arc<SharedBlocks> {
        Arc::new(SharedBlocks {
            blocks: tokio::sync::Mutex::new(None),
            is_open: watch::Sender::new(false),
            error: Mutex::new(None),
        })
    }

    /// Lets the commands take blocks from the rest of the input. Called once: when the last command has got its first block, or
    /// earlier if the input or the run ends earlier.
    pub(super) fn open(&self, rest: mpsc::Receiver<io::Result<Block>>) {
        *self.blocks.try_lock().expect("commands take the lock only after this") = Some(rest);
        self.is_open.send_replace(true);
    }

    async fn next(&self) -> Option<Block> {
        // Cannot fail: a wait fails only after its sender was dropped, and `self` holds the sender.
        let _ = self.is_open.subscribe().wait_for(|is_open| *is_open).await;
        match self.blocks.lock().await.as_mut()?.recv().await? {
            Ok(block) => Some(block),
            Err(error) => {
                *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                None
            }
        }
    }

    /// Takes the error that ended the input, if one did.
    pub(crate) fn take_error(&self) -> Option<io::Error> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Returns whether the input may have blocks that no command has taken. Called when all commands have ended. Waits for
    /// `END_OF_INPUT_TIME` if the end of the input is not known yet.
    pub(crate) async fn has_unread_blocks(&self) -> bool {
        let Ok(mut blocks) = self.blocks.try_lock() else { return false };
        let Some(blocks) = blocks.as_mut() else { return false };
        !matches!(timeout(END_OF_INPUT_TIME, blocks.recv()).await, Ok(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_input_whose_end_is_about_to_be_read_has_no_unread_blocks() {
        let shared = SharedBlocks::new();
        let (sender, receiver) = mpsc::channel(1);
        shared.open(receiver);
        let (has_unread, ()) = tokio::join!(biased; shared.has_unread_blocks(), async { drop(sender) });
        assert!(!has_unread);
    }
}

//! A block, and the pool to which its memory returns.

use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::system::SplicedFile;

/// How often a thread that waits in `admit` reads the limit again.
const LIMIT_CHECK_INTERVAL: Duration = Duration::from_millis(200);

/// Whole records of the input. Dropping the block gives its memory back to the pool.
#[derive(Debug)]
pub(crate) struct Block {
    /// The number of bytes before the block in the input.
    offset: u64,
    length: usize,
    content: Content,
    pool: BlockPool,
}

#[derive(Debug)]
enum Content {
    /// The first bytes of the buffer are the block.
    Buffer(Vec<u8>),
    /// The bytes at this position of a file.
    File(Arc<SplicedFile>, u64),
}

/// Where the bytes of a block are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BlockBytes<'a> {
    Memory(&'a [u8]),
    File { file: &'a SplicedFile, at: u64, length: usize },
}

impl Block {
    pub(super) fn new(offset: u64, buffer: Vec<u8>, length: usize, pool: &BlockPool) -> Block {
        Block { offset, length, content: Content::Buffer(buffer), pool: pool.clone() }
    }

    /// Returns a block that stays in its file, at the position `at`.
    pub(super) fn of_file(offset: u64, file: &Arc<SplicedFile>, at: u64, length: usize, pool: &BlockPool) -> Block {
        Block { offset, length, content: Content::File(Arc::clone(file), at), pool: pool.clone() }
    }

    pub(crate) fn bytes(&self) -> BlockBytes<'_> {
        match &self.content {
            Content::Buffer(buffer) => BlockBytes::Memory(&buffer[..self.length]),
            Content::File(file, at) => BlockBytes::File { file, at: *at, length: self.length },
        }
    }

    /// Returns the positions of the first and the last byte in the input, for messages and records.
    pub(crate) fn name(&self) -> String {
        let end = self.offset + self.length as u64;
        format!("bytes {} to {}", self.offset, end.saturating_sub(1).max(self.offset))
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.pool.give_back(match &mut self.content {
            Content::Buffer(buffer) => mem::take(buffer),
            Content::File(..) => Vec::new(),
        });
    }
}

/// Limits how many blocks exist at once, and keeps their memory for the next ones. Clones share it.
#[derive(Clone)]
pub(super) struct BlockPool(Arc<BlockPoolShared>);

struct BlockPoolShared {
    state: Mutex<BlockPoolState>,
    returned: Condvar,
    max_blocks: Box<dyn Fn() -> usize + Send + Sync>,
}

#[derive(Default)]
struct BlockPoolState {
    free: Vec<Vec<u8>>,
    n_blocks: usize,
}

impl BlockPool {
    /// `max_blocks` returns how many blocks may exist at once. The number may change.
    pub(super) fn new(max_blocks: impl Fn() -> usize + Send + Sync + 'static) -> BlockPool {
        let max_blocks = Box::new(max_blocks);
        BlockPool(Arc::new(BlockPoolShared { state: Mutex::default(), returned: Condvar::new(), max_blocks }))
    }

    /// Waits until another block may exist, and counts it. The wait has no bound: commands may run for hours. Their number may be raised
    /// meanwhile, so the limit is read again from time to time.
    pub(super) fn admit(&self) {
        let mut state = self.lock();
        while state.n_blocks >= (self.0.max_blocks)() {
            let waited = self.0.returned.wait_timeout(state, LIMIT_CHECK_INTERVAL);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        state.n_blocks += 1;
    }

    /// Returns a buffer with at least this many bytes, of any content.
    pub(super) fn buffer(&self, size: usize) -> Vec<u8> {
        let mut buffer = self.lock().free.pop().unwrap_or_default();
        if buffer.len() < size {
            buffer = vec![0; size];
        }
        buffer
    }

    fn give_back(&self, buffer: Vec<u8>) {
        let mut state = self.lock();
        state.n_blocks -= 1;
        // The buffer of a small block is a copy of its bytes, and too small for the reader. So a buffer is kept only if it is at
        // least as large as the kept ones.
        let is_useful =
            !buffer.is_empty() && state.free.len() < 4 && state.free.iter().all(|other| other.len() <= buffer.len());
        if is_useful {
            state.free.push(buffer);
        }
        drop(state);
        self.0.returned.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, BlockPoolState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for BlockPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockPool").finish_non_exhaustive()
    }
}

//! Reads the input on a thread of its own, and cuts it into blocks.

use std::io::{self, Read};
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::mpsc;

use super::block::{Block, BlockPool};
use super::cutter::{BlockSize, Cutter};
use super::file_blocks::{self, Passed};
use super::input::{ItemInput, SharedBlocks};
use super::separator::Separator;
use crate::blocking_io;
use crate::system::{self, Descriptor, SplicedFile};

/// The size of the first buffer, unless blocks are smaller.
const FIRST_BUFFER_BYTES: usize = 1024 * 1024;

/// How the input is cut, and given to commands.
pub(crate) struct BlockOptions {
    pub(crate) separator: Separator,
    /// The size of a block in bytes.
    pub(crate) size: usize,
    /// With `--block -N`, the length of the input and the number of blocks.
    pub(crate) shares: Option<(u64, u64)>,
    /// The number of records in a block; `None` for as many as `size` allows.
    pub(crate) records: Option<usize>,
    /// With `--round-robin`, the number of commands that share the blocks.
    pub(crate) n_sharing: Option<usize>,
}

/// The inputs of commands, in the order of the input.
pub(crate) struct Blocks {
    receiver: Option<mpsc::Receiver<io::Result<Block>>>,
    sharing: Option<Sharing>,
}

/// The state of `--round-robin`.
struct Sharing {
    blocks: Arc<SharedBlocks>,
    /// The number of commands that may still start.
    n_left: usize,
}

impl Blocks {
    /// Starts the thread. It ends with the input, or at the next block after the receiver of its blocks was dropped. `max_blocks`
    /// returns how many blocks may exist at once.
    ///
    /// # Errors
    ///
    /// When the system refuses the thread.
    pub(crate) fn start(
        input: impl Read + Descriptor + Send + 'static,
        options: BlockOptions,
        max_blocks: impl Fn() -> usize + Send + Sync + 'static,
    ) -> io::Result<Blocks> {
        system::enlarge_pipe(&input);
        let BlockOptions { separator, size, shares, records, n_sharing } = options;
        let block_size = match (records, shares) {
            (Some(records), _) => BlockSize::Records(records),
            (None, Some((left, n_left))) => BlockSize::Shares { left, n_left, share: left.div_ceil(n_left.max(1)) },
            (None, None) => BlockSize::Bytes(size),
        };
        let cutter = Cutter::new(separator, block_size);
        let (sender, receiver) = mpsc::channel(1);
        let pool = BlockPool::new(max_blocks);
        blocking_io::start_thread("cordial-input", move || {
            read_blocks(input, cutter, &pool, |block| sender.blocking_send(block).is_ok());
        })?;
        let sharing = n_sharing.map(|n_left| Sharing { blocks: SharedBlocks::new(), n_left });
        Ok(Blocks { receiver: Some(receiver), sharing })
    }

    /// Returns the blocks that the commands of `--round-robin` share.
    pub(crate) fn shared(&self) -> Option<Arc<SharedBlocks>> {
        self.sharing.as_ref().map(|sharing| Arc::clone(&sharing.blocks))
    }

    /// Ends the inputs, because no further command starts. With `--round-robin`, the commands that have started may take the blocks
    /// that are left from now on.
    pub(crate) fn share_rest(&mut self) {
        let receiver = self.receiver.take();
        if let Some((sharing, receiver)) = self.sharing.as_ref().zip(receiver) {
            sharing.blocks.open(receiver);
        }
    }

    /// Returns the name and the input of the next command; `None` at the end of the input, and when all commands of
    /// `--round-robin` have started.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<(String, ItemInput)>>> {
        let Some(receiver) = &mut self.receiver else { return Poll::Ready(None) };
        let block = ready!(receiver.poll_recv(cx));
        let is_last = matches!(&self.sharing, Some(Sharing { n_left: 1, .. })) || !matches!(block, Some(Ok(_)));
        let shared = self.sharing.as_mut().map(|sharing| {
            sharing.n_left = sharing.n_left.saturating_sub(1);
            Arc::clone(&sharing.blocks)
        });
        if is_last {
            self.share_rest();
        }
        Poll::Ready(block.map(|block| block.map(|block| (block.name(), ItemInput::new(block, shared)))))
    }
}

/// Returns the size of a buffer that is large enough to contain the end of the next block, unless its records are longer.
fn wanted_bytes(cutter: &Cutter) -> usize {
    cutter.bytes().map_or(FIRST_BUFFER_BYTES, |(size, _)| size)
}

/// Passes the blocks of the input to `take`, until it returns false. The last one may be an error.
fn read_blocks(
    mut input: impl Read + Descriptor,
    mut cutter: Cutter,
    pool: &BlockPool,
    mut take: impl FnMut(io::Result<Block>) -> bool,
) {
    let mut offset = 0;
    if let Some(file) = SplicedFile::new(&input) {
        match file_blocks::pass_blocks(file, &mut cutter, pool, &mut take) {
            Passed::Until(n) => offset = n,
            Passed::Stopped => return,
        }
    }
    // The buffer grows with the input, which may be much smaller than a block.
    let mut buffer = pool.buffer(wanted_bytes(&cutter).min(FIRST_BUFFER_BYTES));
    // The part of the buffer that was read and belongs to no block yet.
    let (mut start, mut end) = (0, 0);
    let mut is_end = false;
    loop {
        while start < end
            && let Some(length) = cutter.next(&buffer[start..end], is_end)
        {
            pool.admit();
            let (bytes, n_rest) = if start == 0 && length > buffer.len() / 2 {
                let n_rest = end - length;
                // The next buffer is at first no larger than this one, because the next block may be the last one, and short.
                let mut next = pool.buffer(wanted_bytes(&cutter).min(buffer.len()).max(n_rest));
                next[..n_rest].copy_from_slice(&buffer[length..end]);
                (mem::replace(&mut buffer, next), Some(n_rest))
            } else {
                (buffer[start..start + length].to_vec(), None)
            };
            (start, end) = n_rest.map_or((start + length, end), |n_rest| (0, n_rest));
            let block = Block::new(offset, bytes, length, pool);
            offset += length as u64;
            if !take(Ok(block)) {
                return;
            }
        }
        if is_end {
            return;
        }
        if start > 0 && (start == end || end == buffer.len()) {
            buffer.copy_within(start..end, 0);
            (start, end) = (0, end - start);
        }
        if end == buffer.len() {
            let (doubled, wanted) = (2 * buffer.len(), wanted_bytes(&cutter));
            buffer.resize(if buffer.len() < wanted { doubled.min(wanted) } else { doubled }, 0);
        }
        match blocking_io::read(&mut input, &mut buffer[end..]) {
            Ok(0) => is_end = true,
            Ok(n) => end += n,
            Err(error) => {
                take(Err(error));
                return;
            }
        }
    }
}

//! Blocks of an input that is a pipe: only their ends are read here. The system moves the other bytes into the pipe of a command
//! that starts later, which saves two copies of each byte.
//!
//! ```text
//! input ──► pipe of the next command: the bytes that are left from the block before ┬ moved bytes ┬ up to the last record
//!                                                                                   │             └── read, and cut here
//!                                                                                   └── never seen by this program
//! ```

use std::io::{self, Read};

use super::separator::Separator;
use crate::blocking_io;
use crate::system::{Descriptor, FilledPipe, Moved};

/// How much of the end of a block is read and searched for the end of its last record.
const TAIL_BYTES: usize = 16 * 1024;

/// The largest block: what every user may have in a pipe. A smaller one than the second costs less when it is read into memory.
const MAX_BLOCK_BYTES: usize = 1024 * 1024;
const MIN_BLOCK_BYTES: usize = 4 * TAIL_BYTES;

/// The most blocks of a run. More might use up the memory that a user may have in pipes (64 MiB), and all later pipes would be
/// small ones.
const MAX_BLOCKS: usize = 32;

/// How many blocks are read into memory after one whose bytes could not be moved.
const PAUSE: usize = 16;

/// Fills pipes with blocks. They are the blocks that a `Cutter` finds.
pub(super) struct PipeFiller {
    size: usize,
    separator: Separator,
    /// The number of blocks that remain to be read into memory before the next attempt.
    n_paused: usize,
}

/// The next block.
pub(super) enum Next {
    Filled(FilledBlock),
    /// Its bytes are in the buffer, as are those of the next blocks, up to `end`.
    Read {
        end: usize,
        is_end: bool,
    },
}

/// A block that is in the pipe of its command.
pub(super) struct FilledBlock {
    pub(super) pipe: FilledPipe,
    /// Its last bytes, for which the pipe has no place.
    pub(super) rest: Vec<u8>,
    /// The number of bytes at the start of the buffer that belong to the next block.
    pub(super) n_next: usize,
}

impl PipeFiller {
    /// Returns `None` if the bytes of the input cannot be moved, or blocks have another size.
    pub(super) fn new(input: &impl Descriptor, size: usize, separator: &Separator) -> Option<PipeFiller> {
        let is_possible = (MIN_BLOCK_BYTES..=MAX_BLOCK_BYTES).contains(&size) && FilledPipe::accepts(input);
        is_possible.then(|| PipeFiller { size, separator: separator.clone(), n_paused: 0 })
    }

    /// Counts a block that was read into memory.
    pub(super) fn count_read(&mut self) {
        self.n_paused = self.n_paused.saturating_sub(1);
    }

    /// Returns whether the next block may be moved if this many of its bytes were read already, and this many blocks may exist.
    pub(super) fn is_ready(&self, n_read: usize, max_blocks: usize) -> bool {
        self.n_paused == 0 && n_read <= TAIL_BYTES && max_blocks <= MAX_BLOCKS
    }

    /// Passes the next block, of which the first `n_read` bytes are at the start of the buffer. The buffer is at least as large as
    /// a block.
    ///
    /// # Errors
    ///
    /// When the input cannot be read.
    pub(super) fn next(
        &mut self,
        input: &mut (impl Read + Descriptor),
        buffer: &mut [u8],
        n_read: usize,
    ) -> io::Result<Next> {
        let Some(mut pipe) = FilledPipe::new(self.size) else {
            self.n_paused = PAUSE;
            return Ok(Next::Read { end: n_read, is_end: false });
        };
        // Always whole: the pipe is empty, and much larger.
        pipe.write(&buffer[..n_read]);
        let tail = self.size - TAIL_BYTES;
        while pipe.length() < tail {
            let moved = pipe.move_from(input, tail - pipe.length())?;
            if moved != Moved::Some {
                self.n_paused = PAUSE;
                let end = pipe.length();
                pipe.read_back(buffer)?;
                return Ok(Next::Read { end, is_end: moved == Moved::End });
            }
        }
        let mut end = tail;
        let mut is_end = false;
        while end < self.size && !is_end {
            let n = blocking_io::read(input, &mut buffer[end..self.size])?;
            end += n;
            is_end = n == 0;
        }
        let cut = self.separator.last(&buffer[tail..end]).filter(|_| !is_end);
        let Some(cut) = cut.map(|cut| tail + cut) else {
            self.n_paused = PAUSE;
            pipe.read_back(buffer)?;
            return Ok(Next::Read { end, is_end });
        };
        let written = pipe.write(&buffer[tail..cut]);
        let rest = buffer[tail + written..cut].to_vec();
        buffer.copy_within(cut..end, 0);
        Ok(Next::Filled(FilledBlock { pipe, rest, n_next: end - cut }))
    }
}

//! Blocks of a regular file: only their ends are read here. The system moves their bytes into the pipe of the command, which
//! saves two copies of each byte.

use std::io;
use std::sync::Arc;

use super::block::{Block, BlockPool};
use super::cutter::Cutter;
use super::separator::Separator;
use crate::system::SplicedFile;

/// The search for the last complete record of a block begins with this many bytes at the end of the block.
const TAIL_BYTES: usize = 64 * 1024;

/// Whether the caller reads the rest of the input.
pub(super) enum Passed {
    /// The caller reads the rest. This many bytes were passed, and the position of the file is after them.
    Until(u64),
    /// No more blocks are taken, or an error was passed.
    Stopped,
}

/// Calls `take` with each block that the cutter would cut, without reading the block. Returns before the first block that has to be read
/// into memory: a small block, a block that is counted in records, or a block for which `block_length` returns `None`.
pub(super) fn pass_blocks(
    file: SplicedFile,
    cutter: &mut Cutter,
    pool: &BlockPool,
    mut take: impl FnMut(io::Result<Block>) -> bool,
) -> Passed {
    let file = Arc::new(file);
    let Ok(start) = file.position() else { return Passed::Until(0) };
    let mut at = start;
    // Smaller blocks cost less when they are read into memory.
    while let Some((size, separator)) = cutter.bytes()
        && size >= TAIL_BYTES
        && let Some(length) = block_length(&file, at, size, separator)
    {
        cutter.count(length as u64);
        pool.admit();
        if !take(Ok(Block::of_file(at - start, &file, at, length, pool))) {
            return Passed::Stopped;
        }
        at += length as u64;
    }
    match file.set_position(at) {
        Ok(()) => Passed::Until(at - start),
        Err(error) => {
            take(Err(error));
            Passed::Stopped
        }
    }
}

/// Returns the length of the block at a position of the file. `None` if no record ends within the block, or if the file cannot be read.
/// Also `None` for the last block if it is shorter than [`TAIL_BYTES`], or if its last record has no end: another program may still be
/// writing that record.
fn block_length(file: &SplicedFile, at: u64, size: usize, separator: &Separator) -> Option<usize> {
    let rest = file.length().ok()?.checked_sub(at)?;
    // The block is read ahead, so that the thread that starts commands does not wait for the disk.
    file.read_ahead(at, size);
    if rest <= size as u64 {
        let mut tail = vec![0; TAIL_BYTES];
        file.read_at(&mut tail, at + rest.checked_sub(TAIL_BYTES as u64)?).ok()?;
        let is_complete = separator.last(&tail) == Some(TAIL_BYTES);
        return is_complete.then_some(rest as usize);
    }
    // A block may be larger than the memory. So this searches its last bytes first, and reads four times as many while it finds no end.
    let mut length = TAIL_BYTES.min(size);
    loop {
        let before = size - length;
        let mut tail = vec![0; length];
        file.read_at(&mut tail, at + before as u64).ok()?;
        match separator.last(&tail) {
            Some(end) => return Some(before + end),
            None if length == size => return None,
            None => length = length.saturating_mul(4).min(size),
        }
    }
}

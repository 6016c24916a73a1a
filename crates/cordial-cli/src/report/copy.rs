//! Copies captured output, block by block, because it may be larger than memory.

use std::io::{self, Read, Take};

use tempfile::SpooledTempFile;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::item_failure::ItemFailure;
use crate::outcome::Outcome;
use crate::output::Capture;

/// The size of a block in bytes.
const BLOCK_BYTES: usize = 64 * 1024;

/// Which side failed while a capture was copied.
#[derive(Debug)]
pub(super) enum CopyError {
    /// The temporary file of the capture cannot be read.
    Read(io::Error),
    /// The output cannot be written.
    Write(io::Error),
}

/// Writes all bytes of a capture.
///
/// # Cancel safety
///
/// Dropping the future may leave a part written.
pub(super) async fn copy<W: AsyncWrite + Unpin>(capture: &mut Capture, output: &mut W) -> Result<(), CopyError> {
    let mut blocks = CaptureBlocks::new(capture)?;
    while let Some(block) = blocks.next()? {
        output.write_all(block).await.map_err(CopyError::Write)?;
    }
    Ok(())
}

/// Writes all bytes of a capture, with a tag before each line.
///
/// # Cancel safety
///
/// Dropping the future may leave a part written.
pub(super) async fn copy_tagged<W: AsyncWrite + Unpin>(
    capture: &mut Capture,
    tag: &[u8],
    output: &mut W,
) -> Result<(), CopyError> {
    let mut is_line_start = true;
    let mut blocks = CaptureBlocks::new(capture)?;
    let mut tagged = Vec::new();
    while let Some(block) = blocks.next()? {
        for line in lines(block) {
            push_tagged(&mut tagged, line, tag, is_line_start);
            is_line_start = line.ends_with(b"\n");
            // The tag may be an item of 100 KB, and the block 64 K empty lines.
            if tagged.len() >= BLOCK_BYTES {
                output.write_all(&tagged).await.map_err(CopyError::Write)?;
                tagged.clear();
            }
        }
    }
    output.write_all(&tagged).await.map_err(CopyError::Write)
}

/// Returns a text with a tag before each line.
pub(super) fn tag_lines(text: &[u8], tag: &[u8]) -> Vec<u8> {
    let mut tagged = Vec::with_capacity(text.len() * 2);
    lines(text).for_each(|line| push_tagged(&mut tagged, line, tag, true));
    tagged
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|&byte| byte == b'\n')
}

/// Adds a line, or a rest of a line, which gets no tag.
fn push_tagged(tagged: &mut Vec<u8>, line: &[u8], tag: &[u8], is_line_start: bool) {
    if is_line_start {
        tagged.extend_from_slice(tag);
    }
    tagged.extend_from_slice(line);
}

/// Makes an item fail, if it had succeeded, because its output cannot be read.
pub(super) fn fail_read_back(outcome: &mut Outcome, error: io::Error) {
    if outcome.result.is_ok() {
        outcome.result = Err(ItemFailure::ReadBackFailed(error));
    }
}

/// A capture in blocks.
pub(super) struct CaptureBlocks<'a> {
    reader: Take<&'a mut SpooledTempFile>,
    block: Vec<u8>,
}

impl<'a> CaptureBlocks<'a> {
    pub(super) fn new(capture: &'a mut Capture) -> Result<CaptureBlocks<'a>, CopyError> {
        let size = BLOCK_BYTES.min(usize::try_from(capture.length()).unwrap_or(BLOCK_BYTES));
        let reader = capture.reader().map_err(CopyError::Read)?;
        Ok(CaptureBlocks { reader, block: vec![0; size] })
    }

    /// Returns the next block, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, CopyError> {
        match self.reader.read(&mut self.block).map_err(CopyError::Read)? {
            0 => Ok(None),
            n => Ok(Some(&self.block[..n])),
        }
    }
}

//! What was captured, byte by byte or line by line.

use std::io::{self, Read, Take};

use tempfile::SpooledTempFile;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::output::capture::Capture;

const BLOCK: usize = 64 * 1024;

/// Which side failed when a capture was copied.
#[derive(Debug)]
pub(crate) enum CopyError {
    /// The temporary file could not be read back.
    Read(io::Error),
    Write(io::Error),
}

/// Writes everything captured.
///
/// # Cancel safety
///
/// Dropping the future may leave a part written.
pub(crate) async fn copy<W: AsyncWrite + Unpin>(capture: &mut Capture, output: &mut W) -> Result<(), CopyError> {
    let mut blocks = Blocks::of(capture)?;
    while let Some(block) = blocks.next()? {
        output.write_all(block).await.map_err(CopyError::Write)?;
    }
    Ok(())
}

/// The same, with a tag before each line.
///
/// # Cancel safety
///
/// Dropping the future may leave a part written.
pub(crate) async fn copy_tagged<W: AsyncWrite + Unpin>(
    capture: &mut Capture,
    tag: &[u8],
    output: &mut W,
) -> Result<(), CopyError> {
    let mut is_at_start = true;
    let mut blocks = Blocks::of(capture)?;
    while let Some(block) = blocks.next()? {
        let mut tagged = Vec::with_capacity(block.len() * 2);
        for part in block.split_inclusive(|&byte| byte == b'\n') {
            if is_at_start {
                tagged.extend_from_slice(tag);
            }
            tagged.extend_from_slice(part);
            is_at_start = part.ends_with(b"\n");
        }
        output.write_all(&tagged).await.map_err(CopyError::Write)?;
    }
    Ok(())
}

/// Everything captured, a part at a time.
pub(super) struct Blocks<'a> {
    captured: Take<&'a mut SpooledTempFile>,
    block: Vec<u8>,
}

impl<'a> Blocks<'a> {
    pub(super) fn of(capture: &'a mut Capture) -> Result<Blocks<'a>, CopyError> {
        let size = BLOCK.min(usize::try_from(capture.length()).unwrap_or(BLOCK));
        let captured = capture.read().map_err(CopyError::Read)?;
        Ok(Blocks { captured, block: vec![0; size] })
    }

    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, CopyError> {
        match self.captured.read(&mut self.block).map_err(CopyError::Read)? {
            0 => Ok(None),
            n => Ok(Some(&self.block[..n])),
        }
    }
}

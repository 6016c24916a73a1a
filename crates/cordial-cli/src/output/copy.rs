//! What was captured, byte by byte or line by line.

use std::io::{self, Read};

use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::capture::Capture;

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
    blocks(capture, async |block| output.write_all(block).await).await
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
    blocks(capture, async |block| {
        let mut tagged = Vec::with_capacity(block.len() * 2);
        for part in block.split_inclusive(|&byte| byte == b'\n') {
            if is_at_start {
                tagged.extend_from_slice(tag);
            }
            tagged.extend_from_slice(part);
            is_at_start = part.ends_with(b"\n");
        }
        output.write_all(&tagged).await
    })
    .await
}

/// Hands over everything captured.
pub(super) async fn blocks(
    capture: &mut Capture,
    mut write: impl AsyncFnMut(&[u8]) -> io::Result<()>,
) -> Result<(), CopyError> {
    let length = capture.length();
    if length == 0 {
        return Ok(());
    }
    let mut captured = capture.read().map_err(CopyError::Read)?;
    let mut block = vec![0; BLOCK.min(usize::try_from(length).unwrap_or(BLOCK))];
    loop {
        match captured.read(&mut block).map_err(CopyError::Read)? {
            0 => return Ok(()),
            n => write(&block[..n]).await.map_err(CopyError::Write)?,
        }
    }
}

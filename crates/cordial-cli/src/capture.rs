//! What a command wrote to one of its outputs: in memory while it is small, beyond that in a temporary file without a name.

use std::io::{self, Read, Seek, Write};

use tempfile::SpooledTempFile;
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// Beyond this many bytes a capture moves to a file. Results that wait for an older one hold two captures each, so that this bounds
/// memory together with the number of commands at once.
const IN_MEMORY: usize = 64 * 1024;

const BLOCK: usize = 64 * 1024;

/// Bytes written by a command.
pub(crate) struct Capture {
    file: SpooledTempFile,
    length: u64,
}

/// Which side failed when a capture was copied.
#[derive(Debug)]
pub(crate) enum CopyError {
    /// The temporary file could not be read back.
    Read(io::Error),
    Write(io::Error),
}

impl Capture {
    pub(crate) fn new() -> Self {
        Capture { file: SpooledTempFile::new(IN_MEMORY), length: 0 }
    }

    /// # Errors
    ///
    /// When the temporary file cannot be created or the disk is full. What was appended before is still there.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Writes everything captured to `output` and flushes it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave a part written.
    pub(crate) async fn copy_to<W: AsyncWrite + Unpin>(mut self, output: &mut W) -> Result<(), CopyError> {
        if self.length == 0 {
            return Ok(());
        }
        self.file.rewind().map_err(CopyError::Read)?;
        // A failed append may have left a part behind that does not count.
        let mut captured = self.file.take(self.length);
        let mut block = vec![0; BLOCK.min(usize::try_from(self.length).unwrap_or(BLOCK))];
        loop {
            let n = captured.read(&mut block).map_err(CopyError::Read)?;
            if n == 0 {
                return output.flush().await.map_err(CopyError::Write);
            }
            output.write_all(&block[..n]).await.map_err(CopyError::Write)?;
        }
    }
}

#[cfg(test)]
mod tests;

//! One output of a command: in memory while the output and the sum of all outputs are small, otherwise in a temporary file.

use std::env;
use std::io::{self, Read, Seek, SeekFrom, Take, Write};

use tempfile::SpooledTempFile;

use super::budget::{Budget, Charge, MAX_BYTES_IN_MEMORY};

/// A capture with more than this many bytes moves to a file.
const MAX_CAPTURE_IN_MEMORY: usize = 64 * 1024;

/// The bytes that a command wrote to one of its outputs.
#[derive(Debug)]
pub(crate) struct Capture {
    file: SpooledTempFile,
    length: u64,
    /// Whether the position of `file` is `length`. `false` after a failed write, and after `reader` was called.
    is_at_end: bool,
    charge: Charge,
}

impl Capture {
    pub(crate) fn new(budget: &Budget) -> Self {
        Capture {
            file: SpooledTempFile::new_in(MAX_CAPTURE_IN_MEMORY, env::temp_dir()),
            length: 0,
            is_at_end: true,
            charge: budget.charge(0),
        }
    }

    /// Returns the number of captured bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Appends bytes.
    ///
    /// # Errors
    ///
    /// When the temporary file cannot be created or written. The bytes of earlier calls remain readable.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let was_in_memory = !self.file.is_rolled();
        let written = self.write(bytes);
        self.is_at_end = written.is_ok();
        if was_in_memory && self.file.is_rolled() {
            self.charge.move_to_file();
        } else if was_in_memory && written.is_ok() {
            self.charge.add_bytes(bytes.len());
        }
        written?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Writes bytes behind those that are captured. An error may leave a part of the bytes in the file.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.is_at_end {
            self.file.seek(SeekFrom::Start(self.length))?;
        }
        if !self.file.is_rolled() && self.charge.total_bytes() + bytes.len() > MAX_BYTES_IN_MEMORY {
            self.file.roll()?;
        }
        self.file.write_all(bytes)
    }

    /// Returns a reader of all captured bytes, from the start.
    ///
    /// # Errors
    ///
    /// When the temporary file cannot be rewound.
    pub(crate) fn reader(&mut self) -> io::Result<Take<&mut SpooledTempFile>> {
        self.is_at_end = false;
        self.file.rewind()?;
        // A failed `append` may have written a part, which does not count.
        Ok((&mut self.file).take(self.length))
    }
}

#[cfg(test)]
mod tests;

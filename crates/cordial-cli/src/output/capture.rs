//! One output of a command: in memory while the output and the sum of all outputs are small, otherwise in a temporary file.

use std::env;
use std::io::{self, Read, Seek, Take, Write};

use tempfile::SpooledTempFile;

use super::budget::{Budget, Charge, MAX_BYTES_IN_MEMORY};

/// A capture with more than this many bytes moves to a file.
const MAX_CAPTURE_IN_MEMORY: usize = 64 * 1024;

/// The bytes that a command wrote to one of its outputs.
#[derive(Debug)]
pub(crate) struct Capture {
    file: SpooledTempFile,
    length: u64,
    charge: Charge,
}

impl Capture {
    pub(crate) fn new(budget: &Budget) -> Self {
        Capture {
            file: SpooledTempFile::new_in(MAX_CAPTURE_IN_MEMORY, env::temp_dir()),
            length: 0,
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
        if !self.file.is_rolled() {
            if self.charge.total_bytes() + bytes.len() > MAX_BYTES_IN_MEMORY {
                self.file.roll()?;
            }
            self.file.write_all(bytes)?;
            if self.file.is_rolled() {
                self.charge.move_to_file();
            } else {
                self.charge.add_bytes(bytes.len());
            }
        } else {
            self.file.write_all(bytes)?;
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Returns a reader of all captured bytes, from the start.
    ///
    /// # Errors
    ///
    /// When the temporary file cannot be rewound.
    pub(crate) fn reader(&mut self) -> io::Result<Take<&mut SpooledTempFile>> {
        self.file.rewind()?;
        // A failed `append` may have written a part, which does not count.
        Ok((&mut self.file).take(self.length))
    }
}

#[cfg(test)]
mod tests;

//! A regular file from which the system moves bytes into a pipe, without a copy in this program.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{Advice, FileType, fadvise, fstat};
use rustix::pipe::{SpliceFlags, splice};

use super::std_streams::Descriptor;

/// A file that `splice` accepts. Its position is shared with the input for which it was made.
#[derive(Debug)]
pub(crate) struct SplicedFile(File);

impl SplicedFile {
    /// Returns `None` if the input is not a regular file, has nothing to read, or is on a file system without `splice`.
    pub(crate) fn new(input: &impl Descriptor) -> Option<SplicedFile> {
        let is_file = FileType::from_raw_mode(fstat(input).ok()?.st_mode) == FileType::RegularFile;
        if !is_file {
            return None;
        }
        let file = SplicedFile(input.as_fd().try_clone_to_owned().ok()?.into());
        let (_reader, writer) = io::pipe().ok()?;
        let at = file.position().ok()?;
        // 0 at the end of the file, and for files without a size, such as those of /proc.
        matches!(file.splice(&writer.into(), at, 1), Ok(1)).then_some(file)
    }

    /// Returns the position of the next byte to read.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub(crate) fn position(&self) -> io::Result<u64> {
        (&self.0).stream_position()
    }

    /// Sets the position of the next byte to read.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub(crate) fn set_position(&self, at: u64) -> io::Result<()> {
        (&self.0).seek(SeekFrom::Start(at)).map(drop)
    }

    /// Returns the number of bytes that the file has now.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub(crate) fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    /// Fills a buffer with the bytes at a position. The position of the next byte to read does not change.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or has fewer bytes.
    pub(crate) fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        self.0.read_exact_at(buffer, at)
    }

    /// Lets the system read these bytes from the disk ahead of their use.
    pub(crate) fn read_ahead(&self, at: u64, length: usize) {
        let _ = fadvise(&self.0, at, (length as u64).try_into().ok(), Advice::WillNeed);
    }

    /// Moves some of the bytes at a position into a pipe, and returns how many: 0 at the end of the file. Waits for the disk, but not
    /// for room in the pipe.
    pub(super) fn splice(&self, pipe: &OwnedFd, at: u64, length: usize) -> rustix::io::Result<usize> {
        let mut at = at;
        splice(&self.0, Some(&mut at), pipe.as_fd(), None, length, SpliceFlags::NONBLOCK)
    }
}

//! Opens a named pipe for writing, without waiting forever for its reader.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;

/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(10);

/// The number of tries, which take about five seconds: a script may have started the reader just before.
const TRIES: u32 = 500;

/// Opens a file that is not a regular file, for writing. Returns `None` if it is a named pipe that no program opens for reading within five
/// seconds: to open it without these tries would wait without a limit.
///
/// # Errors
///
/// When the file cannot be opened.
pub(crate) fn open_special_file(path: &Path) -> io::Result<Option<File>> {
    let is_pipe = fs::metadata(path)?.file_type().is_fifo();
    for _ in 0..TRIES {
        match OpenOptions::new().write(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path) {
            Ok(file) => {
                // A later write waits for room in the pipe.
                fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
                return Ok(Some(file));
            }
            Err(error) if is_pipe && Errno::from_io_error(&error) == Some(Errno::NXIO) => thread::sleep(PAUSE),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

//! Reads a file or standard input on a thread of its own.

use std::io::{self, ErrorKind, Read};

use super::thread::start_thread;
use crate::system::{self, Descriptor};

/// The size of a chunk in bytes: large enough that a read costs little per value.
const CHUNK_BYTES: usize = 16 * 1024;

/// Starts a thread that passes chunks of the input to `take`; the last chunk is empty or an error.
/// The thread ends after that, or when `take` returns false. No thread waits for its end, because it may
/// be in a read that does not return.
///
/// # Errors
///
/// When the system refuses the thread.
pub(crate) fn start_reader(
    mut input: impl Read + Descriptor + Send + 'static,
    mut take: impl FnMut(io::Result<Vec<u8>>) -> bool + Send + 'static,
) -> io::Result<()> {
    let body = move || {
        loop {
            let chunk = read_chunk(&mut input);
            let is_last = !matches!(&chunk, Ok(chunk) if !chunk.is_empty());
            if !take(chunk) || is_last {
                return;
            }
        }
    };
    start_thread("cordial-input", body)
}

/// Reads bytes into a buffer, and returns how many; 0 at the end of the input. Blocks until there are some, or the input has ended.
///
/// # Errors
///
/// When the input cannot be read.
pub(crate) fn read(input: &mut (impl Read + Descriptor), buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // The program may inherit a nonblocking file.
            Err(error) if error.kind() == ErrorKind::WouldBlock => system::wait_until_readable(input)?,
            result => return result,
        }
    }
}

fn read_chunk(input: &mut (impl Read + Descriptor)) -> io::Result<Vec<u8>> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let n = read(input, &mut chunk)?;
    chunk.truncate(n);
    // A read from a pipe may return few bytes. The chunk may wait to be split, so its unused memory is
    // freed.
    chunk.shrink_to_fit();
    Ok(chunk)
}

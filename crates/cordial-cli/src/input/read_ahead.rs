//! Reads the input a little ahead of need, so that the number of items is known early if the input is short.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;

use super::value_count::ValueCount;

/// The size of a chunk in bytes: large enough that a read costs little per value.
const CHUNK_BYTES: usize = 16 * 1024;

/// The number of chunks that may wait to be split.
const MAX_WAITING_CHUNKS: usize = 4;

/// The chunks of an input. An error is the last message.
pub(crate) struct ReadAhead(pub(super) mpsc::Receiver<io::Result<Vec<u8>>>);

impl ReadAhead {
    /// Returns the chunks and the future that reads them. The caller has to run the future.
    pub(super) fn start(
        mut input: impl AsyncRead + Unpin,
        delimiter: u8,
        count: Arc<ValueCount>,
    ) -> (ReadAhead, impl Future<Output = ()>) {
        let (sender, receiver) = mpsc::channel(MAX_WAITING_CHUNKS);
        let reading = async move {
            let mut last = delimiter;
            loop {
                let mut chunk = vec![0; CHUNK_BYTES];
                let read = input.read(&mut chunk).await.map(|n| {
                    chunk.truncate(n);
                    // A read from a pipe may return few bytes. Their chunk may wait, so it gives
                    // back the other bytes.
                    chunk.shrink_to_fit();
                    chunk
                });
                let is_last = !matches!(&read, Ok(chunk) if !chunk.is_empty());
                if let Ok(chunk) = &read {
                    count.add(chunk.iter().filter(|&&byte| byte == delimiter).count() as u64);
                    last = chunk.last().copied().unwrap_or(last);
                    if is_last {
                        count.add(u64::from(last != delimiter));
                        count.complete();
                    }
                }
                let is_end = is_last && read.is_ok();
                if is_end || sender.send(read).await.is_err() || is_last {
                    return;
                }
            }
        };
        (ReadAhead(receiver), reading)
    }
}

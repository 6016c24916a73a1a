//! Reads an input a little ahead of need, so that the total is known early where the input is short.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;

use super::source::Known;

/// Large enough that a read costs little per value.
const CHUNK: usize = 16 * 1024;

/// How many chunks may wait.
const MOST: usize = 4;

/// The chunks of an input. After an error there are no more.
pub(crate) struct Ahead(pub(super) mpsc::Receiver<io::Result<Vec<u8>>>);

impl Ahead {
    /// The chunks, and the future that reads them.
    pub(super) fn start(
        mut input: impl AsyncRead + Unpin,
        delimiter: u8,
        known: Arc<Known>,
    ) -> (Ahead, impl Future<Output = ()>) {
        let (sender, receiver) = mpsc::channel(MOST);
        let reading = async move {
            let mut last = delimiter;
            loop {
                let mut chunk = vec![0; CHUNK];
                let read = input.read(&mut chunk).await.map(|n| {
                    chunk.truncate(n);
                    // Of a pipe a read may bring little, and many chunks may wait.
                    chunk.shrink_to_fit();
                    chunk
                });
                let is_last = !matches!(&read, Ok(chunk) if !chunk.is_empty());
                if let Ok(chunk) = &read {
                    known.count(chunk.iter().filter(|&&byte| byte == delimiter).count() as u64);
                    last = chunk.last().copied().unwrap_or(last);
                    if is_last {
                        known.count(u64::from(last != delimiter));
                        known.finish();
                    }
                }
                let is_end = is_last && read.is_ok();
                if is_end || sender.send(read).await.is_err() {
                    return;
                }
                // An error is the last thing that is sent.
                if is_last {
                    return;
                }
            }
        };
        (Ahead(receiver), reading)
    }
}

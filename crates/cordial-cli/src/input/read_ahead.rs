//! Reads the input a little ahead of need, so that the number of items is known early if the input is short.

use std::io::{self, Read};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::record_count::RecordCount;
use super::separator::ItemSeparator;
use crate::blocking_io;
use crate::system::Descriptor;

/// The number of chunks that may wait to be split.
const MAX_WAITING_CHUNKS: usize = 4;

/// The chunks of an input. The last one is empty, or an error.
pub(crate) struct ReadAhead(pub(super) mpsc::Receiver<io::Result<Vec<u8>>>);

impl ReadAhead {
    /// Starts a thread that reads the input. The thread ends with the input, or at the next chunk after the `ReadAhead`
    /// was dropped.
    ///
    /// # Errors
    ///
    /// When the system refuses the thread.
    pub(super) fn start(
        input: impl Read + Descriptor + Send + 'static,
        separator: ItemSeparator,
        count: Arc<RecordCount>,
    ) -> io::Result<ReadAhead> {
        let (sender, receiver) = mpsc::channel(MAX_WAITING_CHUNKS);
        let ItemSeparator::Byte(delimiter) = separator else {
            blocking_io::start_reader(input, move |chunk| sender.blocking_send(chunk).is_ok())?;
            return Ok(ReadAhead(receiver));
        };
        let mut last = delimiter;
        blocking_io::start_reader(input, move |chunk| {
            if let Ok(chunk) = &chunk {
                count.add(chunk.iter().filter(|&&byte| byte == delimiter).count() as u64);
                last = chunk.last().copied().unwrap_or(last);
                if chunk.is_empty() {
                    count.add(u64::from(last != delimiter));
                    count.complete();
                }
            }
            sender.blocking_send(chunk).is_ok()
        })?;
        Ok(ReadAhead(receiver))
    }
}

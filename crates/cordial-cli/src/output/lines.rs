//! Output that is printed while its item runs, whole lines at a time.

use std::mem;

use tokio::sync::mpsc;

use crate::report::printer::tag;
use crate::item::Item;

/// How many batches of lines may wait to be printed. Then commands wait as well.
const WAITING: usize = 16;

/// A line longer than this is printed in parts.
const LONGEST: usize = 1024 * 1024;

/// One of the two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Stdout,
    Stderr,
}

/// Lines of one output of one item.
#[derive(Debug)]
pub(crate) struct Lines {
    pub(crate) which: Which,
    pub(crate) bytes: Vec<u8>,
}

/// Where lines are sent.
pub(crate) struct Live {
    sender: mpsc::Sender<Lines>,
    is_tagged: bool,
}

impl Live {
    pub(crate) fn new(is_tagged: bool) -> (Live, mpsc::Receiver<Lines>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Live { sender, is_tagged }, receiver)
    }

    pub(crate) fn of(&self, which: Which, item: &Item) -> LiveLines {
        let tag = if self.is_tagged { tag(item) } else { Vec::new() };
        LiveLines { which, sender: self.sender.clone(), tag, rest: Vec::new(), ready: Vec::new() }
    }
}

/// Makes lines of what an item writes.
pub(crate) struct LiveLines {
    which: Which,
    sender: mpsc::Sender<Lines>,
    tag: Vec<u8>,
    /// A line in the making.
    rest: Vec<u8>,
    /// Lines that wait for room: whoever sends them may be interrupted by the end of the item.
    ready: Vec<u8>,
}

impl LiveLines {
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: what was not sent goes with the next lines, or with the last.
    pub(crate) async fn push(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            if self.rest.is_empty() {
                self.rest.extend_from_slice(&self.tag);
            }
            self.rest.extend_from_slice(part);
            if part.ends_with(b"\n") || self.rest.len() > LONGEST {
                self.ready.append(&mut self.rest);
            }
        }
        self.send().await;
    }

    /// Sends what is left, and a last line without an end as it is.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn finish(&mut self) {
        self.ready.append(&mut self.rest);
        self.send().await;
    }

    async fn send(&mut self) {
        if self.ready.is_empty() {
            return;
        }
        match self.sender.reserve().await {
            Ok(room) => room.send(Lines { which: self.which, bytes: mem::take(&mut self.ready) }),
            // Nobody prints any more: the run is over.
            Err(_) => self.ready.clear(),
        }
    }
}

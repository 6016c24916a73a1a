//! Whether the messages about failed items can still be seen at the end of a run, or have to be repeated.

use std::io::Read;

use crate::output::Capture;
use crate::system;

/// The rows of the screen that were printed since the first message about a failed item.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FailureLines {
    /// 0 before the first message.
    rows: usize,
    /// Whether other output was printed between or after the messages.
    is_mixed: bool,
}

impl FailureLines {
    /// Counts a message about a failed item.
    pub(super) fn add_message(&mut self, text: &str) {
        self.rows = self.rows.saturating_add(text_rows(text.as_bytes()));
    }

    /// Counts output that appears on the same screen as the messages.
    pub(super) fn add_output(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() && self.needs_rows() {
            self.add_rows(text_rows(bytes));
        }
    }

    /// Counts the output of a finished item.
    pub(super) fn add_capture(&mut self, capture: &mut Capture) {
        if capture.length() == 0 || !self.needs_rows() {
            return;
        }
        let screen = system::screen_size();
        let all = screen.rows * screen.columns;
        let mut bytes = Vec::new();
        let is_small = capture.length() <= all as u64;
        let is_read = is_small && capture.reader().and_then(|mut reader| reader.read_to_end(&mut bytes)).is_ok();
        self.add_rows(if is_read { text_rows(&bytes) } else { screen.rows });
    }

    /// Counts output that this program cannot see: it may have filled the screen.
    pub(super) fn add_unseen(&mut self) {
        if self.needs_rows() {
            self.add_rows(system::screen_size().rows);
        }
    }

    /// Returns whether the messages have to be repeated: some have left the screen, and other output is between or after them.
    pub(super) fn have_scrolled(&self) -> bool {
        // The summary and the prompt of the shell need rows as well.
        self.is_mixed && self.rows.saturating_add(2) > system::screen_size().rows
    }

    /// Returns whether other output still has to be counted: after the first message, and up to more rows than any screen has.
    fn needs_rows(&self) -> bool {
        (1..10_000).contains(&self.rows)
    }

    fn add_rows(&mut self, more: usize) {
        self.rows = self.rows.saturating_add(more);
        self.is_mixed = true;
    }
}

/// Returns about how many rows a text takes on the screen. Each byte counts as a column.
fn text_rows(text: &[u8]) -> usize {
    let columns = system::screen_size().columns.max(1);
    let lines = text.strip_suffix(b"\n").unwrap_or(text).split(|&byte| byte == b'\n');
    lines.map(|line| line.len().div_ceil(columns).max(1)).sum()
}

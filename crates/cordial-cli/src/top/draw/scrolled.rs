//! A text in a frame, scrolled no further than to its last line.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, Clear, Paragraph, Widget, Wrap};

/// Draws a text over an area, scrolled down by `scrolled` lines, but not further than to where its last line is at the end of the area.
/// Returns by how many lines it is scrolled.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, block: Block<'_>, text: Text<'_>, scrolled: u16) -> u16 {
    let inner = block.inner(area);
    let scrolled = match scrolled {
        0 => 0,
        wanted => wanted.min(line_count(&text, inner.width).saturating_sub(inner.height)),
    };
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(text).block(block).wrap(Wrap { trim: false }).scroll((scrolled, 0)), area);
    scrolled
}

/// Returns how many lines of the screen a text takes after it was wrapped. `ratatui` has no stable function for this.
fn line_count(text: &Text<'_>, width: u16) -> u16 {
    text.lines.iter().fold(0, |sum: u16, line| sum.saturating_add(wrapped_count(line, width.max(1))))
}

/// Returns how many lines of the screen a line takes: draws it into a buffer that is not shown.
fn wrapped_count(line: &Line<'_>, width: u16) -> u16 {
    // Words that are not divided leave at most half of each line empty.
    let most = u16::try_from(2 * line.width() / usize::from(width) + 2).unwrap_or(u16::MAX);
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, most));
    Paragraph::new(line.clone()).wrap(Wrap { trim: false }).render(buffer.area, &mut buffer);
    let is_empty = |row: u16| (0..width).all(|column| buffer[(column, row)].symbol().trim().is_empty());
    (0..most).rev().find(|&row| !is_empty(row)).map_or(1, |last| last + 1)
}

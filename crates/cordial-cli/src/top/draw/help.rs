//! The help: the keys, and what the words of the screen mean.

use ratatui::Frame;
use ratatui::layout::{Constraint, Flex, Layout};
use ratatui::widgets::Block;

use super::scrolled;

const KEYS: &str = "\
1 2 3 4, Tab    tasks, tree, streams, crashes
↑ ↓, PgUp PgDn  select a row; g and G: the first and the last
Enter           show the row in full; Esc goes back
→ ←             expand and collapse a branch of the tree
x               shut down, kill or restart the process, if that is allowed
s, S            sort by the next or the previous column
r               reverse the order
/               filter by label, place or pid; Esc removes the filter
Space           hold the screen still, and go on
Ctrl-L          draw the whole screen again
Ctrl-Z          suspend; the command fg of the shell goes on
q, Ctrl-C       quit

busy   share of time in which the threads were in polls: one bar per thread,
       ! for a thread that is blocked in a poll
queue  tasks that are ready and wait for a thread";

/// Draws the help, scrolled down by `wanted` lines, but not beyond its last line. Returns by how many lines it is scrolled.
pub(super) fn draw(frame: &mut Frame<'_>, wanted: u16) -> u16 {
    let height = u16::try_from(KEYS.lines().count()).unwrap_or(u16::MAX).saturating_add(2);
    let [area] = Layout::vertical([Constraint::Length(height)]).flex(Flex::Center).areas(frame.area());
    let [area] = Layout::horizontal([Constraint::Length(78)]).flex(Flex::Center).areas(area);
    let block = Block::bordered().title(" Keys ").title_bottom(" ↑↓ scroll   any other key: back ");
    scrolled::draw(frame, area, block, KEYS.into(), wanted)
}
